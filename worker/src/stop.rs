//! How a worker ends: what can be finished is, the rest is given back once nobody works on it any more.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use crate::claim::give_back;
use crate::daemon::Daemon;
use crate::exit::{Fatal, Stopped};
use crate::process::{Mark, reap_marked};
use crate::transport::CALL_LIMIT;

/// How long each step of an end may take.
pub(crate) struct StopLimits {
    /// Jobs are told to stop, their programs are asked to.
    ask: Duration,
    /// What did not stop is killed.
    kill: Duration,
    /// What they worked on is given back.
    release: Duration,
}

impl StopLimits {
    /// A program has two seconds to end by itself, a file on a slow disk somewhat more.
    const PATIENT: Self = Self {
        ask: Duration::from_secs(10),
        kill: Duration::from_secs(5),
        release: CALL_LIMIT,
    };
    /// Somebody who asks twice wants the end within a second; what is not given back by then is
    /// noticed by its lease.
    pub(crate) const AT_ONCE: Self = Self {
        ask: Duration::from_millis(100),
        kill: Duration::from_millis(500),
        release: Duration::from_millis(300),
    };
}

/// A claim that is under way when the end begins is waited for, so that what it took is known.
const CLAIM_END_LIMIT: Duration = Duration::from_secs(12);

impl Daemon {
    /// Lets jobs finish within the grace, then stops them and gives them back. Parts that die now
    /// change nothing: the leases say when it is too late.
    pub(crate) async fn drain(&self, claiming: &mut JoinHandle<Result<(), Fatal>>) -> Stopped {
        let grace = self.drain_grace;
        self.health.set_draining();
        let running = self.held.count();
        let grace_secs = grace.as_secs();
        if self.shutdown.is_grace_running() {
            tracing::info!(
                running,
                "stopping: {running} jobs have {grace_secs} s to finish; a second signal stops them at once"
            );
        } else {
            tracing::info!(
                running,
                "finishing: {running} jobs have all the time they need; SIGTERM gives them {grace_secs} s"
            );
        }
        let patient = async {
            if !claiming.is_finished() {
                let _ended_or_late = timeout(CLAIM_END_LIMIT, claiming).await;
            }
            let late = async {
                self.shutdown.grace_begins().await;
                tokio::time::sleep(grace).await;
            };
            tokio::select! {
                () = self.crew.all_ended() => {}
                () = late => {}
            }
            self.stop_jobs(StopLimits::PATIENT).await
        };
        tokio::select! {
            released = patient => {
                tracing::info!(released, "stopped");
                Stopped::Drained { released }
            }
            () = self.shutdown.stopping_now() => {
                tracing::warn!("stopping at once");
                self.stop_jobs(StopLimits::AT_ONCE).await;
                Stopped::AtOnce { signal: self.shutdown.last_signal() }
            }
        }
    }

    /// Stops what is at work and gives back what stopped. Answers how many were given back.
    pub(crate) async fn stop_jobs(&self, limits: StopLimits) -> u64 {
        self.held.give_back_all();
        let (mut jobs_ended, mut programs_gone) = self.all_stopped_within(limits.ask).await;
        if !(jobs_ended && programs_gone) {
            tracing::warn!("killing what did not stop when it was asked");
            // To a session that comes after this one, this one's children are left-overs.
            let mark = Mark::new(&self.kit.data_dir, Uuid::new_v4());
            let killing = timeout(limits.kill, reap_marked(&mark));
            ((jobs_ended, programs_gone), _) = tokio::join!(self.all_stopped_within(limits.kill), killing);
        }
        if !programs_gone {
            // Somebody may still be at work on any of them: their leases decide when they are free.
            tracing::error!("could not end all programs in time; nothing is given back");
            return 0;
        }
        if !jobs_ended {
            let count = self.held.count();
            tracing::error!(count, "{count} jobs did not stop in time; their leases will end");
        }
        let tokens = self.held.take_given_back();
        give_back(&self.link, self.kit.session_id, tokens, limits.release).await
    }

    /// Waits until no job is at work, and no program that one of them started; says which of the two
    /// came true.
    async fn all_stopped_within(&self, limit: Duration) -> (bool, bool) {
        let programs = async {
            if let Some(runner) = &self.kit.runner {
                runner.stop().await;
            }
        };
        let (jobs, programs) = tokio::join!(timeout(limit, self.crew.all_ended()), timeout(limit, programs));
        (jobs.is_ok(), programs.is_ok())
    }
}
