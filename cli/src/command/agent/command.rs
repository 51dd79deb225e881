//! What an agent is told to do: one row of `agent_commands` each, and the waiting for what becomes of it.

use std::time::Duration;

use creel_core::status::{CommandStatus, CommandType};
use serde_json::{Value, json};
use uuid::Uuid;

use super::parse_agent;
use crate::command::project::{self, ProjectArgs, text};
use crate::command::request::{age, failure_of};
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, Progress};

/// How often a waiting command asks: a person sees no difference to at once, the database feels nothing.
const WAIT_POLL: Duration = Duration::from_millis(300);
/// How often one asks that does not get through: often enough to see the end of a short break at once.
const UNREACHABLE_POLL: Duration = Duration::from_secs(2);

/// Which agent is meant, and how long its command is waited for.
#[derive(Debug, clap::Args)]
pub(crate) struct CommandArgs {
    /// Its key (agent:scout:main) or its short id (scout).
    agent: String,
    /// Do not wait for what becomes of it.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, default_value_t = 300, value_name = "SECS")]
    wait_secs: u64,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What `creel agent deploy` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    command: CommandArgs,
    /// How its host runs it: shared (in the host's one gateway) or profile (a gateway of its own) [default: what its
    /// row says].
    #[arg(long, value_parser = ["shared", "profile", "docker", "multipass"])]
    backend: Option<String>,
}

/// What `creel agent remove` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    command: CommandArgs,
    /// Delete its row and its documents, too, once its host has removed it.
    #[arg(long)]
    delete: bool,
}

/// Sends a command without a payload, or with one.
pub(super) async fn send(
    args: CommandArgs,
    kind: CommandType,
    payload: Value,
    out: Output,
) -> anyhow::Result<()> {
    let api = DataApi::open(&args.connection).await?;
    let project = args.project.resolve(&api).await?;
    send_by(&api, &project, args, kind, payload, out).await
}

/// Puts an agent on a host, in the way that is wished for.
pub(super) async fn deploy(args: DeployArgs, out: Output) -> anyhow::Result<()> {
    let api = DataApi::open(&args.command.connection).await?;
    let project = args.command.project.resolve(&api).await?;
    if let Some(backend) = &args.backend {
        let (agent_key, short) = parse_agent(&args.command.agent)?;
        let row = json!({
            "project_id": project, "agent_key": agent_key, "agent_id_short": short, "backend": backend,
        });
        let request = api.from("agents").upsert(row.to_string());
        api.run(request.on_conflict("project_id,agent_key")).await?;
    }
    send_by(&api, &project, args.command, CommandType::Deploy, json!({}), out).await
}

/// Takes an agent off its host.
pub(super) async fn remove(args: RemoveArgs, out: Output) -> anyhow::Result<()> {
    let payload = if args.delete {
        json!({ "delete_row": true })
    } else {
        json!({})
    };
    send(args.command, CommandType::Undeploy, payload, out).await
}

async fn send_by(
    api: &DataApi,
    project: &str,
    args: CommandArgs,
    kind: CommandType,
    payload: Value,
    out: Output,
) -> anyhow::Result<()> {
    let (agent_key, _) = parse_agent(&args.agent)?;
    let deletes_row = payload["delete_row"] == true;
    let row = json!({
        "project_id": project, "agent_key": agent_key, "type": kind.as_str(), "payload": payload,
    });
    let sent = api.rows(api.from("agent_commands").insert(row.to_string())).await;
    let sent = sent.map_err(|error| match error.kind {
        ErrorKind::NotFound => error.hint(format!("creel agent list shows those of {project}")),
        _ => error,
    })?;
    let row = sent.first().cloned().unwrap_or(Value::Null);
    let id: Uuid = row["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| {
        CliError::new(
            ErrorKind::Failed,
            "the Data API did not answer with the new command",
        )
    })?;
    // A start of an agent that is on no host is a deployment.
    let kind = text(&row, "type").parse().unwrap_or(kind);
    if args.no_wait {
        out.value(&json!({ "ok": true, "command_id": id, "agent_key": agent_key, "type": kind.as_str() }));
        out.line(format!(
            "Told {agent_key} to {}. See how it goes: creel agent commands",
            words(kind)
        ));
        return Ok(());
    }
    let done = {
        let progress = out.progress(None);
        wait_for(
            api,
            id,
            deletes_row,
            Duration::from_secs(args.wait_secs),
            &progress,
        )
        .await?
    };
    out.value(&json!({
        "ok": true, "command_id": id, "agent_key": agent_key, "type": kind.as_str(), "result": done["result"],
    }));
    let state = done["result"]["state"].as_str().unwrap_or(if deletes_row {
        "gone"
    } else {
        "as it was told to be"
    });
    out.line(format!("{agent_key} is {state}."));
    Ok(())
}

