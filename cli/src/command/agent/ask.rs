//! Asking for an agent as a page does, and waiting for it.

use std::time::Duration;

use creel_core::status::RequestStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::command::project::text;
use crate::command::request::{failure_of, find};
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::Progress;

/// How often a waiting command asks: a person sees no difference to at once, the database feels nothing.
const WAIT_POLL: Duration = Duration::from_millis(300);
/// How often one asks that does not get through: often enough to see the end of a short break at once.
const UNREACHABLE_POLL: Duration = Duration::from_secs(2);
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
    /// What people call it; of a new agent the short id unless it is given.
    pub(crate) name: Option<String>,
    /// One emoji.
    pub(crate) emoji: Option<String>,
    /// What it does.
    pub(crate) role: Option<String>,
    /// Its SOUL.md, where it is not the template.
    pub(crate) soul: Option<String>,
}

/// How a new agent looks unless something else is wished.
const DEFAULT_EMOJI: &str = "🦞";
/// What a new agent does unless something else is wished.
const DEFAULT_ROLE: &str = "assistant";

/// What was asked for.
pub(crate) struct Asked {
    /// Id of the request.
    pub(crate) request_id: Uuid,
    /// What people call the agent.
    pub(crate) name: String,
    /// Its emoji.
    pub(crate) emoji: String,
}

/// Makes the rows that a page makes, in its order. Of an agent that is there only what was wished is changed.
pub(crate) async fn ask_for(api: &DataApi, wish: &Wish) -> Result<Asked, CliError> {
    let Wish {
        project,
        agent_key,
        short,
        soul,
        ..
    } = wish;
    let known = api
        .from("agents")
        .select("name,emoji,role")
        .eq("project_id", project)
        .eq("agent_key", agent_key);
    let known = api.rows(known).await?.pop();
    let part = |wished: &Option<String>, column: &str, default: &str| {
        let kept = known.as_ref().map(|row| text(row, column));
        let kept = kept.filter(|kept| !kept.is_empty());
        wished.clone().or(kept).unwrap_or_else(|| default.to_owned())
    };
    let name = part(&wish.name, "name", short);
    let emoji = part(&wish.emoji, "emoji", DEFAULT_EMOJI);
    let role = part(&wish.role, "role", DEFAULT_ROLE);
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
    let request_id = id.ok_or_else(|| {
        CliError::new(
            ErrorKind::Failed,
            "the Data API did not answer with the new request",
        )
    })?;
    Ok(Asked {
        request_id,
        name,
        emoji,
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
        let row = match find(api, id).await {
            Ok(row) => row,
            // A laptop that changes its network, a project that is restarted: the request goes on meanwhile.
            Err(error) if error.kind == ErrorKind::Unreachable && tokio::time::Instant::now() < ends => {
                progress.doing(&format!("{}; trying again", error.message));
                tokio::time::sleep(UNREACHABLE_POLL).await;
                continue;
            }
            Err(error) => return Err(error),
        };
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
            Ok(RequestStatus::Running) => progress.doing(row["result"]["step"].as_str().unwrap_or("at work")),
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
