//! `creel docs list`.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::target::{PlaceArgs, file_of_row, people, writer};
use crate::command::agent::parse_agent;
use crate::command::project::{self, text};
use crate::command::request::age;
use crate::data_api::DataApi;
use crate::error::CliError;
use crate::output::Output;

/// What `creel docs list` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only those of this agent: its key (agent:scout:main) or its short id (scout).
    agent: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Lists documents.
pub(super) async fn run(args: ListArgs, out: Output) -> anyhow::Result<()> {
    let agent_key = agent_key(args.agent.as_deref())?;
    let (api, project) = args.place.open().await?;
    let docs = documents(&api, &project, agent_key.as_deref()).await?;
    if docs.is_empty() {
        project::require(&api, &project).await?;
    }
    let people = if out.is_json() {
        HashMap::new()
    } else {
        people(&api, &project).await
    };
    let cells = docs
        .iter()
        .map(|row| {
            vec![
                text(row, "agent_key"),
                file_of_row(row),
                row["version"].to_string(),
                state(row),
                age(&row["updated_at"]),
                writer(row, &people),
                remark(row),
            ]
        })
        .collect();
    let headers = ["AGENT", "DOCUMENT", "VERSION", "STATE", "AGE", "BY", ""];
    let empty = match agent_key {
        Some(key) => format!("{key} has no documents in {project}."),
        None => format!("{project} has no documents. They come with agents: creel agent create scout --wait"),
    };
    out.rows("docs", &json!(docs), &headers, cells, &empty);
    Ok(())
}

/// The key of the agent that is meant, if one is.
pub(super) fn agent_key(typed: Option<&str>) -> Result<Option<String>, CliError> {
    typed
        .map(|typed| parse_agent(typed).map(|(key, _)| key))
        .transpose()
}

/// The documents of a project or of one agent, without their texts.
pub(super) async fn documents(
    api: &DataApi,
    project: &str,
    agent_key: Option<&str>,
) -> Result<Vec<Value>, CliError> {
    let mut args = json!({ "project_id": project });
    if let Some(key) = agent_key {
        args["agent_key"] = json!(key);
    }
    let mut answer = api.call("list_docs_of", &args).await?;
    Ok(match answer["docs"].take() {
        Value::Array(docs) => docs,
        _ => Vec::new(),
    })
}

/// One word for where a document stands.
fn state(row: &Value) -> String {
    let state = text(row, "sync_state");
    if row["conflict_version"].is_null() {
        state
    } else {
        format!("{state}, conflict")
    }
}

/// What a person should know of it.
fn remark(row: &Value) -> String {
    let mut parts = vec![text(row, "sync_note")];
    if let Some(held) = row["held_version"].as_i64() {
        parts.push(format!("the disk's text is held back as version {held}"));
    }
    if let Some(lost) = row["conflict_version"].as_i64() {
        parts.push(format!("version {lost} lost against the disk"));
    }
    parts.push(text(row, "warning"));
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_has_to_decide_is_said_in_the_list() {
        let row = json!({ "sync_state": "held", "held_version": 4, "conflict_version": null });
        assert_eq!(
            (state(&row), remark(&row)),
            (
                "held".to_owned(),
                "the disk's text is held back as version 4".to_owned()
            )
        );
        let row = json!({ "sync_state": "synced", "conflict_version": 3, "warning": "too long" });
        assert_eq!(
            (state(&row), remark(&row)),
            (
                "synced, conflict".to_owned(),
                "version 3 lost against the disk; too long".to_owned()
            )
        );
    }
}
