//! `creel agent adopt`: agents that OpenClaw has already become rows.

use std::collections::HashMap;
use std::time::Duration;

use creel_core::id::{AgentId, RESERVED};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::wait_for;
use crate::command::project::{ProjectArgs, text};
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, Progress, printable};

/// How many are adopted before they are waited for: less than the database takes at once, and few enough that
/// a host with hundreds of agents does not fill the project's queue.
const AT_ONCE: usize = 50;

/// What `creel agent adopt` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct AdoptArgs {
    /// Ids in OpenClaw [default: list those that can be adopted].
    #[arg(value_name = "ID", conflicts_with = "all")]
    ids: Vec<String>,
    /// Adopt all that can be.
    #[arg(long)]
    all: bool,
    /// The host that has them, its id or its name [default: the only one of yours that serves the project].
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// How long to wait for them, in seconds.
    #[arg(long, default_value_t = 300, value_name = "SECS")]
    wait_secs: u64,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// An agent that could be adopted.
#[derive(Debug, Clone, PartialEq)]
struct Candidate {
    id: String,
    name: Option<String>,
    emoji: Option<String>,
    workspace: Option<String>,
}

/// Runs the command.
pub(super) async fn run(args: AdoptArgs, out: Output) -> anyhow::Result<()> {
    for id in &args.ids {
        check_id(id)?;
    }
    let api = DataApi::open(&args.connection).await?;
    let project = args.project.resolve(&api).await?;
    let host = find_host(&api, &project, args.host.as_deref()).await?;
    if args.ids.is_empty() {
        let candidates = plan_candidates(&host, &rows_on(&api, &host).await?)?;
        if !args.all {
            list(&host, &candidates, out);
            return Ok(());
        }
        return adopt(&api, &project, &host, &candidates, args.wait_secs, out).await;
    }
    let reported = reported(&host).unwrap_or_default();
    // One that the host has not told of yet may be there all the same.
    let wished: Vec<Candidate> = args
        .ids
        .iter()
        .map(|id| {
            let known = reported.iter().find(|agent| agent.id == *id).cloned();
            known.unwrap_or_else(|| Candidate {
                id: id.clone(),
                name: None,
                emoji: None,
                workspace: None,
            })
        })
        .collect();
    adopt(&api, &project, &host, &wished, args.wait_secs, out).await
}

fn check_id(id: &str) -> Result<(), CliError> {
    match AgentId::parse(id) {
        Ok(_) => Ok(()),
        Err(error) => Err(CliError::new(ErrorKind::Usage, error.to_string())
            .code("agent_id")
            .hint("creel agent adopt lists what can be adopted")),
    }
}

/// The asker's own host of the project that is meant.
async fn find_host(api: &DataApi, project: &str, wished: Option<&str>) -> Result<Value, CliError> {
    let request = api
        .from("project_hosts")
        .select("host:hosts(id,name,owner_id,roster:host_rosters(agents))")
        .eq("project_id", project);
    let rows = api.rows(request).await?;
    let hosts = rows.into_iter().map(|mut row| row["host"].take()).collect();
    plan_host(hosts, &api.session.user_id, wished).map_err(|error| match error.hint {
        None => error.hint("creel host list shows them; creel host enroll makes one"),
        Some(_) => error,
    })
}

fn plan_host(hosts: Vec<Value>, person: &str, wished: Option<&str>) -> Result<Value, CliError> {
    let is_meant = |host: &Value| {
        wished.is_none_or(|wished| {
            text(host, "name") == wished || text(host, "id").eq_ignore_ascii_case(wished)
        })
    };
    let (mut own, others): (Vec<_>, Vec<_>) = hosts
        .into_iter()
        .filter(is_meant)
        .partition(|host| text(host, "owner_id") == person);
    match (own.len(), wished) {
        (1, _) => Ok(own.remove(0)),
        (0, _) if !others.is_empty() => Err(CliError::new(
            ErrorKind::Auth,
            "only the owner of a host may adopt its agents, and you own none of the project's hosts that are meant",
        )
        .hint("ask the owner of the host to run this command")),
        (0, Some(wished)) => Err(CliError::new(
            ErrorKind::NotFound,
            format!("no host {wished:?} serves the project"),
        )),
        (0, None) => Err(CliError::new(ErrorKind::NotFound, "no host serves the project")),
        _ => {
            let names: Vec<_> = own
                .iter()
                .map(|host| format!("{} ({})", printable(&text(host, "name")), text(host, "id")))
                .collect();
            Err(
                CliError::new(ErrorKind::Usage, format!("several hosts are meant: {}", names.join(", ")))
                    .hint("name one by its id: --host <ID>"),
            )
        }
    }
}

