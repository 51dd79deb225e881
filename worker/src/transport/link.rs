//! The main session: listens where it can, carries the calls of claim and jobs, and is made again when it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::BackoffBuilder;
use creel_core::host_api::{CANCEL_HINT, DOCS_HINT};
use creel_core::telemetry::RECONNECTED;
use tokio::sync::watch;

use super::{CallError, Connector, Session, retry_delays};
use crate::exit::Fatal;
use crate::health::Health;
use crate::wake::Wake;

/// A connection that lasted this long was a good one; the longest distance between two tries is less.
const STEADY: Duration = Duration::from_secs(10);

/// The main connection, as its users see it. Clones share one.
#[derive(Clone)]
pub(crate) struct Link {
    current: watch::Receiver<Option<Arc<Session>>>,
}

/// Keeps the connection up.
pub(crate) struct LinkKeeper {
    connector: Connector,
    current: watch::Sender<Option<Arc<Session>>>,
    wake: Arc<Wake>,
    health: Arc<Health>,
}

impl LinkKeeper {
    /// A link that is down until [`LinkKeeper::keep`] runs.
    pub(crate) fn new(connector: Connector, wake: Arc<Wake>, health: Arc<Health>) -> (Self, Link) {
        let (current, receiver) = watch::channel(None);
        (
            Self {
                connector,
                current,
                wake,
                health,
            },
            Link { current: receiver },
        )
    }

    /// Connects again and again. Ends only by what no repetition can mend.
    pub(crate) async fn keep(self) -> Fatal {
        let mut delays = retry_delays().build();
        let mut was_up = false;
        loop {
            match self.connect_once().await {
                Ok(session) => {
                    let since = Instant::now();
                    if was_up {
                        metrics::counter!(RECONNECTED, "connection" => "main").increment(1);
                    }
                    was_up = true;
                    tracing::info!("connected to the database");
                    let session = Arc::new(session);
                    self.current.send_replace(Some(session.clone()));
                    self.health.set_main_up(true);
                    // What was notified while nobody listened is found by looking.
                    self.wake.poll();
                    session.ended().await;
                    self.current.send_replace(None);
                    self.health.set_main_up(false);
                    tracing::warn!("lost the connection to the database");
                    // A server that accepts and drops at once is not asked ten times a second.
                    if since.elapsed() > STEADY {
                        delays = retry_delays().build();
                    }
                }
                Err(error) => {
                    if let Some(fatal) = error.fatal_at_start().filter(|_| !was_up) {
                        return fatal;
                    }
                    let error = error.chain();
                    tracing::warn!(error, "failed to connect to the database: {error}");
                }
            }
            tokio::time::sleep(delays.next().expect("the delays have no end")).await;
        }
    }

    /// Connects; what is notified from then on rings.
    async fn connect_once(&self) -> Result<Session, CallError> {
        let (wake, health) = (self.wake.clone(), self.health.clone());
        self.connector
            .connect_main(move |payload| match Hint::of(payload, health.host_id()) {
                Some(Hint::Work) => wake.push(),
                Some(Hint::Cancel) => wake.ask_when(),
                Some(Hint::Docs) => wake.docs(),
                None => {}
            })
            .await
    }
}

impl Link {
    /// A link that never comes up.
    #[cfg(test)]
    pub(crate) fn down() -> Self {
        Self {
            current: watch::channel(None).1,
        }
    }

    /// The connection, waited for while it is down.
    pub(crate) async fn session(&self) -> Arc<Session> {
        let mut current = self.current.clone();
        loop {
            let session = current.borrow_and_update().clone();
            if let Some(session) = session.filter(|session| !session.has_ended()) {
                return session;
            }
            if current.changed().await.is_err() {
                // The keeper is gone, so the worker ends: nothing will ever come.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The connection, if it is up within a time.
    pub(crate) async fn session_within(&self, limit: Duration) -> Option<Arc<Session>> {
        tokio::time::timeout(limit, self.session()).await.ok()
    }
}

/// What a notification may mean for this host. Nothing is done because of it but to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// There may be something to claim.
    Work,
    /// Something that is held may be to be cancelled, which a tick tells.
    Cancel,
    /// Somebody else may have changed documents of its agents.
    Docs,
}

impl Hint {
    /// Only a payload that names another host means nothing: its id, alone or with `cancel` or `docs`.
    fn of(payload: &str, host_id: Option<uuid::Uuid>) -> Option<Self> {
        let (named, hint) = match payload.split_once(' ') {
            Some((named, CANCEL_HINT)) => (named, Self::Cancel),
            Some((named, DOCS_HINT)) => (named, Self::Docs),
            _ => (payload, Self::Work),
        };
        match (named.parse::<uuid::Uuid>(), host_id) {
            (Ok(named), Some(us)) if named != us => None,
            _ => Some(hint),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_another_hosts_notification_does_not_wake() {
        let us = Uuid::from_u128(1);
        let other = Uuid::from_u128(2).to_string();
        for (payload, host_id, hint) in [
            (String::new(), Some(us), Some(Hint::Work)),
            (us.to_string(), Some(us), Some(Hint::Work)),
            ("nonsense".to_owned(), Some(us), Some(Hint::Work)),
            (other.clone(), None, Some(Hint::Work)),
            (other.clone(), Some(us), None),
            (format!("{us} cancel"), Some(us), Some(Hint::Cancel)),
            (format!("{us} cancel"), None, Some(Hint::Cancel)),
            (format!("{other} cancel"), Some(us), None),
            (format!("{us} docs"), Some(us), Some(Hint::Docs)),
            (format!("{other} docs"), Some(us), None),
            (format!("{us} else"), Some(us), Some(Hint::Work)),
        ] {
            assert_eq!(Hint::of(&payload, host_id), hint, "{payload:?}");
        }
    }
}
