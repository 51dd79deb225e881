//! How a worker is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A wish to stop, in steps: first [`Shutdown::drain`], or [`Shutdown::finish`] before it, then
/// [`Shutdown::stop_now`]. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    grace: CancellationToken,
    now: CancellationToken,
    last_signal: Arc<AtomicI32>,
}

/// The signals that ask a worker to stop; SIGHUP does too, where its terminal goes away.
const SIGNALS: [SignalKind; 2] = [SignalKind::terminate(), SignalKind::interrupt()];

/// The signal by which `creel worker --drain` asks a worker to end when it is idle.
pub const FINISH_SIGNAL: rustix::process::Signal = rustix::process::Signal::USR1;

impl Shutdown {
    /// A wish that nobody has yet: for a worker inside another program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Follows the process' signals: SIGTERM, SIGINT or SIGHUP drains, the next one stops at once; SIGUSR1
    /// finishes.
    ///
    /// SIGHUP is left as it is where it may be ignored, as by `nohup`; where the system does not tell
    /// (macOS), it ends the process as it ends others.
    ///
    /// To be called inside a tokio runtime. Fails when the handlers cannot be registered.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::new();
        let hangup = (!hangup_may_be_ignored()).then(SignalKind::hangup);
        let finish = SignalKind::from_raw(FINISH_SIGNAL.as_raw());
        for kind in SIGNALS.into_iter().chain(hangup).chain([finish]) {
            let mut signals = signal(kind)?;
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    shutdown.received(kind.as_raw_value());
                }
            });
        }
        Ok(shutdown)
    }

    /// Claim nothing more, let the jobs finish within the grace, give back the rest.
    pub fn drain(&self) {
        // Whoever waits for the first wish looks which one it is.
        self.grace.cancel();
        self.drain.cancel();
    }

    /// Claim nothing more, and let the jobs finish, however long that takes.
    pub fn finish(&self) {
        self.drain.cancel();
    }

    /// Stop the jobs at once, too.
    pub fn stop_now(&self) {
        self.drain();
        self.now.cancel();
    }

    /// Waits for the first wish.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits until the jobs' grace runs.
    pub async fn grace_begins(&self) {
        self.grace.cancelled().await;
    }

    /// Waits for the second wish.
    pub async fn stopping_now(&self) {
        self.now.cancelled().await;
    }

    /// Whether the first wish was made.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Whether the jobs' grace runs.
    pub fn is_grace_running(&self) -> bool {
        self.grace.is_cancelled()
    }

    /// Whether the second wish was made.
    pub fn is_stopping_now(&self) -> bool {
        self.now.is_cancelled()
    }

    /// The signal that came last; none when the wish is a program's.
    pub fn last_signal(&self) -> Option<i32> {
        Some(self.last_signal.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
    }

    fn received(&self, signal: i32) {
        if signal == FINISH_SIGNAL.as_raw() {
            return self.finish();
        }
        self.last_signal.store(signal, Ordering::Relaxed);
        if self.grace.is_cancelled() {
            self.stop_now();
        } else {
            self.drain();
        }
    }
}

/// Whether whoever started this process may have told it to outlive its terminal.
fn hangup_may_be_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").map_or(true, |status| ignores_hangup(&status))
}

/// Reads a process' status as Linux has it.
fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        // The lowest bit is signal 1.
        .is_none_or(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_that_nohup_ignores_stays_ignored() {
        assert!(ignores_hangup("Name:\tcreel\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("Name:\tcreel\nSigIgn:\t0000000000001000\n"));
        assert!(ignores_hangup("Name:\tcreel\n"), "nobody knows");
    }

    #[test]
    fn the_first_signal_drains_and_the_second_stops_at_once() {
        let shutdown = Shutdown::new();
        shutdown.received(15);
        assert!(shutdown.is_draining() && !shutdown.is_stopping_now());
        shutdown.received(2);
        assert!(shutdown.is_stopping_now());
        assert_eq!(shutdown.last_signal(), Some(2));
    }

    #[test]
    fn a_worker_that_finishes_has_no_limit_until_it_is_told_to_stop() {
        let shutdown = Shutdown::new();
        shutdown.received(FINISH_SIGNAL.as_raw());
        shutdown.received(FINISH_SIGNAL.as_raw());
        assert!(shutdown.is_draining() && !shutdown.grace.is_cancelled());
        shutdown.received(15);
        assert!(shutdown.grace.is_cancelled() && !shutdown.is_stopping_now());
        shutdown.received(15);
        assert!(shutdown.is_stopping_now());
    }
}
