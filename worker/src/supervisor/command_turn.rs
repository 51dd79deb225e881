//! The turns of commands: who waits, who gives way, and who knows better afterwards.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::minded::Minded;
use super::plan::{Life, Why};
use super::{Supervisor, Turn};

/// The right of a command to work on an agent. The supervisor leaves the agent alone meanwhile.
pub struct CommandTurn {
    supervisor: Arc<Supervisor>,
    agent_id: Uuid,
    _turn: Turn,
}

impl CommandTurn {
    /// A person said something about the agent: what was before is forgotten, and it is held no longer.
    pub fn begin_anew(&self) {
        self.supervisor.holds.set(self.agent_id, None);
        self.supervisor.refused().remove(&self.agent_id);
        self.supervisor
            .minded()
            .entry(self.agent_id)
            .and_modify(|minded| {
                minded.life = Life::new(None);
                minded.start_error = None;
            });
    }

    /// The agent runs: if it does not when it is looked at, it ended by itself.
    pub fn runs(&self) {
        if let Some(minded) = self.supervisor.minded().get_mut(&self.agent_id) {
            minded.life = Life::running();
        }
    }

    /// The agent is not started again before a person says so.
    pub fn hold(&self, why: Why, note: &str) {
        self.supervisor.hold(self.agent_id, why, note);
    }
}

/// A command that waits for its turn.
struct Waits<'a> {
    supervisor: &'a Supervisor,
    agent_id: Uuid,
}

impl<'a> Waits<'a> {
    fn begin(supervisor: &'a Supervisor, agent_id: Uuid) -> Self {
        let mut all = supervisor.minded();
        let minded = all
            .entry(agent_id)
            .or_insert_with(|| Minded::new(supervisor.holds.of(agent_id)));
        minded.waiting += 1;
        minded.give_way.cancel();
        drop(all);
        Self { supervisor, agent_id }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(minded) = self.supervisor.minded().get_mut(&self.agent_id) {
            minded.waiting = minded.waiting.saturating_sub(1);
        }
    }
}

impl Drop for CommandTurn {
    fn drop(&mut self) {
        self.supervisor.touch(self.agent_id);
    }
}

impl Supervisor {
    /// Waits until nobody else is at work on the agent. The supervisor itself gives way.
    pub async fn turn(self: &Arc<Self>, agent_id: Uuid) -> CommandTurn {
        let waits = Waits::begin(self, agent_id);
        let turn = self.turns.take(agent_id).await;
        drop(waits);
        self.command_turn(agent_id, turn)
    }

    /// Whether somebody is at work on the agent.
    pub fn is_busy(&self, agent_id: Uuid) -> bool {
        self.turns.try_take(agent_id).is_none()
    }

    pub(super) fn command_turn(self: &Arc<Self>, agent_id: Uuid, turn: Turn) -> CommandTurn {
        self.touch(agent_id);
        CommandTurn {
            supervisor: self.clone(),
            agent_id,
            _turn: turn,
        }
    }

    /// What tells whoever has the turn that a command waits for it.
    pub(super) fn may_give_way(&self, agent_id: Uuid) -> CancellationToken {
        let give_way = CancellationToken::new();
        if let Some(minded) = self.minded().get_mut(&agent_id) {
            minded.give_way = give_way.clone();
            if minded.waiting > 0 {
                give_way.cancel();
            }
        }
        give_way
    }

    /// Whatever is planned of what was seen before is not done, and how it is now is told.
    pub(super) fn touch(&self, agent_id: Uuid) {
        self.reports.forget(agent_id);
        let mut minded = self.minded();
        let minded = minded
            .entry(agent_id)
            .or_insert_with(|| Minded::new(self.holds.of(agent_id)));
        minded.touched += 1;
        self.touched.notify_one();
    }
}
