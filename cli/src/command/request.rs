//! `creel request`: the queue, as a person sees it.

use creel_core::status::RequestStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use super::project::{self, ProjectArgs, text};
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// What can be done with requests.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum RequestCommand {
    /// List the newest requests of a project.
    List {
        #[command(flatten)]
        project: ProjectArgs,
        /// Only those in this state: queued, running, done or error.
        #[arg(long, value_parser = parse_status)]
        status: Option<RequestStatus>,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
        limit: u16,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Say what a request waits for, or why it failed.
    Why {
        /// Id of the request.
        id: Uuid,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Try a failed request again.
    Redrive {
        /// Id of the request.
        id: Uuid,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
}

fn parse_status(text: &str) -> Result<RequestStatus, String> {
    text.parse()
        .map_err(|_| "a status is queued, running, done or error".to_owned())
}

/// Runs the command.
pub(super) async fn run(command: RequestCommand, out: Output) -> anyhow::Result<()> {
    match command {
        RequestCommand::List {
            project,
            status,
            limit,
            connection,
        } => {
            let api = DataApi::open(&connection).await?;
            let project = project.resolve(&api).await?;
            list(&api, &project, status, limit, out).await
        }
        RequestCommand::Why { id, connection } => why(&DataApi::open(&connection).await?, id, out).await,
        RequestCommand::Redrive { id, connection } => {
            let api = DataApi::open(&connection).await?;
            let answer = api.call("redrive", &json!({ "id": id })).await?;
            out.value(&json!({ "ok": true, "id": id, "answer": answer }));
            out.line(format!(
                "Request {id} is queued again. See it: creel request why {id}"
            ));
            Ok(())
        }
    }
}

async fn list(
    api: &DataApi,
    project: &str,
    status: Option<RequestStatus>,
    limit: u16,
    out: Output,
) -> anyhow::Result<()> {
    let mut request = api
        .from("agent_provision_requests")
        .select("id,agent_key,status,waiting_for,result,requested_at,picked_up_at,completed_at")
        .eq("project_id", project)
        .order("requested_at.desc,id")
        .limit(limit.into());
    if let Some(status) = status {
        request = request.eq("status", status.as_str());
    }
    let rows = api.rows(request).await?;
    if rows.is_empty() {
        project::require(api, project).await?;
    }
    let cells = rows
        .iter()
        .map(|row| {
            let remark = failure_of(row).map_or_else(|| text(row, "waiting_for"), |(_, message, _)| message);
            vec![
                text(row, "id"),
                text(row, "agent_key"),
                text(row, "status"),
                age(&row["requested_at"]),
                remark,
            ]
        })
        .collect();
    let headers = ["REQUEST", "AGENT", "STATUS", "AGE", "WAITS FOR / ERROR"];
    out.rows(
        "requests",
        &json!(rows),
        &headers,
        cells,
        "There is no such request.",
    );
    Ok(())
}

async fn why(api: &DataApi, id: Uuid, out: Output) -> anyhow::Result<()> {
    let row = find(api, id).await?;
    let is_done = text(&row, "status").parse() == Ok(RequestStatus::Done);
    let answer = if is_done {
        Value::Null
    } else {
        api.call("why_pending", &json!({ "id": id })).await?
    };
    out.value(&json!({
        "ok": true, "id": id, "status": row["status"], "why": answer, "error": row["result"]["error"],
    }));
    out.line(format!(
        "Request {id} for {} is {}.",
        text(&row, "agent_key"),
        text(&row, "status")
    ));
    if let Some(reason) = readable(&answer) {
        out.line(reason);
    }
    if let Some((_, message, hint)) = failure_of(&row) {
        out.line(format!("error: {message}"));
        out.line(format!("hint: {hint}"));
        out.line(format!("To try it again: creel request redrive {id}"));
    }
    Ok(())
}

/// The row of a request.
pub(crate) async fn find(api: &DataApi, id: Uuid) -> Result<Value, CliError> {
    let request = api
        .from("agent_provision_requests")
        .select("*")
        .eq("id", id.to_string());
    api.rows(request).await?.pop().ok_or_else(|| {
        CliError::new(
            ErrorKind::NotFound,
            format!("there is no request {id} in your projects"),
        )
        .hint("creel request list shows them")
    })
}

/// Code, message and hint of a failed request.
pub(crate) fn failure_of(row: &Value) -> Option<(String, String, String)> {
    let error = row["result"]["error"].as_object()?;
    let part = |name: &str| {
        error
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Some((part("code"), part("message"), part("hint")))
}

/// What `why_pending` answered, as a sentence.
pub(crate) fn readable(answer: &Value) -> Option<String> {
    match answer {
        Value::String(reason) => Some(reason.clone()),
        Value::Object(parts) => {
            let words = ["message", "reason", "waiting_for", "hint"];
            let found: Vec<_> = words
                .iter()
                .filter_map(|word| parts.get(*word)?.as_str())
                .collect();
            Some(if found.is_empty() {
                answer.to_string()
            } else {
                found.join("\n")
            })
        }
        _ => None,
    }
}

/// How long ago a timestamp of a row was.
pub(crate) fn age(value: &Value) -> String {
    let Some(then) = value
        .as_str()
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
    else {
        return String::new();
    };
    let secs = jiff::Timestamp::now().as_second() - then.as_second();
    match secs {
        ..60 => format!("{}s", secs.max(0)),
        60..3600 => format!("{}m", secs / 60),
        3600..86400 => format!("{}h", secs / 3600),
        _ => format!("{}d", secs / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        let ago = |secs: i64| {
            let then =
                jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - secs).expect("a time");
            age(&json!(then.to_string()))
        };
        assert_eq!(ago(130), "2m");
        assert_eq!(ago(7300), "2h");
        assert_eq!(ago(90_000), "1d");
        assert_eq!(age(&Value::Null), "");
        assert!(!age(&json!("2026-01-02T03:04:05.678901+00:00")).is_empty());
    }

    #[test]
    fn a_reason_is_read_as_text_and_as_an_object() {
        assert_eq!(readable(&json!("a host")).as_deref(), Some("a host"));
        assert_eq!(
            readable(&json!({ "reason": "offline", "hint": "start it" })).as_deref(),
            Some("offline\nstart it")
        );
        assert_eq!(readable(&Value::Null), None);
    }
}
