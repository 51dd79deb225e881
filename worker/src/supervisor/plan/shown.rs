//! What people are shown of an agent.

use creel_core::host_api::AgentState;

use super::life::{Life, Phase, Why};
use super::sample::Over;

/// What a page shows of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Running, stopped or starting; error with a note.
    pub state: AgentState,
    /// What is wrong with it, and what to do; none when all is well.
    pub note: Option<String>,
    /// How often it was started again since a person last said something.
    pub restarts: u32,
}

/// What is to be seen of an agent; none before anybody looked.
pub fn plan_shown(life: &Life) -> Option<Shown> {
    let hold = life.hold.as_ref();
    let (state, note) = match life.phase {
        Phase::Unknown => return None,
        Phase::Stopped => (AgentState::Stopped, None),
        Phase::Starting => (
            AgentState::Starting,
            Some(&life.reason).filter(|text| !text.is_empty()).cloned(),
        ),
        Phase::Running => (AgentState::Running, life.over.as_ref().map(over_note)),
        Phase::BackingOff => (
            AgentState::Error,
            Some(format!("{}; it is started again", life.reason)),
        ),
        Phase::Held if hold.is_some_and(|hold| hold.why == Why::LimitExceeded) => {
            (AgentState::Stopped, hold.map(|hold| hold.note.clone()))
        }
        Phase::Held => (AgentState::Error, hold.map(|hold| hold.note.clone())),
    };
    Some(Shown {
        state,
        note,
        restarts: life.restarts,
    })
}

/// It does not say how much, so that it is told once.
fn over_note(over: &Over) -> String {
    format!(
        "over limit: it uses more than {}, and is stopped if it goes on",
        over.resource.said(over.limit)
    )
}
