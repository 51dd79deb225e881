//! What only `agents.create` can do.

use std::time::Duration;

use serde_json::{Value, json};

use super::batch::{Open, PAUSE};
use super::client::Client;
use super::disk::Fact;
use super::driver::Shared;
use super::problem::CallError;
use super::roster::Change;
use super::seed;
use super::trouble::{Trouble, unreadable};
use crate::openclaw::OpenClawError;

/// Between two looks for an agent that the gateway does not know yet.
const LAG_EVERY: Duration = Duration::from_millis(50);

/// Makes an agent by `agents.create`. Its name and emoji come by a patch: this call would write them into its
/// `IDENTITY.md`.
pub(super) async fn create(
    shared: &Shared,
    client: &Client,
    change: &Change,
    fact: &Fact,
) -> Result<(), Trouble> {
    let Change::Add(agent) = change else { return Ok(()) };
    let method = "agents.create";
    let params = json!({ "name": agent.id.as_str(), "workspace": agent.workspace.to_string_lossy() });
    let reply = match client.call(method, params, shared.settings.limits.call).await {
        // Somebody was faster, or an attempt of ours was: it is planned anew.
        Err(CallError::Refused(refusal)) if refusal.message.contains("already exists") => {
            return Err(Trouble::Again(PAUSE));
        }
        reply => reply.map_err(|error| Trouble::of(method, error))?,
    };
    // OpenClaw normalises ids: what it did was done to the agent that it names.
    if reply.get("agentId").and_then(Value::as_str) != Some(agent.id.as_str()) {
        return Err(unreadable(method));
    }
    if fact.needs_text {
        let workspace = agent.workspace.clone();
        let text = tokio::task::spawn_blocking(move || seed::read(&workspace)).await;
        shared.learn_text(text.ok().flatten());
    }
    Ok(())
}

/// Waits until the gateway has an agent that `agents.create` has written into its configuration. Where it never
/// has, only that agent has failed.
pub(super) async fn wait_until_known(
    shared: &Shared,
    client: &Client,
    change: &Change,
) -> Result<Result<(), OpenClawError>, Trouble> {
    let method = "agents.files.list";
    let began = tokio::time::Instant::now();
    loop {
        let params = json!({ "agentId": change.id().as_str() });
        match client.call(method, params, shared.settings.limits.call).await {
            Ok(_) => return Ok(Ok(())),
            Err(CallError::Refused(refusal)) if refusal.message.contains("not found") => {
                if began.elapsed() > shared.settings.limits.lag {
                    return Ok(Err(Trouble::Later(method, refusal).to_error(shared)));
                }
                tokio::time::sleep(LAG_EVERY).await;
            }
            Err(error) => return Err(Trouble::of(method, error)),
        }
    }
}

/// Makes the gateway forget that agents of these ids were deleted: `agents.create` does so before it finds
/// them there. Until then, no change of the configuration succeeds.
pub(super) async fn heal(shared: &Shared, client: &Client, open: &[Open], planned: &[usize]) {
    for &at in planned {
        if let Change::Add(agent) = &open[at].change {
            let params = json!({ "name": agent.id.as_str(), "workspace": agent.workspace.to_string_lossy() });
            // Its answer is that the agent exists, or that the gateway is restarting.
            let _answer = client
                .call("agents.create", params, shared.settings.limits.call)
                .await;
        }
    }
}
