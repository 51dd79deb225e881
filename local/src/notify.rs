//! Delivers notifications as the function `notifications` does for a hosted project: also to this machine.

use std::time::{Duration, Instant};

use creel_functions::notifications::{Call, Deliverer, Outbox, Reach, deliver_due};
use serde_json::Value;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};
use tokio_util::sync::CancellationToken;

use crate::postgres::connect;

/// People who try a webhook look at it; that is often enough, and costs one statement.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A claim takes milliseconds.
const STATEMENT_LIMIT: Duration = Duration::from_secs(10);

/// The two functions over a connection of the role `postgres`.
pub struct DirectOutbox(Client);

impl DirectOutbox {
    /// Connects.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let client = connect(config).await?;
        client
            .batch_execute(&format!(
                "set statement_timeout = {}",
                STATEMENT_LIMIT.as_millis()
            ))
            .await?;
        Ok(Self(client))
    }
}

impl Outbox for DirectOutbox {
    async fn call(&self, function: Call, argument: &Value) -> anyhow::Result<Value> {
        let statement = format!("select public.{}($1)", function.as_str());
        Ok(self.0.query_one(&statement, &[argument]).await?.get(0))
    }
}

/// Delivers until it is cancelled.
pub async fn run(config: Config, cancelled: CancellationToken) {
    let deliverer = match Deliverer::new(None, Reach::LoopbackToo) {
        Ok(deliverer) => deliverer,
        Err(error) => {
            tracing::error!(error = %format_args!("{error:#}"), "failed to make the client of webhooks; none is told");
            return;
        }
    };
    let mut outbox = None;
    loop {
        let looked = async {
            tokio::time::sleep(LOOK_EVERY).await;
            deliver_once(&config, &mut outbox, &deliverer).await
        };
        // What is under way is delivered again by whoever finds that its lease has ended.
        let delivered = tokio::select! {
            () = cancelled.cancelled() => return,
            delivered = looked => delivered,
        };
        if let Err(error) = delivered {
            tracing::warn!(error = %format_args!("{error:#}"), "failed to deliver notifications; it is tried again");
        }
    }
}

async fn deliver_once(
    config: &Config,
    outbox: &mut Option<DirectOutbox>,
    deliverer: &Deliverer,
) -> anyhow::Result<()> {
    let connected = match outbox.take().filter(|outbox| !outbox.0.is_closed()) {
        Some(connected) => connected,
        None => DirectOutbox::open(config).await?,
    };
    let delivered = deliver_due(&connected, deliverer, Instant::now()).await;
    *outbox = Some(connected);
    match delivered {
        Err(error) if is_unknown_function(&error) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// A database without our migrations has nothing to deliver.
fn is_unknown_function(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<tokio_postgres::Error>()
        .and_then(tokio_postgres::Error::code)
        == Some(&SqlState::UNDEFINED_FUNCTION)
}
