//! `creel agent`.

use std::time::Duration;

use creel_core::id::AgentId;
use creel_core::status::RequestStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use super::project::{ProjectArgs, text};
use super::request::{age, failure_of, find};
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, Progress};

/// What can be done with agents.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AgentCommand {
    /// Ask for an agent, as a page does.
    Create(CreateArgs),
    /// List the agents of a project.
    List {
        #[command(flatten)]
        project: ProjectArgs,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Show one agent.
    Status {
        /// Its key (agent:scout:main) or its short id (scout).
        agent: String,
        #[command(flatten)]
        project: ProjectArgs,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
}

/// What `creel agent create` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// Its key (agent:scout:main) or its short id (scout): a-z, 0-9, _ and -.
    agent: String,
    /// What people call it [default: the short id].
    #[arg(long)]
    name: Option<String>,
    /// One emoji.
    #[arg(long, default_value = "🦞")]
    emoji: String,
    /// What it does, in a few words.
    #[arg(long, default_value = "assistant")]
    role: String,
    /// Text of its SOUL.md: who it is [default: a template].
    #[arg(long, value_name = "FILE")]
    soul: Option<std::path::PathBuf>,
    /// Wait until the agent is there, or its request has failed.
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, default_value_t = 300, value_name = "SECS")]
    wait_secs: u64,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// How often a waiting command asks: a person sees no difference to at once, the database feels nothing.
const WAIT_POLL: Duration = Duration::from_millis(300);
/// Who wrote the first document, as the page shows it.
const AUTHOR: &str = "creel";

/// What a page writes about a new agent.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The project.
    pub(crate) project: String,
    /// `agent:<short>:main`.
    pub(crate) agent_key: String,
    /// The short id.
    pub(crate) short: String,
    /// What people call it.
    pub(crate) name: String,
    /// One emoji.
    pub(crate) emoji: String,
    /// What it does.
    pub(crate) role: String,
    /// Its SOUL.md, where it is not the template.
    pub(crate) soul: Option<String>,
}

/// Key and short id of what was typed.
fn parse_agent(typed: &str) -> Result<(String, String), CliError> {
    let short = match typed.split(':').collect::<Vec<_>>().as_slice() {
        ["agent", short, ..] => (*short).to_owned(),
        _ => typed.to_owned(),
    };
    AgentId::parse(&short).map_err(|error| {
        CliError::new(ErrorKind::Usage, error.to_string())
            .code("agent_id")
            .hint("for example: creel agent create scout")
    })?;
    let key = if typed.contains(':') {
        typed.to_owned()
    } else {
        format!("agent:{short}:main")
    };
    Ok((key, short))
}

/// Runs the command.
pub(super) async fn run(command: AgentCommand, out: Output) -> anyhow::Result<()> {
    match command {
        AgentCommand::Create(args) => create(args, out).await,
        AgentCommand::List { project, connection } => {
            let api = DataApi::open(&connection).await?;
            let project = project.resolve(&api).await?;
            list(&api, &project, out).await
        }
        AgentCommand::Status {
            agent,
            project,
            connection,
        } => {
            let api = DataApi::open(&connection).await?;
            let project = project.resolve(&api).await?;
            status(&api, &project, &agent, out).await
        }
    }
}

async fn create(args: CreateArgs, out: Output) -> anyhow::Result<()> {
    let (agent_key, short) = parse_agent(&args.agent)?;
    let soul = args
        .soul
        .as_ref()
        .map(std::fs::read_to_string)
        .transpose()
        .map_err(|error| {
            CliError::new(
                ErrorKind::Usage,
                format!("the soul's file cannot be read: {error}"),
            )
            .hint("check --soul")
        })?;
    let api = DataApi::open(&args.connection).await?;
    let wish = Wish {
        project: args.project.resolve(&api).await?,
        agent_key,
        name: args.name.unwrap_or_else(|| short.clone()),
        short,
        emoji: args.emoji,
        role: args.role,
        soul,
    };
    let id = ask_for(&api, &wish).await?;
    if !args.wait {
        out.value(&json!({ "ok": true, "request_id": id, "agent_key": wish.agent_key }));
        out.line(format!(
            "Asked for {}. See how it goes: creel request why {id}",
            wish.agent_key
        ));
        return Ok(());
    }
    let row = {
        let progress = out.progress(None);
        wait_for(&api, id, Duration::from_secs(args.wait_secs), &progress).await?
    };
    out.value(&json!({ "ok": true, "request_id": id, "agent_key": wish.agent_key, "result": row["result"] }));
    out.line(format!(
        "{} {} is there.",
        wish.emoji,
        crate::output::printable(&wish.name)
    ));
    Ok(())
}

