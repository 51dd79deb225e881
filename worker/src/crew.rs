//! Works on claimed items: each on a task of its own.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use creel_core::clock::Moment;
use creel_core::host_api::{Finish, Item};
use creel_core::status::Outcome;
use creel_core::telemetry::{CLAIMED, JOB_SECONDS, RUNNING};
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::finish::{Finisher, Recorded};
use crate::held::Held;
use crate::job::{Failure, Job, JobContext, JobError};
use crate::lease::Lease;
use crate::rows::HeldRows;
use crate::transport::Link;
use crate::wake::Wake;

/// A job that lost its lease has this long to end what it started; then its task is dropped. Longer than
/// a job waits for a disk that does not answer.
const LOST_GRACE: Duration = Duration::from_secs(40);

/// Everything that a claimed item needs to be worked on.
pub(crate) struct Crew {
    jobs: HashMap<&'static str, Arc<dyn Job>>,
    permit_count: usize,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    held: Arc<Held>,
    link: Link,
    finisher: Finisher,
    wake: Arc<Wake>,
}

impl Crew {
    /// A crew that may do `permits` jobs at a time.
    pub(crate) fn new(
        jobs: Vec<Arc<dyn Job>>,
        permits: usize,
        held: Arc<Held>,
        link: Link,
        finisher: Finisher,
        wake: Arc<Wake>,
    ) -> Self {
        let jobs = jobs.into_iter().map(|job| (job.queue(), job)).collect();
        Self {
            jobs,
            permit_count: permits,
            permits: Arc::new(Semaphore::new(permits)),
            tasks: TaskTracker::new(),
            held,
            link,
            finisher,
            wake,
        }
    }

    /// How many items may be claimed now.
    pub(crate) fn free_permits(&self) -> usize {
        self.permits.available_permits()
    }

    /// Whether a claim now would be for half of the permits or more.
    pub(crate) fn is_half_free(&self) -> bool {
        2 * self.free_permits() >= self.permit_count
    }

    /// Starts to work on an item that was asked for at `asked`.
    pub(crate) fn start(self: &Arc<Self>, item: Item, asked: Moment, lasts: Duration) {
        metrics::counter!(CLAIMED, "queue" => item.queue.clone()).increment(1);
        let lease = Lease::new(item.token, asked, lasts);
        self.held.add(&item.queue, &lease);
        // Only the claimer takes permits, and it asks for no more items than are free; whatever comes
        // beyond that is held already and is worked on all the same.
        let permit = self.permits.clone().try_acquire_owned().ok();
        let place = Place::take(self.clone(), lease.token(), permit);
        let crew = self.clone();
        self.tasks.spawn(async move {
            let look_again = crew.work_on(item, lease).await;
            drop(place);
            if look_again {
                crew.wake.poll();
            }
        });
    }

    /// Waits until no job is at work. None may be started afterwards.
    pub(crate) async fn all_ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// One item, from the claim to its finish. Answers whether there may be something to claim now.
    async fn work_on(&self, item: Item, lease: Lease) -> bool {
        let started = Instant::now();
        let (id, queue) = (item.id, item.queue.as_str());
        tracing::info!(item.id = %id, item.queue = queue, item.attempt = item.attempt,
            "claimed {queue} {id}, attempt {} of {}", item.attempt, item.max_attempts);
        let ended = self.attempt(&item, &lease).await;
        let ending = self.wake.job_ends();
        let Some((outcome, result)) = ended else {
            tracing::warn!(item.id = %id, "stopped work on {queue} {id} before its end");
            self.held.stopped(item.token);
            return true;
        };
        let finish = Finish {
            token: item.token,
            outcome,
            result,
        };
        let recorded = self.finisher.finish(queue, &lease, finish).await;
        let elapsed = started.elapsed();
        metrics::histogram!(JOB_SECONDS, "queue" => item.queue.clone()).record(elapsed);
        match recorded {
            Recorded::Applied { work } => {
                self.wake.job_ended();
                if outcome == Outcome::Retry {
                    self.wake.ask_when();
                }
                let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(item.id = %id, outcome = outcome.as_str(), duration_ms,
                    "finished {queue} {id}: {outcome} after {duration_ms} ms");
                if !work {
                    ending.left_nothing();
                }
                work
            }
            Recorded::NotOurs => {
                self.held.stopped(item.token);
                true
            }
        }
    }

