//! Agents on the screen.

use serde_json::{Value, json};

use super::parse_agent;
use crate::command::project::{self, text};
use crate::command::request::{age, failure_of};
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
    out.value(&json!({ "ok": true, "agent": agent, "newest_request": newest }));

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
        out.table(&["", ""], cells, "");
    }
    Ok(())
}
