//! Keeps to the gateway's limit for patches.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// The gateway takes 30 patches in a minute of one client. What is spent at once is half of it, so that
/// afterwards there is one every few seconds, and never none for the rest of the minute.
const AT_ONCE: usize = 15;
/// The time in which one more may be sent: 15 a minute.
const REFILL: Duration = Duration::from_secs(4);

/// A bucket of tokens for patches.
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

    /// Counts a patch, or says when to ask again. Each patch occupies its token until it is refilled, one
    /// after the other.
    fn try_spend(&self, now: Instant) -> Option<Instant> {
        let mut refills = self.0.lock().expect("no holder of this lock panics");
        while refills.front().is_some_and(|&at| at <= now) {
            refills.pop_front();
        }
        if refills.len() >= AT_ONCE {
            return refills.front().copied();
        }
        let after = refills.back().copied().unwrap_or(now).max(now);
        refills.push_back(after + REFILL);
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