    /// One attempt. `None`: the item belongs to somebody else now, nothing is written.
    async fn attempt(&self, item: &Item, lease: &Lease) -> Option<(Outcome, serde_json::Value)> {
        let Some(job) = self.jobs.get(item.queue.as_str()) else {
            return Some(failed(&unknown_queue(&item.queue)));
        };
        let rows = HeldRows::new(self.link.clone(), lease.clone());
        let work = AssertUnwindSafe(job.run(JobContext {
            item,
            lease,
            rows: &rows,
        }))
        .catch_unwind();
        let overdue = async {
            lease.lost().await;
            tokio::time::sleep(LOST_GRACE).await;
        };
        let ended = tokio::select! {
            ended = work => ended,
            () = overdue => {
                tracing::error!(item.id = %item.id, "dropped a job that did not stop within {} s of losing its lease", LOST_GRACE.as_secs());
                return None;
            }
        };
        match ended {
            Ok(Ok(result)) => Some((Outcome::Done, result)),
            Ok(Err(JobError::LeaseLost)) if lease.is_cancelled() => Some(failed(&superseded())),
            Ok(Err(JobError::LeaseLost)) => None,
            Ok(Err(JobError::Failed(failure))) => {
                let (code, message) = (failure.code, failure.message.as_str());
                tracing::warn!(item.id = %item.id, code, "failed {} {}: {message}", item.queue, item.id);
                Some(failed(&failure))
            }
            Ok(Err(JobError::Rows(error))) => {
                tracing::warn!(item.id = %item.id, error = format!("{error:#}"), "failed to use the database for {}: {error:#}", item.id);
                Some(failed(&database_unavailable()))
            }
            Err(panic) => {
                let said = panic_text(panic.as_ref());
                tracing::error!(item.id = %item.id, error = said, "a job panicked: {said}");
                Some(failed(&panicked()))
            }
        }
    }
}

