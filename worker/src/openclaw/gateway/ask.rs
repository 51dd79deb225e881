//! One question to an agent, in a conversation of its own.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::Client;
use super::problem::CallError;
use super::{GatewayControl, GatewayProblem};
use crate::openclaw::output::{quoted, shown};

/// Nobody waits for what is only tidied up; and a call that is given up ends the connection, which others use, too. On a
/// busy host it takes ten seconds.
const TIDY_LIMIT: Duration = Duration::from_secs(60);

/// A run that is waited for ends with an answer that it goes on, which comes so long before the time is over.
const ANSWER_LATE: Duration = Duration::from_secs(5);

/// OpenClaw keeps conversations of this kind in memory only, and lists them to nobody but who began them. Of another one
/// that is deleted it would keep the transcript in an archive.
const CONVERSATION: &str = "dashboard:incognito-";

/// What is asked of an agent.
#[derive(Debug, Clone)]
pub struct Question {
    /// Names the conversation and the run. Asked again under the same name, it is the same run.
    pub name: String,
    /// What the agent reads.
    pub text: String,
    /// How long it may think.
    pub limit: Duration,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NotAnswered {
    /// There is no gateway to ask, or it went away.
    Gateway(GatewayProblem),
    /// The gateway does not let the agent begin, in its own words.
    Refused {
        /// Shortened, without what is known to be secret.
        message: String,
        /// Whether it may do so later.
        may_pass: bool,
    },
    /// The agent's turn ended in an error, in its own words.
    Failed(String),
    /// It is still at it.
    Late,
}

impl From<CallError> for NotAnswered {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Broken(problem) => Self::Gateway(problem),
            CallError::Refused(refusal) => Self::Refused {
                may_pass: refusal.retryable || refusal.code == "UNAVAILABLE",
                message: shown(&refusal.message),
            },
        }
    }
}

impl GatewayControl {
    /// Puts a question to an agent of this gateway, and forgets the conversation. Its people never see it: it is in no
    /// channel, and in none of their sessions.
    pub(crate) async fn ask(&self, agent: &str, question: &Question) -> Result<String, NotAnswered> {
        let end = Instant::now() + question.limit;
        let client = self.client().await.map_err(NotAnswered::Gateway)?;
        let key = format!("agent:{agent}:{CONVERSATION}{}", question.name);
        let params = json!({
            "message": question.text, "agentId": agent, "sessionKey": key, "idempotencyKey": question.name,
            "deliver": false,
        });
        let begun = client
            .call("agent", params, self.call_limit().min(question.limit))
            .await?;
        let run = begun
            .get("runId")
            .and_then(Value::as_str)
            .unwrap_or(&question.name);
        let left = end.saturating_duration_since(Instant::now());
        let wait_ms = left.saturating_sub(ANSWER_LATE).as_millis();
        let params = json!({ "runId": run, "timeoutMs": u64::try_from(wait_ms).unwrap_or(u64::MAX) });
        let ended = client.call("agent.wait", params, left).await?;
        let said = match ended.get("status").and_then(Value::as_str) {
            Some("ok") => {
                let text = ended.pointer("/terminalReply/text").and_then(Value::as_str);
                Ok(text.unwrap_or_default().to_owned())
            }
            Some("error") => {
                let error = ended.get("error").and_then(Value::as_str);
                let error = quoted(
                    self.config_path(),
                    error.unwrap_or("it gave no reason").to_owned(),
                );
                Err(NotAnswered::Failed(shown(&error.await)))
            }
            _ => Err(NotAnswered::Late),
        };
        // Whoever asked waits for the answer, and has a deadline.
        tokio::spawn(tidy(client, key, matches!(said, Err(NotAnswered::Late))));
        said
    }
}

/// Forgets a conversation; one that goes on is ended.
async fn tidy(client: Arc<Client>, key: String, goes_on: bool) {
    if goes_on {
        let params = json!({ "key": key, "clearQueued": true });
        let _ended_by_itself = client.call("sessions.abort", params, TIDY_LIMIT).await;
    }
    let params = json!({ "key": key, "deleteTranscript": true });
    if let Err(error) = client.call("sessions.delete", params, TIDY_LIMIT).await {
        tracing::debug!(?error, "failed to take away a conversation that is over");
    }
}
