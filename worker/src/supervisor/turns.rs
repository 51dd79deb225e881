//! Who is at work on an agent: a command, the supervisor or the reconciliation, and only one of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// The right to work on one agent, until it is dropped.
pub type Turn = OwnedMutexGuard<()>;

/// The agents that somebody is at work on.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<Uuid, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for one's turn.
    pub(super) async fn take(&self, agent_id: Uuid) -> Turn {
        self.of(agent_id).lock_owned().await
    }

    /// The turn, if nobody else has it.
    pub(super) fn try_take(&self, agent_id: Uuid) -> Option<Turn> {
        self.of(agent_id).try_lock_owned().ok()
    }

    fn of(&self, agent_id: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().expect("no holder of this lock panics");
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = turns.get(&agent_id).and_then(Weak::upgrade).unwrap_or_default();
        turns.insert(agent_id, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_one_is_at_work_on_an_agent() {
        let turns = Turns::default();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let turn = turns.take(one).await;
        assert!(turns.try_take(one).is_none() && turns.try_take(two).is_some());
        drop(turn);
        assert!(turns.try_take(one).is_some());
    }
}
