//! A stand-in of Stripe's API on this machine: with the rules of the real one as far as Creel relies on them, and with
//! what people, banks and owners of accounts do, by call. It is chosen by its address, and holds nobody's money.

mod calls;
mod deliver;
mod fault;
mod http;
mod idempotency;
mod life;
mod list;
mod objects;
mod params;
mod program;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::deliver::{Delivered, Endpoints};
pub use self::fault::Fault;
pub use self::life::Paid;
use self::state::State;

/// A listening stand-in. It ends when it is dropped, and forgets everything.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    keys: http::Keys,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

impl StandIn {
    /// Listens on a free port of loopback.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listen for what is asked of the stand-in of Stripe")?;
        let address = listener.local_addr().context("read the stand-in's address")?;
        let keys = http::Keys {
            whole: Secret::new(objects::id("rk_test")),
            of_pages: Secret::new(objects::id("rk_test")),
        };
        let state = Arc::new(Mutex::new(State::new(format!("http://{address}"))));
        let router = http::router(Arc::clone(&state), keys.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the stand-in of Stripe ended");
            }
        });
        Ok(Self {
            address,
            keys,
            state,
            serving,
        })
    }

    /// What the setting `STRIPE_API_URL` is to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A key that may do everything.
    pub fn api_key(&self) -> &Secret {
        &self.keys.whole
    }

    /// A key that may make what people see in their browsers, and can neither read nor move what was paid.
    pub fn pages_api_key(&self) -> &Secret {
        &self.keys.of_pages
    }

    /// Method and path of every call of the API since the last question, in order.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().calls)
    }

    /// An object, as a call would answer it.
    pub fn object(&self, id: &str) -> Option<Value> {
        let mut object = list::find(&self.lock(), id)?;
        objects::without_own(&mut object);
        Some(object)
    }

    /// All objects of a kind, oldest first: `subscription`, `charge`, `transfer_reversal` and so on.
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        let ids: Vec<Value> = self.lock().all(kind).map(|object| object["id"].clone()).collect();
        ids.iter().filter_map(|id| self.object(id.as_str()?)).collect()
    }

    /// Every event so far, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.events_after(0)
    }

    /// Every event after the first so many, oldest first.
    pub fn events_after(&self, count: usize) -> Vec<Value> {
        self.lock().events.iter().skip(count).cloned().collect()
    }

    /// The next call is treated so; several wait in order.
    pub fn fail_next(&self, fault: Fault) {
        self.lock().faults.next(None, fault);
    }

    /// The next call whose path begins so, or its method and path, is treated so.
    pub fn fail_next_at(&self, path: &str, fault: Fault) {
        self.lock().faults.next(Some(path), fault);
    }

    /// All calls are treated so, until told otherwise.
    pub fn fail_always(&self, fault: Option<Fault>) {
        self.lock().faults.always(fault);
    }

    /// Time passes, at Stripe alone.
    pub fn advance(&self, secs: i64) {
        self.lock().offset_secs += secs;
    }

    /// What is available of an account's money, in minor units.
    pub fn balance(&self, account: &str) -> i64 {
        self.lock().balances.get(account).copied().unwrap_or_default()
    }

    /// The owner of an account takes all of it out.
    pub fn empty_balance(&self, account: &str) {
        self.lock().balances.insert(account.to_owned(), 0);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
