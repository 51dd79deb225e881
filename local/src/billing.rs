//! The functions `stripe` and `checkout` of the local stack, and the clock that drives them: what is a schedule elsewhere.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use creel_core::secret::Secret;
use creel_functions::checkout::{self, Checkout};
use creel_functions::data_api::DataApi;
use creel_functions::failure::Failure;
use creel_functions::origins::Origins;
use creel_functions::stripe::api::StripeApi;
use creel_functions::stripe::door::Door;
use creel_functions::stripe::endpoint::{self, Webhooks};
use creel_functions::stripe::settings::{api_key, is_live};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// Whoever tries it looks at it; a call that finds nothing due costs a millisecond.
const TICK_EVERY: Duration = Duration::from_secs(5);

/// What the keys of local stacks are called; each start makes one, and ends the others.
const KEY_LABEL: &str = "creel up";

/// Which Stripe the stack speaks to.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// Stripe's API, or a stand-in of it on this machine.
    pub api_url: String,
    /// A key of it; of Stripe's test mode, as what is on this machine is no business.
    pub api_key: Secret,
    /// The key for people's pages, where it is another one with fewer rights.
    pub pages_api_key: Option<Secret>,
    /// Secret of the endpoint `/functions/v1/stripe/events`; two while one is replaced.
    pub webhook_secret: Secret,
    /// Secret of the endpoint `/functions/v1/stripe/connect`.
    pub connect_webhook_secret: Secret,
}

/// The two functions, ready to be served.
#[derive(Clone)]
pub struct Billing {
    webhooks: Webhooks,
    api: DataApi,
    pages_door: Door,
}

impl std::fmt::Debug for Billing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Billing(…)")
    }
}

impl Billing {
    /// The functions before a Data API. `creel_key` is one that [`make_key`] made.
    pub fn new(config: &StripeConfig, api: DataApi, creel_key: Secret) -> Result<Self> {
        let secrets = |secret: &Secret, name: &str| {
            let read = secret.expose().parse();
            read.map_err(|why: String| anyhow!("{name}: {why}"))
        };
        let door = |key: &Secret| -> Result<Door> {
            let stripe = StripeApi::new(&config.api_url, api_key(key)?, None);
            Ok(Door::new(api.clone(), creel_key.clone(), stripe))
        };
        let pages_door = door(config.pages_api_key.as_ref().unwrap_or(&config.api_key))?;
        let webhooks = Webhooks {
            door: door(&config.api_key)?,
            platform: secrets(&config.webhook_secret, "STRIPE_WEBHOOK_SECRET")?,
            connect: secrets(&config.connect_webhook_secret, "STRIPE_CONNECT_WEBHOOK_SECRET")?,
            is_live: is_live(&config.api_key),
        };
        Ok(Self {
            webhooks,
            api,
            pages_door,
        })
    }

    /// All routes of both, and `POST /stripe/clock`, which elsewhere is no request.
    pub fn routes(&self) -> Router {
        let door = self.webhooks.door.clone();
        let checkout = Checkout {
            api: self.api.clone(),
            door: self.pages_door.clone(),
            origins: Origins::Loopback,
        };
        Router::new()
            .route("/stripe/clock", post(tick))
            .with_state(door)
            .merge(endpoint::routes(self.webhooks.clone()))
            .merge(checkout::routes(checkout))
    }

    /// Does what is due, until it is cancelled.
    pub async fn run(self, cancelled: CancellationToken) {
        loop {
            let ticked = async {
                tokio::time::sleep(TICK_EVERY).await;
                self.webhooks.door.tick(None).await
            };
            let ticked = tokio::select! {
                () = cancelled.cancelled() => return,
                ticked = ticked => ticked,
            };
            if let Err(failure) = ticked {
                tracing::warn!(
                    code = %failure.code,
                    "failed to do what is due at Stripe: {}; it is tried again", failure.message
                );
            }
        }
    }
}

async fn tick(State(door): State<Door>) -> Result<Json<Value>, Failure> {
    let done = door.tick(None).await?;
    Ok(Json(json!({ "ok": true, "done": done })))
}

/// Makes a key of the role `creel_stripe`, and ends those of earlier starts. The database keeps its hash alone.
pub async fn make_key(client: &mut Client) -> Result<Secret> {
    let key = hex::encode(rand::random::<[u8; 32]>());
    let sha256 = hex::encode(Sha256::digest(key.as_bytes()));
    let change = client.transaction().await.context("begin")?;
    let ended = "select creel.revoke_function_key(id) from creel.function_keys where opens = 'stripe' and label = $1 and revoked_at is null";
    change
        .query(ended, &[&KEY_LABEL])
        .await
        .context("end the keys of earlier starts")?;
    let made = "select creel.add_function_key('stripe', $1, $2)";
    change
        .query(made, &[&sha256, &KEY_LABEL])
        .await
        .context("make a key of the function stripe")?;
    change.commit().await.context("commit")?;
    Ok(Secret::new(key))
}
