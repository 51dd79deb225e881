//! `creel up --once`: one agent through the queue, exactly as a page would ask for it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::project::LocalProject;
use crate::command::agent::{self, Asked, Wish};
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// Two runs of OpenClaw's command line take half a minute on a busy machine; with every attempt failing by
/// its time limit the request itself ends before this.
const AT_MOST: Duration = Duration::from_secs(600);
/// Steps that a provisioning has, for the bar.
const STEP_COUNT: u64 = 6;

/// Provisions one agent and shows what was done.
pub(super) async fn provision(
    project: &LocalProject,
    openclaw: &Path,
    state_dir: &Path,
    out: Output,
) -> anyhow::Result<()> {
    let wish = new_wish(&project.id);
    let (asked, row) = {
        let progress = out.progress(Some(STEP_COUNT));
        progress.doing(&format!("asking for {}", wish.agent_key));
        let asked = agent::ask_for(&project.api, &wish).await?;
        let row = agent::wait_for(&project.api, asked.request_id, AT_MOST, &progress).await?;
        (asked, row)
    };
    let id = asked.request_id;
    let result = &row["result"];
    let steps: Vec<Value> = result["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(name_and_ms)
        .collect();
    let (agent_id, workspace) = (&result["openclaw_id"], &result["workspace"]);
    if !agent_id.is_string() || !workspace.is_string() {
        return Err(CliError::new(
            ErrorKind::Failed,
            "the request is done, but does not say which agent it made",
        )
        .hint(format!("creel request why {id}"))
        .into());
    }
    out.value(&json!({
        "supabase_url": project.api.session.url, "request_id": id, "agent_id": agent_id,
        "workspace": workspace, "state_dir": state_dir, "openclaw": openclaw, "steps": steps,
    }));
    if !out.is_json() {
        show(&asked, agent_id, workspace, openclaw, state_dir, &steps, out);
    }
    Ok(())
}

/// An agent that is not there yet: the name ends in the time.
fn new_wish(project: &str) -> Wish {
    let short = format!("scout-{:x}", jiff::Timestamp::now().as_millisecond());
    Wish {
        project: project.to_owned(),
        agent_key: format!("agent:{short}:main"),
        name: Some("Scout".to_owned()),
        emoji: Some("🦞".to_owned()),
        role: Some("looks around".to_owned()),
        soul: Some("# Scout\n\nYou look around and say what you see, in few words.\n".to_owned()),
        short,
    }
}

fn name_and_ms(step: &Value) -> Value {
    json!({ "name": step["name"], "ms": step["ms"] })
}

fn show(
    asked: &Asked,
    agent_id: &Value,
    workspace: &Value,
    openclaw: &Path,
    state_dir: &Path,
    steps: &[Value],
    out: Output,
) {
    let total_ms: i64 = steps
        .iter()
        .filter_map(|step| step["ms"].as_f64())
        .map(|ms| ms as i64)
        .sum();
    let mut cells: Vec<_> = steps
        .iter()
        .map(|step| {
            vec![
                step["name"].as_str().unwrap_or_default().to_owned(),
                step["ms"].to_string(),
            ]
        })
        .collect();
    cells.push(vec!["all".to_owned(), total_ms.to_string()]);
    out.table(&["STEP", "MS"], cells, "");
    out.line(format!("{} {} is there:", asked.emoji, asked.name));
    out.line(format!("  agent      {}", agent_id.as_str().unwrap_or_default()));
    out.line(format!("  workspace  {}", workspace.as_str().unwrap_or_default()));
    out.line("See it in OpenClaw itself:");
    let (state_dir, openclaw) = (state_dir.display(), openclaw.display());
    out.line(format!(
        "  OPENCLAW_STATE_DIR='{state_dir}' '{openclaw}' agents list"
    ));
}
