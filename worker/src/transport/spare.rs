//! Further connections for results, open only while there are many of them: so that the next claim is not behind them
//! in a line, and the database uses more than one of its processors.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Connector, Session};

/// This many results at once are worth a connection, which costs as much as some dozen of them.
const WORTH_OPENING: usize = 100;
/// After this time without many results they are closed: an idle host has two connections.
const REST_AFTER: Duration = Duration::from_secs(10);

/// The further connections. Clones share them.
#[derive(Clone)]
pub(crate) struct Spares {
    connector: Connector,
    most: usize,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Vec<Arc<Session>>>,
    opening: AtomicBool,
    turn: AtomicUsize,
    opened: Notify,
}

impl Spares {
    /// None is open yet; no more than `most` ever are.
    pub(crate) fn new(connector: Connector, most: usize) -> Self {
        Self {
            connector,
            most,
            shared: Arc::default(),
        }
    }

    /// One of those that are open, in turn.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        let mut open = self.open();
        open.retain(|session| !session.has_ended());
        let turn = self.shared.turn.fetch_add(1, Ordering::Relaxed);
        open.get(turn.checked_rem(open.len())?).cloned()
    }

    /// With many results to write one more is opened, beside the work.
    pub(crate) fn note_load(&self, results: usize) {
        if results < WORTH_OPENING
            || !self.connector.gains_by_sessions()
            || self.open().len() >= self.most
            || self.shared.opening.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let spares = self.clone();
        tokio::spawn(async move {
            if let Ok(session) = spares.connector.connect_results().await {
                spares.open().push(Arc::new(session));
                spares.shared.opened.notify_one();
            }
            // Without it everything goes over the main connection, which says what is wrong with the database.
            spares.shared.opening.store(false, Ordering::Release);
        });
    }

    /// Closes them after a time in which this was waited for without a break. Waits as long as none is open.
    pub(crate) async fn rest(&self) {
        while self.open().is_empty() {
            self.shared.opened.notified().await;
        }
        tokio::time::sleep(REST_AFTER).await;
        self.open().clear();
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Session>>> {
        self.shared.open.lock().expect("no holder of this lock panics")
    }
}