/// The agents that the host told of; none if it has told nothing yet.
fn reported(host: &Value) -> Option<Vec<Candidate>> {
    let agents = host["roster"]["agents"].as_array()?;
    let part = |agent: &Value, name: &str| agent[name].as_str().map(str::to_owned);
    let candidates = agents.iter().filter_map(|agent| {
        Some(Candidate {
            id: part(agent, "id")?,
            name: part(agent, "name"),
            emoji: part(agent, "emoji"),
            workspace: part(agent, "workspace"),
        })
    });
    Some(candidates.collect())
}

/// The ids in OpenClaw that have a row already, and whether they were made there.
async fn rows_on(api: &DataApi, host: &Value) -> Result<HashMap<String, bool>, CliError> {
    let request = api
        .from("agents")
        .select("openclaw_id,provisioned")
        .eq("host_id", text(host, "id"));
    let rows = api.rows(request).await?;
    Ok(rows
        .iter()
        .map(|row| (text(row, "openclaw_id"), row["provisioned"] == true))
        .collect())
}

/// What could be adopted: what the host has, and nobody has a row of.
fn plan_candidates(host: &Value, with_row: &HashMap<String, bool>) -> Result<Vec<Candidate>, CliError> {
    let Some(all) = reported(host) else {
        return Err(CliError::new(
            ErrorKind::Failed,
            format!(
                "the host {} has not told yet which agents it has",
                printable(&text(host, "name"))
            ),
        )
        .code("no_report")
        .hint(
            "is its worker running, and of this version? An id can be given by hand: creel agent adopt <ID>",
        ));
    };
    let marked: Vec<&str> = host["roster"]["agents"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|agent| agent["creel"] == true)
        .filter_map(|agent| agent["id"].as_str())
        .collect();
    let is_free = |agent: &Candidate| {
        agent.id != RESERVED
            && AgentId::parse(&agent.id).is_ok()
            && match with_row.get(&agent.id) {
                // An attempt to make or adopt it has failed.
                Some(is_made) => !is_made,
                None => !marked.contains(&agent.id.as_str()),
            }
    };
    Ok(all.into_iter().filter(is_free).collect())
}

