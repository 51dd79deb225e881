//! `/realtime/v1`: the messages of Supabase's Realtime that supabase-js sends, with the answers it expects.
//! `docs/realtime.md` lists them. In production this is Supabase's own.
//!
//! Changes come from the log by a temporary slot (`slot`), are shown to whoever may see them (`changes`, which
//! asks the database by `access`), and leave by the sockets (`socket`).

mod access;
mod change;
mod changes;
mod channel;
mod claims;
mod control;
mod filter;
mod frame;
mod http;
mod hub;
mod join;
mod outbox;
mod pgoutput;
mod record;
mod slot;
mod socket;
mod subscribe;

use std::sync::Arc;

use axum::Router;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::Config;

pub use self::control::Heard;
use self::control::Mode;
use crate::keys::ApiKeys;

/// How Realtime reaches the database.
#[derive(Debug, Clone)]
pub struct RealtimeConfig {
    /// The role `postgres`, which may read the log.
    pub log: Config,
    /// The role `authenticator`, which becomes those that tokens are made for.
    pub questions: Config,
}

/// A running Realtime. It has no connection to the database while nobody has joined a channel.
#[derive(Debug)]
pub struct Realtime {
    hub: Arc<hub::Hub>,
    reader: JoinHandle<()>,
}

impl Realtime {
    /// Begins to wait for somebody to join.
    pub fn start(config: RealtimeConfig, keys: ApiKeys) -> Self {
        let questions = access::Questions::new(config.questions.clone());
        let hub = Arc::new(hub::Hub::new(keys, questions));
        let reader = tokio::spawn(slot::run(Arc::clone(&hub), config.log, config.questions));
        Self { hub, reader }
    }

    /// Its routes.
    pub(crate) fn routes(&self) -> Router {
        http::routes(Arc::clone(&self.hub))
    }

    /// Closes all sockets, and takes no new one, until [`Realtime::mend`].
    pub fn cut(&self) {
        self.hub.mode.send_replace(Mode::Cut);
    }

    /// Leaves the sockets open and sends nothing, until [`Realtime::mend`].
    pub fn silence(&self) {
        self.hub.mode.send_replace(Mode::Silent);
    }

    /// Is as it should be again. What was not sent meanwhile is lost.
    pub fn mend(&self) {
        self.hub.mode.send_replace(Mode::Live);
    }

    /// How many channels are joined.
    pub fn joined_count(&self) -> usize {
        *self.hub.joined().borrow()
    }

    /// Tells all that clients send from now on. For tests.
    pub fn listen(&self) -> mpsc::UnboundedReceiver<Heard> {
        self.hub.listen()
    }

    /// Closes all sockets and lets go of the database.
    pub(crate) fn stop(&self) {
        self.hub.stop.cancel();
    }
}

impl Drop for Realtime {
    fn drop(&mut self) {
        self.hub.stop.cancel();
        self.reader.abort();
    }
}
