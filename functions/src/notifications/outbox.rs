//! From claim to finish: whatever way there is to the database.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Context;
use creel_core::host_api::API;
use creel_core::secret::Secret;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::deliver::{Deliverer, Verdict};

/// So many at the same moment: each is a connection that may hang for ten seconds, and all end within their lease.
const BATCH: usize = 20;

/// A batch is begun only when there is time for it: ten seconds for those that hang, and as long for the calls around it.
const BATCH_LIMIT: Duration = Duration::from_secs(25);

/// The way to the database: the two functions that who delivers may call.
pub trait Outbox: Sync {
    /// Calls a function with one jsonb argument.
    fn call(&self, function: Call, argument: &Value) -> impl Future<Output = anyhow::Result<Value>> + Send;
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `claim_notifications`.
    Claim,
    /// `finish_notifications`.
    Finish,
}

impl Call {
    /// The function's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim_notifications",
            Self::Finish => "finish_notifications",
        }
    }
}

/// A notification that is ours until its lease ends.
#[derive(Deserialize)]
pub(super) struct Claimed {
    pub(super) id: Uuid,
    pub(super) token: Uuid,
    pub(super) url: String,
    /// What is signed and sent, byte by byte.
    pub(super) body: String,
    pub(super) secrets: Vec<Secret>,
}

/// How many were tried, and how many of them arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Tried.
    pub tried: usize,
    /// Arrived.
    pub arrived: usize,
}

/// Delivers what is due, batch by batch, until nothing is or until there is no time for another batch. The first batch is
/// tried in any case.
pub async fn deliver_due(
    outbox: &impl Outbox,
    deliverer: &Deliverer,
    end: Instant,
) -> anyhow::Result<Delivered> {
    let mut total = Delivered::default();
    loop {
        let batch = deliver_batch_once(outbox, deliverer).await?;
        total.tried += batch.tried;
        total.arrived += batch.arrived;
        if batch.tried == 0 || Instant::now() + BATCH_LIMIT > end {
            return Ok(total);
        }
    }
}

async fn deliver_batch_once(outbox: &impl Outbox, deliverer: &Deliverer) -> anyhow::Result<Delivered> {
    let asked = json!({ "api": API, "limit": BATCH });
    let mut claimed = outbox
        .call(Call::Claim, &asked)
        .await
        .context("claim notifications")?;
    let claimed: Vec<Claimed> =
        serde_json::from_value(claimed["notifications"].take()).context("read the claimed notifications")?;
    if claimed.is_empty() {
        return Ok(Delivered::default());
    }
    let verdicts = join_all(claimed.iter().map(|one| deliverer.deliver(one))).await;
    let arrived = verdicts.iter().filter(|verdict| verdict.error.is_none()).count();
    let items: Vec<Value> = claimed.iter().zip(&verdicts).map(finished).collect();
    // What cannot be told now is delivered again when the lease ends: twice under one id is better than never.
    outbox
        .call(Call::Finish, &json!({ "api": API, "items": items }))
        .await
        .context("finish notifications")?;
    Ok(Delivered {
        tried: claimed.len(),
        arrived,
    })
}

fn finished((claimed, verdict): (&Claimed, &Verdict)) -> Value {
    if let Some(error) = &verdict.error {
        tracing::warn!(notification.id = %claimed.id, outcome = %verdict.outcome, error, "a webhook was not told");
    }
    json!({
        "id": claimed.id, "token": claimed.token, "outcome": verdict.outcome, "error": verdict.error,
        "retry_after_secs": verdict.retry_after_secs,
    })
}
