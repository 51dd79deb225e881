//! Keeps to the gateway's limit for patches.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// The gateway takes so many patches in a minute of one client.
const LIMIT: usize = 30;
/// Its minute, and a second for the way there.
const WINDOW: Duration = Duration::from_secs(61);
/// As many are sent as they come: single agents one after the other, and a burst behind them.
const UNPACED: usize = 26;
/// The last ones of a minute keep this distance, so that there is not none at all for the rest of it.
const PACE: Duration = Duration::from_secs(8);

/// When patches were sent, in the last minute.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<VecDeque<Instant>>);

impl Budget {
    /// Waits until a patch may be sent, and counts it.
    pub(super) async fn spend(&self) {
        loop {
            let Some(wait) = self.try_spend(Instant::now()) else {
                return;
            };
            tokio::time::sleep_until(wait).await;
        }
    }

    /// Counts a patch, or says when to ask again.
    fn try_spend(&self, now: Instant) -> Option<Instant> {
        let mut sent = self.0.lock().expect("no holder of this lock panics");
        while sent.front().is_some_and(|&at| at + WINDOW <= now) {
            sent.pop_front();
        }
        let leaves = sent.front().map(|&first| first + WINDOW);
        let next = sent.back().map(|&last| last + PACE).filter(|&at| at > now);
        if sent.len() >= LIMIT {
            return leaves;
        }
        if sent.len() >= UNPACED && next.is_some() {
            // Whichever comes first: there is room again, or its turn.
            return next.min(leaves);
        }
        sent.push_back(now);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_than_the_gateway_takes() {
        let budget = Budget::default();
        let began = Instant::now();
        let mut sent = Vec::new();
        for ms in (0..180_000).step_by(50) {
            let now = began + Duration::from_millis(ms);
            if budget.try_spend(now).is_none() {
                sent.push(now);
            }
        }
        assert!(sent.len() >= 55, "only {} in three minutes", sent.len());
        for window in sent.windows(31) {
            let took = window[30] - window[0];
            assert!(took >= Duration::from_secs(60), "31 patches in {took:?}");
        }
    }
}
