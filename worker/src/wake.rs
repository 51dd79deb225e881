//! What makes the worker look for work.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    /// How many jobs have come to their end, and of how many that is written.
    ends: AtomicU64,
    ends_written: AtomicU64,
    /// One more than both were when the last claim or end left nothing; 0 where something may be left.
    emptied_at: AtomicU64,
}

impl Wake {
    /// A notification came.
    pub(crate) fn push(&self) {
        self.pushed.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// A notification came, for which the bell is rung in a moment. A claim that is made until then answers it, too.
    pub(crate) fn announced(&self) {
        self.pushed.store(true, Ordering::Release);
    }

    /// The clock, a reconnect, or work that was left.
    pub(crate) fn poll(&self) {
        self.bell.notify_one();
    }

    /// A tick found work. Nobody announces what was behind a job that has ended; of what came since nothing was left,
    /// somebody should have told.
    pub(crate) fn found(&self) {
        if self.emptied_at.load(Ordering::Acquire) == self.ends.load(Ordering::Acquire) + 1 {
            self.found.store(true, Ordering::Release);
        }
        self.bell.notify_one();
    }

    /// A job comes to its end, which is written until the answer is dropped.
    pub(crate) fn job_ends(&self) -> Ending<'_> {
        self.ends.fetch_add(1, Ordering::AcqRel);
        Ending(self)
    }

    /// How many jobs have come to their end; none while one of these is being written.
    pub(crate) fn ended_count(&self) -> Option<u64> {
        let written = self.ends_written.load(Ordering::Acquire);
        (written == self.ends.load(Ordering::Acquire)).then_some(written)
    }

    /// A claim was answered. `emptied_at`: what [`Self::ended_count`] was before it, if it left nothing.
    pub(crate) fn claimed(&self, emptied_at: Option<u64>) {
        let emptied_at = emptied_at.map_or(0, |count| count + 1);
        self.emptied_at.store(emptied_at, Ordering::Release);
    }

    /// A claim failed: the next one is made for the same reason.
    pub(crate) fn put_back(&self, woken_by: WokenBy, was_found: bool) {
        self.pushed.fetch_or(woken_by == WokenBy::Push, Ordering::AcqRel);
        self.found.fetch_or(was_found, Ordering::AcqRel);
    }

    /// Whether the claim that follows is made for what a tick found unannounced; asked once.
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

/// The end of a job that is being written.
#[must_use]
pub(crate) struct Ending<'a>(&'a Wake);

impl Ending<'_> {
    /// It is written, and the database says that nothing is left.
    pub(crate) fn left_nothing(self) {
        let wake = self.0;
        drop(self);
        wake.claimed(wake.ended_count());
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ends_written.fetch_add(1, Ordering::AcqRel);
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

    #[test]
    fn what_a_tick_finds_is_unannounced_unless_a_job_has_ended_or_the_last_claim_left_something() {
        let wake = Wake::default();
        let found = || {
            wake.found();
            wake.was_found()
        };
        assert!(!found(), "it has not claimed yet");
        wake.claimed(wake.ended_count());
        assert!(found());
        wake.claimed(None);
        assert!(!found(), "there was more");
        let before = wake.ended_count();
        drop(wake.job_ends());
        wake.claimed(before);
        assert!(!found(), "a job has ended while it claimed");
        wake.claimed(wake.ended_count());
        assert!(found());
        let ending = wake.job_ends();
        assert!(!found(), "a job has ended since");
        wake.claimed(wake.ended_count());
        assert!(!found(), "that was not written yet");
        drop(ending);
        wake.claimed(wake.ended_count());
        assert!(found());
        let (first, second) = (wake.job_ends(), wake.job_ends());
        second.left_nothing();
        assert!(!found(), "who knows what is behind the first");
        first.left_nothing();
        assert!(found());
    }

    #[test]
    fn a_claim_that_failed_is_made_again_for_the_same_reason() {
        let wake = Wake::default();
        wake.put_back(WokenBy::Push, true);
        wake.put_back(WokenBy::Poll, false);
        assert_eq!((wake.take(), wake.was_found()), (WokenBy::Push, true));
        assert_eq!((wake.take(), wake.was_found()), (WokenBy::Poll, false));
    }
}