/// What a command is called in a sentence.
fn words(kind: CommandType) -> &'static str {
    match kind {
        CommandType::Deploy => "be deployed",
        CommandType::Start => "start",
        CommandType::Stop => "stop",
        CommandType::Restart => "restart",
        CommandType::Undeploy => "be removed",
        CommandType::UpdateConfig => "take its new configuration",
    }
}

/// Waits until a command is done, showing its steps as they come; its own error when it fails.
async fn wait_for(
    api: &DataApi,
    id: Uuid,
    deletes_row: bool,
    at_most: Duration,
    progress: &Progress,
) -> Result<Value, CliError> {
    let ends = tokio::time::Instant::now() + at_most;
    let mut shown = 0;
    loop {
        let request = api.from("agent_commands").select("*").eq("id", id.to_string());
        let row = match api.rows(request).await {
            Ok(mut rows) => rows.pop(),
            // A laptop that changes its network, a project that is restarted: the command goes on meanwhile.
            Err(error) if error.kind == ErrorKind::Unreachable && tokio::time::Instant::now() < ends => {
                progress.doing(&format!("{}; trying again", error.message));
                tokio::time::sleep(UNREACHABLE_POLL).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(row) = row else {
            // It went with its agent.
            if deletes_row {
                return Ok(Value::Null);
            }
            return Err(CliError::new(
                ErrorKind::NotFound,
                format!("command {id} is gone, and its agent with it"),
            ));
        };
        let steps = row["result"]["steps"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for step in steps.iter().skip(shown) {
            let name = step["step"]
                .as_str()
                .or(step["name"].as_str())
                .unwrap_or_default();
            progress.done(&format!("{name} ({} ms)", step["ms"]));
        }
        shown = shown.max(steps.len());
        match text(&row, "status").parse() {
            Ok(CommandStatus::Acked) => return Ok(row),
            Ok(CommandStatus::Failed) => return Err(failed(&row)),
            Ok(CommandStatus::Sent) => progress.doing(row["result"]["step"].as_str().unwrap_or("at work")),
            _ => progress.doing(row["waiting_for"].as_str().unwrap_or("waiting for its host")),
        }
        if tokio::time::Instant::now() > ends {
            let message = format!("command {id} is not done after {at_most:?}");
            return Err(CliError::new(ErrorKind::Timeout, message).hint(format!(
                "it goes on without this command; see creel request why {id}"
            )));
        }
        tokio::time::sleep(WAIT_POLL).await;
    }
}

fn failed(row: &Value) -> CliError {
    let (code, message, hint) = failure_of(row).unwrap_or_default();
    let message = [message, text(row, "error")]
        .into_iter()
        .find(|message| !message.is_empty())
        .unwrap_or_else(|| "the command failed".to_owned());
    let error = CliError::new(ErrorKind::Request, message);
    let error = if code.is_empty() { error } else { error.code(code) };
    if hint.is_empty() { error } else { error.hint(hint) }
}

/// What `creel agent commands` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CommandsArgs {
    /// Only those of this agent: its key (agent:scout:main) or its short id (scout).
    agent: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Lists the newest commands.
pub(super) async fn list(args: CommandsArgs, out: Output) -> anyhow::Result<()> {
    let api = DataApi::open(&args.connection).await?;
    let project = args.project.resolve(&api).await?;
    let mut request = api
        .from("agent_commands")
        .select("id,agent_key,type,status,error,waiting_for,result,created_at,sent_at,acked_at")
        .eq("project_id", &project)
        .order("created_at.desc,id")
        .limit(args.limit.into());
    if let Some(agent) = &args.agent {
        request = request.eq("agent_key", parse_agent(agent)?.0);
    }
    let rows = api.rows(request).await?;
    if rows.is_empty() {
        project::require(&api, &project).await?;
    }
    let cells = rows
        .iter()
        .map(|row| {
            let remark = [text(row, "error"), text(row, "waiting_for")];
            let mut cells: Vec<_> = ["id", "agent_key", "type", "status"]
                .iter()
                .map(|name| text(row, name))
                .collect();
            cells.push(age(&row["created_at"]));
            cells.push(
                remark
                    .into_iter()
                    .find(|remark| !remark.is_empty())
                    .unwrap_or_default(),
            );
            cells
        })
        .collect();
    let headers = ["COMMAND", "AGENT", "TYPE", "STATUS", "AGE", "ERROR / WAITS FOR"];
    out.rows(
        "commands",
        &json!(rows),
        &headers,
        cells,
        "There is no such command.",
    );
    Ok(())
}
