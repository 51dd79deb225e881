//! What is asked of a gateway that one agent has for itself: whether it is this one, to take another configuration,
//! and to give up what it is doing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::link::Link;
use super::problem::CallError;
use super::{GatewayProblem, GatewaySettings};
use crate::openclaw::output::shown;
use crate::process::Runner;

/// Somebody else changes the configuration at the same moment: seldom once, never so often.
const ATTEMPTS_MAX: u32 = 4;

/// Between two of them.
const PAUSE: Duration = Duration::from_millis(250);

/// No gateway is believed that asks for more.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The gateway of one configuration.
#[derive(Debug)]
pub(crate) struct GatewayControl {
    link: Link,
    call_limit: Duration,
}

/// Why a configuration is not in force.
#[derive(Debug)]
pub(crate) enum NotApplied {
    /// The gateway does not accept it, in its own words, which may name secrets; nothing was written.
    Refused(String),
    /// It may be in force or not.
    Unknown(GatewayProblem),
}

impl GatewayControl {
    pub(crate) fn new(settings: GatewaySettings, runner: Runner) -> Self {
        Self {
            call_limit: settings.limits.call,
            link: Link::new(settings, runner),
        }
    }

    pub(super) async fn client(&self) -> Result<Arc<Client>, GatewayProblem> {
        self.link.client().await
    }

    pub(super) fn call_limit(&self) -> Duration {
        self.call_limit
    }

    pub(super) fn config_path(&self) -> &Path {
        self.link.config_path()
    }

    /// Lets the gateway tell that it works with this configuration.
    pub(crate) async fn introduce(&self) -> Result<(), GatewayProblem> {
        self.link.client().await.map(drop)
    }

    /// Puts another configuration in the place of what the gateway has, as a whole. It checks it before, and
    /// answers when it is in force; whether it restarts itself for it is what is answered.
    pub(crate) async fn apply_config(&self, config: &Value) -> Result<bool, NotApplied> {
        let client = self.link.client().await.map_err(NotApplied::Unknown)?;
        let raw = config.to_string();
        let mut attempt_count = 0;
        loop {
            attempt_count += 1;
            let got = client.call("config.get", json!({}), self.call_limit).await;
            let got = got.map_err(not_applied)?;
            let params = json!({ "baseHash": got.get("hash"), "raw": raw });
            match client.call("config.apply", params, self.call_limit).await {
                Ok(reply) => {
                    let restarts = reply.pointer("/sentinel/payload/stats/requiresRestart");
                    return Ok(restarts.and_then(Value::as_bool).unwrap_or(false));
                }
                Err(CallError::Refused(refusal))
                    if attempt_count < ATTEMPTS_MAX
                        && (refusal.retryable
                            || refusal.message.contains("config changed since last load")) =>
                {
                    let pause = refusal
                        .retry_after_ms
                        .map_or(PAUSE, Duration::from_millis)
                        .min(PAUSE_MAX);
                    tokio::time::sleep(pause).await;
                }
                Err(error) => return Err(not_applied(error)),
            }
        }
    }

    /// Gives up all that is being done. Answers how much that was.
    pub(crate) async fn abort_runs(&self) -> Result<usize, GatewayProblem> {
        let client = self.link.client().await?;
        abort_runs(&client, None, self.call_limit).await
    }
}

/// Gives up all that is being done, by this agent or by all of them. Answers how much that was.
pub(super) async fn abort_runs(
    client: &Client,
    agent: Option<&str>,
    limit: Duration,
) -> Result<usize, GatewayProblem> {
    let listed = client.call("sessions.list", json!({}), limit).await;
    let listed = listed.map_err(|error| match error {
        CallError::Broken(problem) => problem,
        CallError::Refused(_) => GatewayProblem::Lost,
    })?;
    let prefix = agent.map(|agent| format!("agent:{agent}:"));
    let sessions = listed.get("sessions").and_then(Value::as_array);
    let mut aborted = 0;
    for session in sessions.into_iter().flatten() {
        let is_active = session.get("hasActiveRun").and_then(Value::as_bool) == Some(true);
        let Some(key) = session.get("key").and_then(Value::as_str).filter(|_| is_active) else {
            continue;
        };
        if prefix.as_ref().is_some_and(|prefix| !key.starts_with(prefix)) {
            continue;
        }
        let params = json!({ "key": key, "clearQueued": true });
        // One that ended by itself meanwhile is refused.
        if client.call("sessions.abort", params, limit).await.is_ok() {
            aborted += 1;
        }
    }
    Ok(aborted)
}

fn not_applied(error: CallError) -> NotApplied {
    match error {
        CallError::Refused(refusal) if refusal.code == "INVALID_REQUEST" => {
            NotApplied::Refused(refusal.message)
        }
        CallError::Refused(refusal) => {
            // What it quotes may be of the new configuration, whose secrets only the caller knows.
            tracing::warn!(code = shown(&refusal.code), "failed to apply a configuration");
            NotApplied::Unknown(GatewayProblem::Lost)
        }
        CallError::Broken(problem) => NotApplied::Unknown(problem),
    }
}
