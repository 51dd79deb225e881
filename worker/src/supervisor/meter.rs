//! Measures what the agents use from one sample to the next.

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::usage::{Trees, Usage};
use crate::process::{Mark, ProcessId, ProcessTable};

/// The processes of all agents, as they were seen last.
pub(super) struct Meter {
    mark: Mark,
    table: Option<ProcessTable>,
    trees: Trees,
    sampled: Option<Instant>,
}

/// One sample of all agents.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    /// Since the sample before, in milliseconds; none for the first one.
    pub(super) elapsed_ms: Option<f64>,
    /// Now, in seconds since 1970.
    pub(super) now_secs: u64,
    /// What each agent used.
    pub(super) usage: HashMap<Uuid, Usage>,
}

impl Meter {
    pub(super) fn new(mark: Mark) -> Self {
        Self {
            mark,
            table: None,
            trees: Trees::default(),
            sampled: None,
        }
    }

    /// Takes a sample. It reads the whole process table, so that it is not for an asynchronous task.
    pub(super) fn sample(&mut self) -> Measured {
        if self.table.is_none() {
            self.table = ProcessTable::new(self.mark.clone());
        }
        let Some(table) = &mut self.table else {
            return Measured::default();
        };
        // Before it is read: what begins meanwhile is new to the next one.
        let now_secs = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let now = Instant::now();
        let usage = self.trees.count(&table.read(), now_secs);
        let elapsed = self.sampled.replace(now).map(|before| now - before);
        Measured {
            elapsed_ms: elapsed
                .map(|elapsed| elapsed.as_secs_f64() * 1_000.0)
                .filter(|ms| *ms > 0.0),
            now_secs,
            usage,
        }
    }

    /// Forgets what was seen, as when there is nobody to be measured for a while.
    pub(super) fn rest(&mut self) {
        self.sampled = None;
        self.trees = Trees::default();
    }

    /// The processes of an agent, as they are now. It is no sample: what was used since the last one still counts.
    pub(super) fn processes_of(&mut self, agent_id: Uuid) -> Vec<ProcessId> {
        if self.table.is_none() {
            self.table = ProcessTable::new(self.mark.clone());
        }
        let Some(table) = &mut self.table else {
            return Vec::new();
        };
        self.trees.find(&table.read(), agent_id)
    }
}
