//! Ends a process group.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::time::{Instant, sleep};

/// What a program has between SIGTERM and SIGKILL: OpenClaw's command line ends within half of it.
const TERM_GRACE: Duration = Duration::from_secs(2);

/// How long the kernel may take to clear away what was killed; longer is a process stuck in the kernel.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// How often it is looked whether the group is gone; there is no event for it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A process group that is killed when this is dropped, unless it was ended before.
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group that this process leads.
    pub(super) fn of(leader: u32) -> Self {
        Self(i32::try_from(leader).ok().and_then(Pid::from_raw))
    }

    /// Asks all its members to end, then makes them. The leader has to be waited for at the same time.
    pub(super) async fn end(mut self) {
        if let Some(group) = self.0.take() {
            signal(group, Signal::TERM);
            if !gone_within(group, TERM_GRACE).await {
                signal(group, Signal::KILL);
                gone_within(group, KILL_WAIT).await;
            }
        }
    }

    /// Kills what is left of it.
    pub(super) async fn kill(mut self) {
        if let Some(group) = self.0.take() {
            signal(group, Signal::KILL);
            gone_within(group, KILL_WAIT).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            signal(group, Signal::KILL);
        }
    }
}

fn signal(group: Pid, signal: Signal) {
    // An empty group is what is wished for.
    let _gone = kill_process_group(group, signal);
}

async fn gone_within(group: Pid, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while test_kill_process_group(group).is_ok() {
        if Instant::now() >= end {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    true
}
