//! What happened on this host, until a tick has told it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use creel_core::host_api::{HOST_EVENT_MAX_BYTES, HOST_EVENTS_MAX, HostEvent};
use creel_core::status::HostEventKind;
use serde_json::{Value, json};
use uuid::Uuid;

/// What waits while the database is away; what happened before that is in the log.
const WAITING_MAX: usize = 100;

/// Events that no tick has told yet. Whoever has one says it here.
#[derive(Debug, Default)]
pub struct HostEvents(Mutex<VecDeque<HostEvent>>);

impl HostEvents {
    /// Tells an event with the next tick. `payload` is an object without secrets; one that is too long is left
    /// away.
    pub fn push(&self, kind: HostEventKind, payload: Value) {
        self.push_about(None, kind, payload);
    }

    /// The same of something that happened to an agent.
    pub fn push_for(&self, agent_id: Uuid, kind: HostEventKind, payload: Value) {
        self.push_about(Some(agent_id), kind, payload);
    }

    fn push_about(&self, agent_id: Option<Uuid>, kind: HostEventKind, payload: Value) {
        let text = payload.to_string();
        // Postgres knows no NUL, and the tick would be lost with it.
        let cannot_be_told = text.len() > HOST_EVENT_MAX_BYTES || text.contains("\\u0000");
        let payload = if cannot_be_told { json!({}) } else { payload };
        let mut waiting = self.waiting();
        waiting.push_back(HostEvent {
            id: Uuid::new_v4(),
            kind,
            agent_id,
            payload,
        });
        if waiting.len() > WAITING_MAX {
            waiting.pop_front();
        }
    }

    /// What a tick can tell. It stays until a tick was answered.
    pub fn next(&self) -> Vec<HostEvent> {
        self.waiting().iter().take(HOST_EVENTS_MAX).cloned().collect()
    }

    /// These were told.
    pub(crate) fn forget(&self, told: &[HostEvent]) {
        let mut waiting = self.waiting();
        for event in told {
            // Others may have come, and the oldest may have been dropped for them.
            if let Some(at) = waiting.iter().position(|kept| kept == event) {
                waiting.remove(at);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<HostEvent>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_waits_until_a_tick_has_told_it() {
        let events = HostEvents::default();
        for n in 0..30 {
            events.push(HostEventKind::GatewayFailed, json!({ "n": n }));
        }
        let first = events.next();
        assert_eq!(first.len(), HOST_EVENTS_MAX);
        assert_eq!(events.next(), first, "the tick failed");
        events.forget(&first);
        assert_eq!(events.next().len(), 10);
        assert_eq!(events.next()[0].payload, json!({ "n": 20 }));
    }

    #[test]
    fn events_are_bounded_while_the_database_is_away() {
        let events = HostEvents::default();
        for n in 0..WAITING_MAX + 1 {
            events.push(HostEventKind::GatewayFailed, json!({ "n": n }));
        }
        assert_eq!(events.next()[0].payload, json!({ "n": 1 }));
        let events = HostEvents::default();
        events.push(
            HostEventKind::ConfigRestored,
            json!({ "text": "x".repeat(HOST_EVENT_MAX_BYTES) }),
        );
        events.push(HostEventKind::ConfigRestored, json!({ "text": "\0" }));
        assert!(events.next().iter().all(|event| event.payload == json!({})));
    }
}
