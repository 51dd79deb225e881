//! What is known of the channel by which a host with a key hears at once that there is work, and of what it kept
//! silent about.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use creel_core::host_api::ChannelReport;
use creel_core::telemetry::HINTS_LOST;
use futures_util::FutureExt;
use tokio::sync::Notify;

/// A hint that comes so long after work was claimed without it was on its way, and not lost.
const LATE: Duration = Duration::from_secs(2);
/// What was heard longer ago says nothing of a tick that is judged now: two ticks.
const HEARD_FOR: Duration = Duration::from_secs(30);
/// More hints than this in that time are a flood, in which none can be told to be missing.
const HEARD_MAX: usize = 256;

/// Shared by the channel, which hears, the tick, which tells, and the claim, which finds.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    inner: Mutex<Inner>,
    told: Notify,
    topic_changed: Notify,
    doubted: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    topic: Option<String>,
    is_live: bool,
    /// Since it was joined first, silence means something.
    was_live: bool,
    heard: VecDeque<Instant>,
    suspects: Vec<Instant>,
    lost: u64,
    /// Since when the database knows that it was joined.
    told_at: Option<Instant>,
    /// Whether it has brought anything since it was joined.
    has_brought: bool,
    is_logged: bool,
}

impl Hints {
    /// Whether it is joined, as far as anybody knows.
    pub(crate) fn is_live(&self) -> bool {
        self.inner().is_live
    }

    /// It was joined.
    pub(super) fn up(&self) {
        // What was said of the connection before.
        for bell in [&self.told, &self.doubted] {
            bell.notified().now_or_never();
        }
        let mut inner = self.inner();
        (inner.is_live, inner.was_live) = (true, true);
        (inner.told_at, inner.has_brought) = (None, false);
    }

    /// It is not joined any more.
    pub(super) fn down(&self) {
        self.inner().is_live = false;
    }

    /// Whether it has brought a hint since it was joined.
    pub(super) fn has_brought(&self) -> bool {
        self.inner().has_brought
    }

    /// A hint that there is work came.
    pub(super) fn heard(&self) {
        let mut inner = self.inner();
        (inner.has_brought, inner.is_logged) = (true, false);
        inner.heard.push_back(Instant::now());
        if inner.heard.len() > HEARD_MAX {
            inner.heard.pop_front();
        }
    }

    /// The clock found work that nobody had announced until it was asked for. Nobody had to while the database did not
    /// know that somebody listens.
    pub(crate) fn found_by_tick(&self, asked: Instant) {
        let mut inner = self.inner();
        let is_new = inner.is_live && inner.told_at.is_none_or(|at| at.elapsed() <= LATE);
        if inner.was_live && !is_new {
            inner.suspects.push(asked);
        }
    }

    /// What the next tick is to tell.
    pub(crate) fn report(&self) -> ChannelReport {
        let mut inner = self.inner();
        let lost = inner.judge(Instant::now());
        if lost > 0 {
            metrics::counter!(HINTS_LOST).increment(lost);
            if inner.is_live {
                // One that is joined and says nothing is made anew.
                self.doubted.notify_one();
            }
            if !std::mem::replace(&mut inner.is_logged, true) {
                let live = inner.is_live;
                tracing::info!(live, "found work by the clock that Realtime had not announced");
            }
        }
        ChannelReport {
            topic: inner.topic.clone(),
            live: inner.is_live,
            lost: inner.lost,
        }
    }

    /// A tick was answered. `topic` is the channel's, where it is not the one that was reported.
    pub(crate) fn were_told(&self, report: &ChannelReport, topic: Option<String>) {
        let mut inner = self.inner();
        inner.lost = inner.lost.saturating_sub(report.lost);
        if topic.is_some() && topic != inner.topic {
            (inner.topic, inner.told_at) = (topic, None);
            self.topic_changed.notify_one();
        } else if report.live && inner.told_at.is_none() {
            inner.told_at = Some(Instant::now());
            self.told.notify_one();
        }
    }

    /// The channel's topic, waited for until a tick has told it.
    pub(super) async fn topic(&self) -> String {
        loop {
            if let Some(topic) = self.inner().topic.clone() {
                return topic;
            }
            self.topic_changed.notified().await;
        }
    }

