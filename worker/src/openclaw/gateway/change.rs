//! Takes agents out of the gateway's configuration, and gives single ones other settings. Both are seldom: they are
//! not put together as new agents are.

use std::time::{Duration, Instant};

use creel_core::id::AgentId;
use serde_json::{Value, json};

use super::batch::PAUSE;
use super::client::Client;
use super::control::abort_runs;
use super::driver::GatewayDriver;
use super::problem::CallError;
use crate::openclaw::change::Settings;
use crate::openclaw::config_file::{self, Answer};
use crate::openclaw::output::shown;
use crate::openclaw::{OpenClawError, Turn};

/// Somebody else changes the configuration at the same moment: seldom once, never so often.
const ATTEMPTS_MAX: u32 = 8;

impl GatewayDriver {
    /// Takes an agent out; its files stay. Answers whether it was there.
    pub(super) async fn remove_agent(&self, id: &AgentId) -> Result<bool, OpenClawError> {
        let shared = self.shared();
        let turn = shared.broker.turn().await;
        let client = self.client().await?;
        let method = "agents.delete";
        let limit = shared.settings.limits.call;
        let began = Instant::now();
        // What it is doing would go on without it.
        if let Err(problem) = abort_runs(&client, Some(id.as_str()), limit).await {
            tracing::debug!(agent = %id, error = %problem, "failed to abort the runs of {id}: {problem}");
        }
        loop {
            let is_there = self.has(id).await?;
            let params = json!({ "agentId": id.as_str(), "deleteFiles": false });
            match client.call(method, params, limit).await {
                Ok(_) => break,
                // It may be in the configuration, and not known to the whole gateway yet.
                Err(CallError::Refused(refusal)) if refusal.message.contains("not found") => {
                    if !is_there {
                        return Ok(false);
                    }
                    if began.elapsed() > shared.settings.limits.lag {
                        return Err(refused(method, &refusal.code, &refusal.message));
                    }
                }
                Err(CallError::Refused(refusal)) if refusal.retryable && began.elapsed() < limit => {}
                Err(CallError::Refused(refusal)) => {
                    return Err(refused(method, &refusal.code, &refusal.message));
                }
                Err(CallError::Broken(problem)) => return Err(problem.into()),
            }
            tokio::time::sleep(PAUSE).await;
        }
        shared.forget_roster();
        self.is_gone(id).await?;
        turn.keep_last_good().await;
        Ok(true)
    }

    /// Whether the configuration has it; what nobody can read is believed to.
    async fn has(&self, id: &AgentId) -> Result<bool, OpenClawError> {
        let path = &self.shared().settings.config_path;
        Ok(!matches!(
            config_file::find(path, id.as_str()).await?,
            Answer::Known(None)
        ))
    }

    /// The answer may come before the file is written.
    async fn is_gone(&self, id: &AgentId) -> Result<(), OpenClawError> {
        let began = Instant::now();
        while self.has(id).await? && began.elapsed() < self.shared().settings.limits.lag {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Gives an agent these settings. Answers whether it had others.
    pub(super) async fn configure_agent(
        &self,
        id: &AgentId,
        settings: &Settings,
    ) -> Result<bool, OpenClawError> {
        let shared = self.shared();
        let turn = shared.broker.turn().await;
        let client = self.client().await?;
        let mut attempt_count = 0;
        loop {
            attempt_count += 1;
            match self.patch_once(&client, &turn, id, settings).await {
                Err(Patch::Again(pause)) if attempt_count < ATTEMPTS_MAX => tokio::time::sleep(pause).await,
                Err(Patch::Again(_)) => {
                    return Err(refused(
                        "config.patch",
                        "CONFLICT",
                        "others change the configuration all the time",
                    ));
                }
                Err(Patch::Failed(error)) => return Err(error),
                Ok(changed) => return Ok(changed),
            }
        }
    }

    async fn patch_once(
        &self,
        client: &Client,
        turn: &Turn,
        id: &AgentId,
        settings: &Settings,
    ) -> Result<bool, Patch> {
        let shared = self.shared();
        let limit = shared.settings.limits.call;
        let got = client.call("config.get", json!({}), limit).await;
        let got = got.map_err(|error| self.patch_failed("config.get", error))?;
        let entry = |root: &str| got.pointer(&format!("{root}/agents/entries/{id}"));
        let Some(entry) = entry("/parsed").or_else(|| entry("/config")) else {
            return Err(Patch::Failed(OpenClawError::NotFound { id: id.to_string() }));
        };
        let Some(patch) = settings.plan_patch(entry) else {
            return Ok(false);
        };
        shared.budget.spend().await;
        let raw = json!({ "agents": { "entries": { id.as_str(): patch } } }).to_string();
        let params = json!({
            "baseHash": got.get("hash"), "raw": raw,
            "replacePaths": [format!("agents.entries.{id}.skills"), format!("agents.entries.{id}.model")],
        });
        let method = "config.patch";
        let patched = client.call(method, params, limit).await;
        shared.forget_roster();
        patched.map_err(|error| self.patch_failed(method, error))?;
        turn.keep_last_good().await;
        Ok(true)
    }

    fn patch_failed(&self, method: &'static str, error: CallError) -> Patch {
        match error {
            CallError::Broken(problem) => Patch::Failed(problem.into()),
            CallError::Refused(refusal) if refusal.message.contains("config changed since last load") => {
                Patch::Again(Duration::ZERO)
            }
            CallError::Refused(refusal) if refusal.code == "INVALID_REQUEST" => {
                Patch::Failed(OpenClawError::ConfigRefused {
                    path: self.shared().settings.config_path.clone(),
                    message: shown(&refusal.message),
                })
            }
            CallError::Refused(refusal) if refusal.retryable || refusal.retry_after_ms.is_some() => {
                Patch::Again(refusal.retry_after_ms.map_or(PAUSE, Duration::from_millis))
            }
            CallError::Refused(refusal) => Patch::Failed(refused(method, &refusal.code, &refusal.message)),
        }
    }
}

enum Patch {
    Again(Duration),
    Failed(OpenClawError),
}

fn refused(method: &'static str, code: &str, message: &str) -> OpenClawError {
    OpenClawError::GatewayRefused {
        method,
        code: shown(code),
        message: shown(message),
    }
}

/// What a configuration says of an agent, for who has no gateway.
pub(in crate::openclaw) fn entry_in<'a>(config: &'a Value, id: &AgentId) -> Option<&'a Value> {
    config.pointer(&format!("/agents/entries/{id}"))
}
