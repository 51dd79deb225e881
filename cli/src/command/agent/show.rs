//! Agents on the screen.

use serde_json::{Value, json};

use super::parse_agent;
use crate::command::project::{self, text};
use crate::command::request::{age, failure_of, readable};
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// Lists the agents of a project.
pub(super) async fn list(api: &DataApi, project: &str, out: Output) -> anyhow::Result<()> {
    let columns = "id,project_id,agent_key,agent_id_short,name,role,emoji,status,provisioned,openclaw_id,\
                   workspace_path,host:hosts(id,name),activity:agent_status(state,note)";
    let request = api
        .from("agents")
        .select(columns)
        .eq("project_id", project)
        .order("agent_key");
    let rows = api.rows(request).await?;
    if rows.is_empty() {
        project::require(api, project).await?;
    }
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
        "agents",
        &json!(rows),
        &["AGENT", "NAME", "ROLE", "STATUS", "HOST"],
        cells,
        &empty,
    );
    Ok(())
}

/// Shows one agent.
pub(super) async fn status(api: &DataApi, project: &str, typed: &str, out: Output) -> anyhow::Result<()> {
    let (agent_key, _) = parse_agent(typed)?;
    let columns = "*,host:hosts(id,name,status),activity:agent_status(*),metrics:agent_metrics(*)";
    let open = "open_commands:agent_commands(id,type,status,waiting_for,created_at)";
    let request = api
        .from("agents")
        .select(format!("{columns},{open}"))
        .eq("project_id", project)
        .eq("agent_key", &agent_key)
        .not("in", "open_commands.status", "(acked,failed)")
        .order_with_options("created_at", Some("open_commands"), true, false);
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
    let waiting = agent["open_commands"][0]["id"].as_str();
    let why = match waiting {
        Some(id) => api.call("why_pending", &json!({ "id": id })).await?,
        None => Value::Null,
    };
    out.value(&json!({ "ok": true, "agent": agent, "newest_request": newest, "why": why }));

    let mut cells = vec![
        ("agent", agent_key),
        (
            "name",
            format!("{} {}", text(&agent, "emoji"), text(&agent, "name")),
        ),
        ("status", text(&agent, "status")),
        ("is to be", text(&agent, "desired_state")),
        ("activity", activity(&agent["activity"])),
        ("uses", usage(&agent["metrics"])),
        ("limits", limits(&agent["limits"])),
        ("provisioned", agent["provisioned"].to_string()),
        ("host", text(&agent["host"], "name")),
        ("OpenClaw id", text(&agent, "openclaw_id")),
        ("backend", text(&agent, "backend")),
        (
            "port",
            agent["port"]
                .as_u64()
                .map(|port| port.to_string())
                .unwrap_or_default(),
        ),
        ("workspace", text(&agent, "workspace_path")),
    ];
    for command in agent["open_commands"].as_array().into_iter().flatten() {
        let (kind, status, when) = (
            text(command, "type"),
            text(command, "status"),
            age(&command["created_at"]),
        );
        cells.push(("open command", format!("{kind}, {when} ago: {status}")));
    }
    if let Some(reason) = readable(&why) {
        cells.push(("waits for", reason));
    }
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
        out.table(&["", ""], cells, "");
    }
    Ok(())
}

/// What an agent does, with what it says of it.
fn activity(row: &Value) -> String {
    let (state, note) = (text(row, "state"), text(row, "note"));
    if note.is_empty() {
        state
    } else {
        format!("{state}: {note}")
    }
}

/// What an agent uses, where its host has said so.
fn usage(row: &Value) -> String {
    let mut parts = Vec::new();
    for (name, unit) in [
        ("cpu_percent", "% of a core"),
        ("ram_mb", "MB of memory"),
        ("disk_mb", "MB of disk"),
    ] {
        parts.extend(row[name].as_f64().map(|value| format!("{value:.0} {unit}")));
    }
    if parts.is_empty() {
        return String::new();
    }
    let sampled = age(&row["sampled_at"]);
    if !sampled.is_empty() {
        parts.push(format!("{sampled} ago"));
    }
    parts.join(", ")
}

fn limits(row: &Value) -> String {
    let limits = row.as_object().into_iter().flatten();
    let limits: Vec<_> = limits.map(|(name, value)| format!("{name} {value}")).collect();
    limits.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_told_in_words_and_not_invented() {
        assert_eq!(usage(&Value::Null), "");
        let said = usage(&json!({ "cpu_percent": 12.4, "ram_mb": 512, "disk_mb": null, "sampled_at": null }));
        assert_eq!(said, "12 % of a core, 512 MB of memory");
        assert_eq!(
            activity(&json!({ "state": "error", "note": "it broke" })),
            "error: it broke"
        );
        assert_eq!(limits(&json!({ "ram_mb": 2048 })), "ram_mb 2048");
    }
}
