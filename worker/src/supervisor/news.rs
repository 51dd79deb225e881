//! What the supervisor tells: in the log, and as an event.

use creel_core::status::HostEventKind;
use serde_json::{Value, json};

use super::plan::News;
use crate::backend::AgentSpec;
use crate::host_events::HostEvents;

/// Logs the news, and makes an event of it.
pub(super) fn tell(events: &HostEvents, spec: &AgentSpec, news: &News) {
    let agent = &spec.agent;
    let (id, key) = (agent.agent_id, &agent.agent_key);
    match news {
        News::Crashed { reason, pause } => {
            let pause_secs = pause.as_secs();
            tracing::warn!(agent.id = %id, "{key} ended by itself: {reason}; it is started again in {pause_secs} s");
        }
        News::GivenUp { reason, failures } => {
            tracing::error!(agent.id = %id, "{key} is given up after {failures} failures: {reason}");
        }
        News::LimitExceeded { resource, limit, .. } => {
            let key_of_limit = resource.limit_key();
            tracing::warn!(agent.id = %id, "{key} used more than its {key_of_limit} of {limit}, and is stopped");
        }
        News::Started => tracing::info!(agent.id = %id, "{key} runs"),
        News::Restarted { restarts } => {
            tracing::info!(agent.id = %id, "{key} runs again, after {restarts} restarts");
        }
        News::Stopped => tracing::info!(agent.id = %id, "{key} is stopped: it was not to run"),
    }
    let (kind, payload) = event(news);
    events.push_for(id, kind, payload);
}

fn event(news: &News) -> (HostEventKind, Value) {
    use HostEventKind as K;
    match news {
        News::Started => (K::AgentStarted, json!({ "by": "supervisor" })),
        News::Stopped => (K::AgentStopped, json!({ "by": "supervisor" })),
        News::Crashed { reason, pause } => (
            K::AgentCrashed,
            json!({ "reason": reason, "restart_in_secs": pause.as_secs() }),
        ),
        News::Restarted { restarts } => (K::AgentRestarted, json!({ "restarts": restarts })),
        News::GivenUp { reason, failures } => {
            (K::AgentGivenUp, json!({ "reason": reason, "failures": failures }))
        }
        News::LimitExceeded {
            resource,
            limit,
            samples,
        } => (
            K::AgentLimitExceeded,
            json!({ "limit": resource.limit_key(), "allowed": limit, "samples": samples }),
        ),
    }
}
