//! What makes the worker look for work.

use std::sync::atomic::{AtomicBool, Ordering};

use creel_core::status::WokenBy;
use tokio::sync::Notify;

/// A bell that rings until it is heard. A ring during a claim is not lost.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    bell: Notify,
    tick_bell: Notify,
    docs_bell: Notify,
    ended_bell: Notify,
    pushed: AtomicBool,
    found: AtomicBool,
}

impl Wake {
    /// A notification came.
    pub(crate) fn push(&self) {
        self.pushed.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// The clock, a reconnect, or work that was left.
    pub(crate) fn poll(&self) {
        self.bell.notify_one();
    }

    /// A tick found work, at a time when there was nothing to do.
    pub(crate) fn found(&self) {
        self.found.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Whether that is why the claim that follows is made; asked once.
    pub(crate) fn was_found(&self) -> bool {
        self.found.swap(false, Ordering::AcqRel)
    }

    /// Whether a notification came that no claim has answered yet.
    pub(crate) fn is_pushed(&self) -> bool {
        self.pushed.load(Ordering::Acquire)
    }

    /// Waits for a ring.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Something will become claimable by time alone: only a tick learns when.
    pub(crate) fn ask_when(&self) {
        self.tick_bell.notify_one();
    }

    /// Waits for a reason to tick sooner.
    pub(crate) async fn asked_when(&self) {
        self.tick_bell.notified().await;
    }

    /// Somebody else may have changed documents.
    pub(crate) fn docs(&self) {
        self.docs_bell.notify_one();
    }

    /// Waits for that.
    pub(crate) async fn docs_changed(&self) {
        self.docs_bell.notified().await;
    }

    /// A job has ended: there may be other agents on this host.
    pub(crate) fn job_ended(&self) {
        self.ended_bell.notify_one();
    }

    /// Waits for that.
    pub(crate) async fn jobs_ended(&self) {
        self.ended_bell.notified().await;
    }

    /// What is told to the database with the claim that follows: once push for each notification.
    pub(crate) fn take(&self) -> WokenBy {
        if self.pushed.swap(false, Ordering::AcqRel) {
            WokenBy::Push
        } else {
            WokenBy::Poll
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ring_before_the_wait_is_heard_and_push_is_told_once() {
        let wake = Wake::default();
        wake.push();
        wake.poll();
        wake.rung().await;
        assert_eq!((wake.take(), wake.take()), (WokenBy::Push, WokenBy::Poll));
    }
}