    /// Waits until the topic is another one.
    pub(super) async fn is_other_than(&self, topic: &str) {
        while self.inner().topic.as_deref() == Some(topic) {
            self.topic_changed.notified().await;
        }
    }

    /// Waits until the database has been told that this host listens.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }

    /// Waits until the channel is known to have kept something to itself.
    pub(super) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

impl Inner {
    /// Counts the suspects whose hint cannot be on its way any more; answers how many are new.
    fn judge(&mut self, now: Instant) -> u64 {
        let heard = &self.heard;
        let near = |found: Instant| {
            // One that came before was answered by a claim.
            let is_near = |at: &Instant| *at >= found && at.saturating_duration_since(found) <= LATE;
            heard.len() >= HEARD_MAX || heard.iter().any(is_near)
        };
        let (due, early): (Vec<_>, Vec<_>) = std::mem::take(&mut self.suspects)
            .into_iter()
            .partition(|found| now.saturating_duration_since(*found) > LATE);
        let lost = due.into_iter().filter(|found| !near(*found)).count() as u64;
        self.suspects = early;
        self.heard
            .retain(|at| now.saturating_duration_since(*at) < HEARD_FOR);
        self.lost += lost;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_that_comes_late_is_not_lost_and_one_that_never_comes_is() {
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let mut inner = Inner {
            suspects: vec![at(10)],
            ..Inner::default()
        };
        assert_eq!(inner.judge(at(11)), 0, "it may be on its way");
        inner.heard.push_back(at(11));
        assert_eq!(inner.judge(at(20)), 0, "it was");
        inner.heard.push_back(at(19));
        inner.suspects.push(at(20));
        assert_eq!(
            (inner.judge(at(30)), inner.lost),
            (1, 1),
            "that was another one's"
        );
        assert_eq!(inner.judge(at(40)), 0, "counted once");
    }

    #[test]
    fn what_was_lost_is_told_until_a_tick_was_answered() {
        let hints = Hints::default();
        hints.found_by_tick(Instant::now());
        hints.up();
        hints.found_by_tick(Instant::now());
        assert!(hints.inner().suspects.is_empty(), "nobody knew that it listens");
        hints.inner().lost = 2;
        let report = hints.report();
        assert_eq!((report.lost, report.live, &report.topic), (2, true, &None));
        hints.inner().lost = 3;
        hints.were_told(&report, Some("here".to_owned()));
        let report = hints.report();
        assert_eq!((report.lost, report.topic.as_deref()), (1, Some("here")));
    }

    #[test]
    fn what_is_found_before_anybody_could_announce_it_is_not_lost() {
        let hints = Hints::default();
        hints.were_told(&hints.report(), Some("here".to_owned()));
        hints.up();
        hints.were_told(&hints.report(), None);
        hints.found_by_tick(Instant::now());
        assert!(hints.inner().suspects.is_empty(), "it was told just now");
        hints.inner().told_at = Instant::now().checked_sub(2 * LATE);
        hints.found_by_tick(Instant::now());
        assert_eq!(hints.inner().suspects.len(), 1);
        hints.were_told(&hints.report(), Some("elsewhere".to_owned()));
        hints.found_by_tick(Instant::now());
        assert_eq!(hints.inner().suspects.len(), 1, "it is heard elsewhere soon");
        hints.down();
        hints.found_by_tick(Instant::now());
        assert_eq!(hints.inner().suspects.len(), 2, "what is away brings nothing");
    }

    #[tokio::test]
    async fn what_was_said_of_a_connection_is_not_said_of_the_next() {
        let hints = Hints::default();
        hints.up();
        hints.doubted.notify_one();
        hints.told.notify_one();
        hints.up();
        assert!(hints.doubted().now_or_never().is_none());
        assert!(hints.told().now_or_never().is_none());
    }

    #[tokio::test]
    async fn another_topic_is_heard_of() {
        let hints = Hints::default();
        let report = hints.report();
        hints.were_told(&report, Some("one".to_owned()));
        assert_eq!(hints.topic().await, "one");
        hints.were_told(&report, Some("two".to_owned()));
        hints.is_other_than("one").await;
        assert_eq!(hints.topic().await, "two");
    }
}