/// Makes the rows that a page makes, in its order, and answers with the request's id.
pub(crate) async fn ask_for(api: &DataApi, wish: &Wish) -> Result<Uuid, CliError> {
    let Wish {
        project,
        agent_key,
        short,
        name,
        emoji,
        role,
        soul,
    } = wish;
    let agent = json!({
        "project_id": project, "agent_key": agent_key, "name": name, "role": role, "emoji": emoji,
        "agent_id_short": short, "provisioned": false,
    });
    let request = api
        .from("agents")
        .upsert(agent.to_string())
        .on_conflict("project_id,agent_key");
    api.run(request).await?;
    let status = json!({
        "project_id": project, "agent_key": agent_key, "state": "idle", "note": "Provisioning…",
        "last_activity_at": jiff::Timestamp::now().to_string(),
    });
    let request = api
        .from("agent_status")
        .upsert(status.to_string())
        .on_conflict("project_id,agent_key");
    api.run(request).await?;
    if let Some(content) = soul {
        let doc = json!({
            "project_id": project, "agent_key": agent_key, "doc_type": "soul", "content": content,
            "updated_by": AUTHOR,
        });
        let request = api
            .from("brain_docs")
            .upsert(doc.to_string())
            .on_conflict("project_id,agent_key,doc_type");
        api.run(request).await?;
    }
    let request = json!({
        "project_id": project, "agent_key": agent_key, "agent_id_short": short, "display_name": name,
        "emoji": emoji, "role_short": role, "status": "queued",
    });
    let rows = api
        .rows(api.from("agent_provision_requests").insert(request.to_string()))
        .await;
    let rows = rows.map_err(|error| match error.code.as_ref() {
        "23505" => CliError::new(
            ErrorKind::Failed,
            format!("a request for {agent_key} is open already"),
        )
        .code("open_request")
        .hint("see what it waits for: creel request list"),
        _ => error,
    })?;
    let id = rows
        .first()
        .and_then(|row| row["id"].as_str())
        .and_then(|id| id.parse().ok());
    id.ok_or_else(|| {
        CliError::new(
            ErrorKind::Failed,
            "the Data API did not answer with the new request",
        )
    })
}