/// What an item occupies while it is worked on; given free whatever ends the task.
struct Place {
    crew: Arc<Crew>,
    token: Uuid,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    fn take(crew: Arc<Crew>, token: Uuid, permit: Option<OwnedSemaphorePermit>) -> Self {
        metrics::gauge!(RUNNING).increment(1.0);
        Self {
            crew,
            token,
            _permit: permit,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crew.held.remove(self.token);
        metrics::gauge!(RUNNING).decrement(1.0);
    }
}

fn failed(failure: &Failure) -> (Outcome, serde_json::Value) {
    let outcome = if failure.retry {
        Outcome::Retry
    } else {
        Outcome::Failed
    };
    (outcome, failure.to_result())
}

fn unknown_queue(queue: &str) -> Failure {
    Failure {
        code: "queue_unknown",
        message: format!("this host's worker does not know the queue {queue:?}"),
        hint: "upgrade creel on the host".to_owned(),
        retry: true,
        steps: Vec::new(),
    }
}

fn superseded() -> Failure {
    Failure {
        code: "superseded",
        message: "something newer took its place while it was at work".to_owned(),
        hint: "nothing is to be done".to_owned(),
        retry: false,
        steps: Vec::new(),
    }
}

fn database_unavailable() -> Failure {
    Failure {
        code: "database_unavailable",
        message: "the worker could not use the database during this attempt".to_owned(),
        hint: "it is tried again by itself; if it stays, see the worker's log".to_owned(),
        retry: true,
        steps: Vec::new(),
    }
}

fn panicked() -> Failure {
    Failure {
        code: "worker_bug",
        message: "the job broke off by a fault in the worker".to_owned(),
        hint: "it is tried again by itself; if it stays, report it with the worker's log".to_owned(),
        retry: true,
        steps: Vec::new(),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::{Value, json};
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;

    /// Does what the row says.
    struct Obedient;

    #[async_trait]
    impl Job for Obedient {
        fn queue(&self) -> &'static str {
            "known"
        }

        async fn run(&self, context: JobContext<'_>) -> Result<Value, JobError> {
            match context.item.row.as_str() {
                Some("panic") => panic!("as the row says"),
                Some("wait") => {
                    context.lease.lost().await;
                    Err(JobError::LeaseLost)
                }
                Some("hang") => std::future::pending().await,
                Some("rows") => Err(JobError::Rows(anyhow::anyhow!("secret of the database"))),
                _ => Ok(json!({ "ok": true })),
            }
        }
    }

    fn crew(permits: usize) -> (Arc<Crew>, Arc<Held>, UnboundedReceiver<Finish>) {
        let (finisher, finished) = Finisher::observed();
        let held = Arc::<Held>::default();
        let jobs: Vec<Arc<dyn Job>> = vec![Arc::new(Obedient)];
        let crew = Crew::new(
            jobs,
            permits,
            held.clone(),
            Link::down(),
            finisher,
            Arc::default(),
        );
        (Arc::new(crew), held, finished)
    }

    fn item(queue: &str, row: &str) -> Item {
        let (id, token) = (Uuid::new_v4(), Uuid::new_v4());
        let (row, agent) = (json!(row), Value::Null);
        Item {
            id,
            queue: queue.to_owned(),
            token,
            attempt: 1,
            max_attempts: 5,
            row,
            agent,
        }
    }

    /// Works on one item to its end.
    async fn outcome_of(queue: &str, row: &str) -> Finish {
        let (crew, held, mut finished) = crew(1);
        crew.start(item(queue, row), Moment::now(), Duration::from_secs(60));
        let finish = finished.recv().await.expect("a finish");
        crew.all_ended().await;
        assert_eq!((held.count(), crew.free_permits()), (0, 1));
        finish
    }

    #[tokio::test]
    async fn a_panic_is_a_failed_attempt_and_frees_its_permit() {
        let finish = outcome_of("known", "panic").await;
        assert_eq!(finish.outcome, Outcome::Retry);
        assert_eq!(finish.result["error"]["code"], "worker_bug");
    }

    #[tokio::test]
    async fn text_of_the_database_does_not_reach_the_row() {
        let finish = outcome_of("known", "rows").await;
        assert_eq!(finish.result["error"]["code"], "database_unavailable");
        assert!(!finish.result.to_string().contains("secret"), "{}", finish.result);
    }

    #[tokio::test]
    async fn a_queue_of_a_newer_version_is_left_to_another_attempt() {
        let finish = outcome_of("unknown", "").await;
        assert_eq!(
            (finish.outcome, &finish.result["error"]["code"]),
            (Outcome::Retry, &json!("queue_unknown"))
        );
    }

    #[tokio::test]
    async fn a_lost_lease_stops_the_job_and_nothing_is_written() {
        let (crew, held, mut finished) = crew(1);
        let item = item("known", "wait");
        let token = item.token;
        crew.start(item, Moment::now(), Duration::from_secs(60));
        assert_eq!((held.tokens(), crew.free_permits()), (vec![token], 0));
        held.lose(token);
        crew.all_ended().await;
        assert!(finished.try_recv().is_err() && held.tokens().is_empty());
    }

    #[tokio::test]
    async fn a_cancelled_job_ends_and_says_why() {
        let (crew, held, mut finished) = crew(1);
        let item = item("known", "wait");
        let token = item.token;
        crew.start(item, Moment::now(), Duration::from_secs(60));
        held.cancel(token);
        let finish = finished.recv().await.expect("a finish");
        crew.all_ended().await;
        assert_eq!((finish.token, finish.outcome), (token, Outcome::Failed));
        assert_eq!(finish.result["error"]["code"], "superseded");
        assert!(held.tokens().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_does_not_hear_of_its_lost_lease_is_dropped() {
        let (crew, held, mut finished) = crew(1);
        let item = item("known", "hang");
        let token = item.token;
        crew.start(item, Moment::now(), Duration::from_secs(60));
        held.lose(token);
        crew.all_ended().await;
        assert!(finished.try_recv().is_err());
        assert_eq!(crew.free_permits(), 1);
    }
}
