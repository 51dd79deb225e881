//! What is remembered of an agent, beside its life.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::plan::{Hold, Life};

/// What is remembered of an agent.
#[derive(Debug)]
pub(super) struct Minded {
    pub(super) life: Life,
    /// Why it could not be started.
    pub(super) start_error: Option<String>,
    /// Size of its folder in MB, and when it was measured.
    pub(super) disk: Option<f64>,
    pub(super) disk_asked: Option<Duration>,
    pub(super) is_measuring_disk: bool,
    /// Counts who else was at work on it.
    pub(super) touched: u64,
    /// Ends a start that the supervisor is at, when somebody else has something to do.
    pub(super) give_way: CancellationToken,
    /// How many commands wait for their turn.
    pub(super) waiting: usize,
}

impl Minded {
    pub(super) fn new(hold: Option<Hold>) -> Self {
        Self {
            life: Life::new(hold),
            start_error: None,
            disk: None,
            disk_asked: None,
            is_measuring_disk: false,
            touched: 0,
            give_way: CancellationToken::new(),
            waiting: 0,
        }
    }
}
