//! What is remembered of an agent from pass to pass.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sample::Over;

/// How long everything may take, and how often it may fail.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// More than this above what is allowed is no peak any more: a turn with a tool seldom takes as long.
    pub grace: Duration,
    /// Samples that are further apart say nothing of the time between.
    pub sample_gap: Duration,
    /// A gateway waits for running turns, up to 315 s, before it restarts itself.
    pub not_ready: Duration,
    /// The pause after the first failure; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause.
    pub last_pause: Duration,
    /// Failures are counted for this long.
    pub window: Duration,
    /// So many of them in the window are too many.
    pub failures: usize,
    /// Ready for so long, what was before is forgotten.
    pub stable: Duration,
}

impl Limits {
    /// What a worker does.
    pub const USUAL: Self = Self {
        grace: Duration::from_secs(60),
        sample_gap: Duration::from_secs(30),
        not_ready: Duration::from_secs(400),
        first_pause: Duration::from_secs(1),
        last_pause: Duration::from_secs(60),
        window: Duration::from_secs(600),
        failures: 5,
        stable: Duration::from_secs(300),
    };

    pub(super) fn pause(&self, failures: usize) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(16);
        (self.first_pause * 2_u32.pow(doublings)).min(self.last_pause)
    }
}

/// Where an agent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has looked yet.
    Unknown,
    /// It does not run, and is not to.
    Stopped,
    /// It runs and is not ready yet, or not any more.
    Starting,
    /// It is ready.
    Running,
    /// It ended, and is started again after a pause.
    BackingOff,
    /// It is to run, and is not started again before a person says so.
    Held,
}

/// Why an agent that is to run is not started again before a person says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What happened.
    pub why: Why,
    /// The same for people, with what to do.
    pub note: String,
}

/// What happened to an agent that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It failed too often.
    GivenUp,
    /// It used more than it may.
    LimitExceeded,
    /// A command could not start it.
    NotStarted,
    /// It was to be stopped, and that did not come to its end.
    NotStopped,
}

/// What is remembered of an agent from pass to pass. Times are counted from when the worker began.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// Where it stands.
    pub phase: Phase,
    /// Since when.
    pub(super) since: Duration,
    /// Until when it is waited.
    pub(super) until: Duration,
    /// When it failed.
    pub(super) failures: VecDeque<Duration>,
    /// How often it was started again since a person last said something.
    pub restarts: u32,
    /// Since when it has used more than it may.
    pub(super) over: Option<Over>,
    /// Why it is not started again.
    pub hold: Option<Hold>,
    /// What is wrong with it, for people.
    pub(super) reason: String,
}

impl Life {
    /// One that nobody has looked at yet, and which may be held since before the worker began.
    pub fn new(hold: Option<Hold>) -> Self {
        Self {
            phase: Phase::Unknown,
            since: Duration::ZERO,
            until: Duration::ZERO,
            failures: VecDeque::new(),
            restarts: 0,
            over: None,
            hold,
            reason: String::new(),
        }
    }
}

impl Life {
    /// One that a command has just started.
    pub fn running() -> Self {
        Self {
            phase: Phase::Running,
            ..Self::new(None)
        }
    }
}
