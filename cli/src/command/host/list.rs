//! `creel host list`.

use serde_json::{Value, json};

use crate::command::project::text;
use crate::command::request::age;
use crate::data_api::DataApi;
use crate::output::Output;

/// Lists the hosts that the signed-in person may see.
pub(super) async fn run(api: &DataApi, out: Output) -> anyhow::Result<()> {
    let columns = "id,name,platform,capacity,status,worker_version,openclaw_version,\
                   heartbeat:host_heartbeats(last_seen_at,cpu_percent,ram_mb,listens,lost_hints),\
                   projects:project_hosts(project_id)";
    let hosts = api
        .rows(api.from("hosts").select(columns).order("name,id"))
        .await?;
    let shown = api
        .rows(api.from("host_status").select("id,shown_status"))
        .await?;
    let rows: Vec<Value> = hosts
        .into_iter()
        .map(|mut host| {
            let status = shown.iter().find(|row| row["id"] == host["id"]);
            host["shown_status"] = status.map_or(Value::Null, |row| row["shown_status"].clone());
            host
        })
        .collect();
    let cells = rows
        .iter()
        .map(|row| {
            let projects = row["projects"].as_array().into_iter().flatten();
            let projects: Vec<_> = projects.map(|project| text(project, "project_id")).collect();
            vec![
                text(row, "name"),
                text(row, "shown_status"),
                age(&row["heartbeat"]["last_seen_at"]),
                projects.join(", "),
                text(row, "openclaw_version"),
                text(row, "id"),
            ]
        })
        .collect();
    let headers = ["HOST", "STATUS", "SEEN", "PROJECTS", "OPENCLAW", "ID"];
    out.rows(
        "hosts",
        &json!(rows),
        &headers,
        cells,
        "No host serves your projects. Make one: creel host enroll --project <id>",
    );
    Ok(())
}
