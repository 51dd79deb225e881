//! Work on the disk: beside the other jobs, with a time limit, and never two pieces of it in one folder.
//!
//! What the system does not answer cannot be broken off. So an attempt that ends before its work says so
//! only once that is over, and whoever comes next waits for its turn in the folder.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use creel_core::id::AgentId;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::failure::disk_hangs;
use crate::job::JobError;
use crate::lease::Lease;

/// Some small files take milliseconds; a network disk whose server is away takes for ever.
pub(super) const DISK_LIMIT: Duration = Duration::from_secs(30);

type Turn = tokio::sync::Mutex<()>;

/// The folders at work on this host, by their agents.
#[derive(Debug, Default)]
pub(super) struct Folders(Mutex<HashMap<AgentId, Weak<Turn>>>);

impl Folders {
    /// What one attempt does in an agent's folder; `work` counts it.
    pub(super) fn disk(&self, id: &AgentId, lease: &Lease, work: &TaskTracker) -> Disk {
        let mut turns = self.0.lock().expect("no holder of this lock panics");
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = turns.get(id).and_then(Weak::upgrade).unwrap_or_default();
        turns.insert(id.clone(), Arc::downgrade(&turn));
        Disk {
            turn,
            lease: lease.clone(),
            work: work.clone(),
        }
    }
}

/// One attempt's way to the disk.
pub(super) struct Disk {
    turn: Arc<Turn>,
    lease: Lease,
    work: TaskTracker,
}

impl Disk {
    /// Works on the disk without holding up the other jobs. The work is given the lease, to look at before
    /// each step; what comes to its turn after the lease is lost is not begun.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Lease) -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, JobError> {
        let done = timeout(DISK_LIMIT, async {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            let lease = self.lease.clone();
            let working = self.work.spawn_blocking(move || {
                let _turn = turn;
                lease.check()?;
                work(&lease)
            });
            working.await
        });
        let done = done.await.map_err(|_| disk_hangs(path, DISK_LIMIT))?;
        done.map_err(|error| JobError::Rows(error.into()))?
    }
}

/// Waits until the work of an attempt is over, or until nobody can say whether it ever will be.
pub(super) async fn ended(work: &TaskTracker) {
    work.close();
    if timeout(DISK_LIMIT, work.wait()).await.is_err() {
        error!(
            "a disk did not answer within {} s; the folder stays closed to other attempts of this worker",
            DISK_LIMIT.as_secs()
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use creel_core::clock::Moment;
    use futures_util::FutureExt;
    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::*;

    /// More than any of this takes.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn lease() -> Lease {
        Lease::new(Uuid::new_v4(), Moment::now(), Duration::from_secs(600))
    }

    fn id() -> AgentId {
        AgentId::parse("scout").expect("an id")
    }

    /// An attempt that was given up while its work blocks, and what lets that go on.
    async fn abandoned(folders: &Folders) -> (TaskTracker, mpsc::Sender<()>) {
        let work = TaskTracker::new();
        let disk = folders.disk(&id(), &lease(), &work);
        let (go_on, blocks) = mpsc::channel();
        let (begins, begun) = oneshot::channel();
        let run = disk.run(Path::new("/ws"), move |_| {
            let _waited_for = begins.send(());
            let _gone_on = blocks.recv();
            Ok(())
        });
        tokio::select! {
            _ = run => panic!("it does not block"),
            begun = begun => begun.expect("it begins"),
        }
        (work, go_on)
    }

    #[tokio::test]
    async fn an_attempt_is_not_over_before_its_work() {
        let (work, go_on) = abandoned(&Folders::default()).await;
        let mut ended = Box::pin(ended(&work));
        assert!((&mut ended).now_or_never().is_none(), "it says so too early");
        go_on.send(()).expect("the work waits");
        timeout(PATIENCE, ended).await.expect("it is over");
        assert!(work.is_empty());
    }

    #[tokio::test]
    async fn two_attempts_do_not_work_in_one_folder() {
        let folders = Folders::default();
        let (_work, go_on) = abandoned(&folders).await;
        let other = folders.disk(&id(), &lease(), &TaskTracker::new());
        let mut next = Box::pin(other.run(Path::new("/ws"), |_| Ok("done")));
        assert!(
            (&mut next).now_or_never().is_none() && other.work.is_empty(),
            "it began beside the other"
        );
        go_on.send(()).expect("the work waits");
        let done = timeout(PATIENCE, next).await.expect("it has its turn");
        assert_eq!(done.expect("it works"), "done");
    }

    #[tokio::test]
    async fn nothing_is_begun_after_the_lease_is_lost() {
        let lease = lease();
        let disk = Folders::default().disk(&id(), &lease, &TaskTracker::new());
        lease.lose();
        let run = disk.run(Path::new("/ws"), |_| -> Result<(), JobError> {
            panic!("it begins")
        });
        assert!(matches!(run.await, Err(JobError::LeaseLost)));
    }
}