fn list(host: &Value, candidates: &[Candidate], out: Output) {
    let shown = |agent: &Candidate| {
        let face = [agent.emoji.as_deref(), agent.name.as_deref()];
        face.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let cells = candidates
        .iter()
        .map(|agent| {
            vec![
                agent.id.clone(),
                shown(agent),
                agent.workspace.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let values: Vec<Value> = candidates
        .iter()
        .map(|agent| {
            json!({ "id": agent.id, "name": agent.name, "emoji": agent.emoji, "workspace": agent.workspace })
        })
        .collect();
    let name = printable(&text(host, "name"));
    let empty = format!("{name} has no agents that could be adopted.");
    out.rows(
        "agents",
        &json!(values),
        &["ID", "NAME", "WORKSPACE"],
        cells,
        &empty,
    );
    if !candidates.is_empty() {
        out.line(format!(
            "These are in OpenClaw on {name}, and not in Creel. Adopt some: creel agent adopt <ID>..., or --all"
        ));
    }
}

async fn adopt(
    api: &DataApi,
    project: &str,
    host: &Value,
    wished: &[Candidate],
    wait_secs: u64,
    out: Output,
) -> anyhow::Result<()> {
    let ends = Instant::now() + Duration::from_secs(wait_secs);
    let mut answers = Vec::new();
    {
        let progress = out.progress(None);
        for part in wished.chunks(AT_ONCE) {
            let args = json!({
                "project_id": project, "host_id": host["id"],
                "agents": part.iter().map(|agent| {
                    json!({ "openclaw_id": agent.id, "name": agent.name, "emoji": agent.emoji })
                }).collect::<Vec<_>>(),
            });
            let mut asked = api.call("adopt_agents", &args).await?;
            for mut answer in asked["agents"]
                .as_array_mut()
                .into_iter()
                .flatten()
                .map(Value::take)
            {
                settle(api, &mut answer, ends, &progress).await?;
                answers.push(answer);
            }
        }
    }
    tell(&answers, out)
}

/// Waits for the host where there is something to wait for; a failure becomes part of the answer.
async fn settle(
    api: &DataApi,
    answer: &mut Value,
    ends: Instant,
    progress: &Progress,
) -> Result<(), CliError> {
    let request: Option<Uuid> = answer["request_id"].as_str().and_then(|id| id.parse().ok());
    let Some(request) = request else { return Ok(()) };
    progress.doing(&format!("adopting {}", text(answer, "openclaw_id")));
    let left = ends.saturating_duration_since(Instant::now());
    match wait_for(api, request, left, progress).await {
        Ok(row) => answer["workspace"] = row["result"]["workspace"].clone(),
        Err(error) if matches!(error.kind, ErrorKind::Request | ErrorKind::Timeout) => {
            answer["outcome"] = json!(if error.kind == ErrorKind::Timeout {
                "waiting"
            } else {
                "failed"
            });
            answer["reason"] = json!({ "code": error.code, "message": error.message, "hint": error.hint });
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

fn tell(answers: &[Value], out: Output) -> anyhow::Result<()> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for answer in answers {
        *counts.entry(text(answer, "outcome")).or_default() += 1;
    }
    let cells = answers
        .iter()
        .map(|answer| {
            let reason = &answer["reason"];
            let more = [
                text(reason, "message"),
                text(reason, "hint"),
                text(answer, "workspace"),
            ];
            let more: Vec<_> = more.into_iter().filter(|part| !part.is_empty()).collect();
            vec![
                text(answer, "openclaw_id"),
                text(answer, "outcome"),
                more.join("; "),
            ]
        })
        .collect();
    out.table(&["ID", "OUTCOME", ""], cells, "There is nothing to adopt.");
    let bad = ["refused", "failed", "waiting"];
    let count = |outcome: &str| counts.get(outcome).copied().unwrap_or_default();
    if bad.iter().all(|outcome| count(outcome) == 0) {
        out.value(&json!({ "ok": true, "agents": answers }));
        return Ok(());
    }
    let kind = if count("refused") + count("failed") == 0 {
        ErrorKind::Timeout
    } else {
        ErrorKind::Request
    };
    let said: Vec<_> = bad
        .iter()
        .filter(|outcome| count(outcome) > 0)
        .map(|outcome| format!("{} {outcome}", count(outcome)))
        .collect();
    let message = format!("not every agent was adopted: {}", said.join(", "));
    Err(CliError::new(kind, message)
        .hint("each says why; what was adopted stays, and the command can be repeated")
        .detail("agents", json!(answers))
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(id: &str, owner: &str, agents: Value) -> Value {
        json!({ "id": id, "name": format!("host-{id}"), "owner_id": owner, "roster": { "agents": agents } })
    }

    #[test]
    fn only_what_nobody_has_can_be_adopted() {
        let host = host(
            "h",
            "me",
            json!([
                { "id": "main", "creel": false }, { "id": "ada", "name": "Ada", "creel": false },
                { "id": "bob", "creel": false }, { "id": "eve", "creel": true },
                { "id": "tim", "creel": true }, { "id": "Not An Id", "creel": false }, { "name": "no id" },
            ]),
        );
        let free = plan_candidates(
            &host,
            &HashMap::from([("bob".to_owned(), true), ("tim".to_owned(), false)]),
        )
        .expect("it has told");
        let ids: Vec<_> = free.iter().map(|agent| agent.id.as_str()).collect();
        assert_eq!(ids, ["ada", "tim"]);
        let silent = json!({ "id": "h", "name": "h", "roster": null });
        assert_eq!(
            plan_candidates(&silent, &HashMap::new())
                .expect_err("silent")
                .code,
            "no_report"
        );
    }

    #[test]
    fn the_only_own_host_is_meant_unless_one_is_named() {
        let hosts = || vec![host("a", "me", json!([])), host("b", "you", json!([]))];
        assert_eq!(plan_host(hosts(), "me", None).expect("one")["id"], "a");
        assert_eq!(plan_host(hosts(), "me", Some("host-a")).expect("one")["id"], "a");
        let refused = |person, wished| plan_host(hosts(), person, wished).expect_err("refused").kind;
        assert_eq!(refused("me", Some("b")), ErrorKind::Auth);
        assert_eq!(refused("nobody", None), ErrorKind::Auth);
        assert_eq!(refused("me", Some("c")), ErrorKind::NotFound);
        let two = vec![host("a", "me", json!([])), host("b", "me", json!([]))];
        assert_eq!(
            plan_host(two, "me", None).expect_err("two").kind,
            ErrorKind::Usage
        );
    }
}