/// Waits until a request is done, showing its steps as they come; its own error when it fails.
pub(crate) async fn wait_for(
    api: &DataApi,
    id: Uuid,
    at_most: Duration,
    progress: &Progress,
) -> Result<Value, CliError> {
    let ends = tokio::time::Instant::now() + at_most;
    let mut shown = 0;
    loop {
        let row = find(api, id).await?;
        let steps = row["result"]["steps"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for step in steps.iter().skip(shown) {
            progress.done(&format!("{} ({} ms)", text(step, "name"), step["ms"]));
        }
        shown = shown.max(steps.len());
        match text(&row, "status").parse() {
            Ok(RequestStatus::Done) => return Ok(row),
            Ok(RequestStatus::Error) => return Err(failed(&row)),
            Ok(RequestStatus::Running) => progress.doing("at work"),
            _ => progress.doing(row["waiting_for"].as_str().unwrap_or("waiting for a host")),
        }
        if tokio::time::Instant::now() > ends {
            return Err(CliError::new(
                ErrorKind::Timeout,
                format!("request {id} is not done after {at_most:?}"),
            )
            .hint(format!(
                "it goes on without this command; see creel request why {id}"
            )));
        }
        tokio::time::sleep(WAIT_POLL).await;
    }
}

fn failed(row: &Value) -> CliError {
    let (code, message, hint) = failure_of(row).unwrap_or_default();
    let message = if message.is_empty() {
        "the request failed".to_owned()
    } else {
        message
    };
    let error = CliError::new(ErrorKind::Request, message);
    let error = if code.is_empty() { error } else { error.code(code) };
    if hint.is_empty() { error } else { error.hint(hint) }
}

async fn list(api: &DataApi, project: &str, out: Output) -> anyhow::Result<()> {
    let columns = "id,project_id,agent_key,agent_id_short,name,role,emoji,status,provisioned,openclaw_id,\
                   workspace_path,host:hosts(id,name),activity:agent_status(state,note)";
    let request = api
        .from("agents")
        .select(columns)
        .eq("project_id", project)
        .order("agent_key");
    let rows = api.rows(request).await?;
    let cells = rows
        .iter()
        .map(|row| {
            let name = format!("{} {}", text(row, "emoji"), text(row, "name"));
            let host = text(&row["host"], "name");
            vec![
                text(row, "agent_key"),
                name.trim().to_owned(),
                text(row, "role"),
                text(row, "status"),
                host,
            ]
        })
        .collect();
    let empty = format!("{project} has no agents. Make one: creel agent create scout --wait");
    out.rows(
        &json!(rows),
        &["AGENT", "NAME", "ROLE", "STATUS", "HOST"],
        cells,
        &empty,
    );
    Ok(())
}

async fn status(api: &DataApi, project: &str, typed: &str, out: Output) -> anyhow::Result<()> {
    let (agent_key, _) = parse_agent(typed)?;
    let columns = "*,host:hosts(id,name,status),activity:agent_status(*),metrics:agent_metrics(*)";
    let request = api
        .from("agents")
        .select(columns)
        .eq("project_id", project)
        .eq("agent_key", &agent_key);
    let agent = api.rows(request).await?.pop().ok_or_else(|| {
        CliError::new(ErrorKind::NotFound, format!("{project} has no agent {agent_key}"))
            .hint("creel agent list shows them")
    })?;
    let request = api
        .from("agent_provision_requests")
        .select("id,status,waiting_for,result,requested_at,completed_at")
        .eq("project_id", project)
        .eq("agent_key", &agent_key)
        .order("requested_at.desc")
        .limit(1);
    let newest = api.rows(request).await?.pop().unwrap_or(Value::Null);
    out.value(&json!({ "agent": agent, "newest_request": newest }));

    let mut cells = vec![
        ("agent", agent_key),
        (
            "name",
            format!("{} {}", text(&agent, "emoji"), text(&agent, "name")),
        ),
        ("status", text(&agent, "status")),
        ("provisioned", agent["provisioned"].to_string()),
        ("host", text(&agent["host"], "name")),
        ("OpenClaw id", text(&agent, "openclaw_id")),
        ("workspace", text(&agent, "workspace_path")),
    ];
    if newest.is_object() {
        let when = age(&newest["requested_at"]);
        cells.push((
            "newest request",
            format!("{}, {when} ago: {}", text(&newest, "id"), text(&newest, "status")),
        ));
        cells.push(("waits for", text(&newest, "waiting_for")));
    }
    if let Some((_, message, hint)) = failure_of(&newest) {
        cells.push(("error", message));
        cells.push(("hint", hint));
    }
    if !out.is_json() {
        let cells = cells.into_iter().filter(|(_, value)| !value.trim().is_empty());
        let cells = cells.map(|(name, value)| vec![name.to_owned(), value]).collect();
        out.rows(&Value::Null, &["", ""], cells, "");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_and_a_key_mean_the_same_agent() {
        let scout = ("agent:scout:main".to_owned(), "scout".to_owned());
        assert_eq!(parse_agent("scout").expect("a short id"), scout);
        assert_eq!(parse_agent("agent:scout:main").expect("a key"), scout);
    }

    #[test]
    fn ids_that_no_host_could_make_are_refused_before_anything_is_written() {
        for typed in ["", "main", "../x", "A", "agent::main", "agent:-x:main", "a b"] {
            let refusal = parse_agent(typed).expect_err(typed);
            assert_eq!(refusal.kind, ErrorKind::Usage, "{typed}");
        }
    }
}
