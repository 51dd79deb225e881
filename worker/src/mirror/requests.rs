//! What other parts of the worker want of the mirror.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Who waits for this long is not told: the mirror is at a disk that does not answer, or the database is away.
const SYNC_WAIT: Duration = Duration::from_secs(20);

/// Each command waits for its own.
const REQUESTS_MAX: usize = 64;

/// An agent whose documents are to be mirrored now, and who waits for it.
pub(super) type Request = (Uuid, oneshot::Sender<()>);

/// Lets other parts ask.
#[derive(Clone)]
pub struct MirrorHandle(mpsc::Sender<Request>);

/// What is asked, for the mirror.
#[derive(Clone)]
pub(crate) struct MirrorRequests {
    requests: Arc<tokio::sync::Mutex<mpsc::Receiver<Request>>>,
    since: DocsSince,
}

/// Since when the mirror knows what others have changed.
#[derive(Clone, Default)]
pub(crate) struct DocsSince(Arc<Mutex<Option<String>>>);

impl MirrorHandle {
    /// A way to ask, and what is asked.
    pub(crate) fn new() -> (Self, MirrorRequests) {
        let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
        let requests = MirrorRequests {
            requests: Arc::new(tokio::sync::Mutex::new(receiver)),
            since: DocsSince::default(),
        };
        (Self(sender), requests)
    }

    /// Brings an agent's documents and rows together now. What cannot be is said on the rows.
    pub async fn sync_agent(&self, agent_id: Uuid) {
        let (done, wait) = oneshot::channel();
        let sync = async {
            if self.0.send((agent_id, done)).await.is_ok() {
                let _gone = wait.await;
            }
        };
        if tokio::time::timeout(SYNC_WAIT, sync).await.is_err() {
            tracing::warn!(agent.id = %agent_id, "the documents of agent {agent_id} could not be mirrored in time");
        }
    }
}

impl MirrorRequests {
    /// The next one.
    pub(super) async fn next(&self) -> Request {
        match self.requests.lock().await.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }

    /// For ticks.
    pub(crate) fn since(&self) -> DocsSince {
        self.since.clone()
    }
}

impl DocsSince {
    /// What the last listing answered.
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().expect("no holder of this lock panics").clone()
    }

    pub(super) fn set(&self, since: String) {
        *self.0.lock().expect("no holder of this lock panics") = Some(since);
    }
}
