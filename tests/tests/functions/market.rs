//! A host that is let, somebody who pays for an agent on it, and Stripe: the real functions, Data API and database, and a
//! stand-in of Stripe.

use std::net::Ipv4Addr;

use creel_core::secret::Secret;
use creel_functions::data_api::DataApi;
use creel_functions::origins::Origins;
use creel_functions::server;
use creel_local::billing::{Billing, StripeConfig, make_key};
use creel_local::stripe_stand_in::{Delivered, Endpoints, StandIn};
use creel_tests::db::{Host, User};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::signer::{CONNECT_SECRET, SECRET};
use crate::stage::{Answer, SCOUT, Stage, send};

/// Where people come back to.
pub const PAGE: &str = "http://localhost:5173/billing";

/// The price of a month, in cents.
pub const PRICE: i64 = 900;

/// Everything that a payment needs.
pub struct Market {
    pub stage: Stage,
    pub stripe: StandIn,
    pub landlord: User,
    pub host: Uuid,
    /// How a worker of the host connects.
    pub login: Host,
    /// The key of the role `creel_stripe`.
    pub key: Secret,
    pub url: String,
    serving: JoinHandle<()>,
}

impl Market {
    /// A host for nine euros a month, whose owner has no account at Stripe yet.
    pub async fn opening() -> Self {
        let stage = Stage::new().await;
        let stripe = StandIn::start().await.expect("start the stand-in");
        let mut admin = stage.db.postgres().await.expect("connect");
        let key = make_key(&mut admin).await.expect("make a key");
        let config = StripeConfig {
            api_url: stripe.url(),
            api_key: stripe.api_key().clone(),
            pages_api_key: Some(stripe.pages_api_key().clone()),
            webhook_secret: Secret::new(SECRET),
            connect_webhook_secret: Secret::new(CONNECT_SECRET),
        };
        let api = DataApi::new(
            &format!("{}/rest/v1", stage.proxy.url()),
            Secret::new(stage.rest.publishable_key()),
            None,
        );
        let billing = Billing::new(&config, api, key.clone()).expect("the functions");
        let router = server::router(billing.routes(), "there is more", &Origins::Loopback);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listen");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serve");
        });
        let landlord = stage
            .db
            .user("landlord@example.com")
            .await
            .expect("make a person");
        let login = stage.db.host(&[]).await.expect("make a host");
        let host = login.id;
        stage
            .admin
            .execute("update creel.settings set billing_currency = 'eur'", &[])
            .await
            .expect("charge in euros");
        let price = json!({ "currency": "eur", "month": PRICE, "year": 9_000 });
        let sql = "update hosts set owner_id = $1, tenancy = 'single', price = $2 where id = $3";
        let changed = stage.admin.execute(sql, &[&landlord.id, &price, &host]).await;
        assert_eq!(changed.expect("let the host"), 1);
        Self {
            stage,
            stripe,
            landlord,
            host,
            login,
            key,
            url,
            serving,
        }
    }

    /// The same, with an owner who can be paid.
    pub async fn new() -> Self {
        let market = Self::opening().await;
        let answer = market.onboard(&market.landlord).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let account = market.account().await.expect("the account is known");
        market.stripe.onboard(&account).expect("onboard");
        market.deliver_well().await;
        market.stage.proxy.calls();
        market.stripe.take_calls();
        market
    }

    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        let client = creel_local::gateway::http::client().expect("a client");
        let request = client.request(Method::POST, format!("{}{path}", self.url));
        send(request.bearer_auth(token).json(body)).await
    }

    pub async fn onboard(&self, person: &User) -> Answer {
        let body = json!({ "returnUrl": PAGE, "refreshUrl": PAGE });
        self.post(&person.jwt, "/checkout/onboarding", &body).await
    }

    /// The landlord's account, where there is one.
    pub async fn account(&self) -> Option<String> {
        let sql = "select account_id from stripe_accounts where owner_id = $1";
        let row = self.stage.admin.query_opt(sql, &[&self.landlord.id]).await;
        row.expect("read").map(|row| row.get(0))
    }

    /// The usual wish, of the project's owner.
    pub fn wish(&self) -> Value {
        json!({
            "projectId": self.stage.project, "agentKey": SCOUT, "hostId": self.host, "plan": "month",
            "agent": { "name": "Scout", "docs": { "soul": "Be wise." } },
            "successUrl": format!("{PAGE}?session={{CHECKOUT_SESSION_ID}}"), "cancelUrl": PAGE,
        })
    }

    pub async fn checkout(&self, wish: &Value) -> Answer {
        self.post(&self.stage.owner.jwt, "/checkout/sessions", wish).await
    }

    /// Tells the functions what happened at Stripe.
    pub async fn deliver(&self) -> Vec<Delivered> {
        let endpoints = Endpoints {
            platform: (format!("{}/stripe/events", self.url), Secret::new(SECRET)),
            connect: (
                format!("{}/stripe/connect", self.url),
                Secret::new(CONNECT_SECRET),
            ),
        };
        self.stripe.deliver(&endpoints).await.expect("deliver")
    }

    /// The same, until all of it was taken: what waits for another event is told again.
    pub async fn deliver_well(&self) {
        for _ in 0..4 {
            let delivered = self.deliver().await;
            if delivered.iter().all(|one| one.status == 200) {
                return;
            }
        }
        panic!("something is never taken: {:?}", self.deliver().await);
    }

    /// One value of the database, as JSON.
    pub async fn value(&self, sql: &str) -> Value {
        let rows = self.stage.admin.query(sql, &[]).await.expect(sql);
        rows.first()
            .and_then(|row| row.get::<_, Option<Value>>(0))
            .unwrap_or(Value::Null)
    }
}

impl Drop for Market {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The id at the end of a session's address.
pub fn session_of(answer: &Answer) -> String {
    let url = answer.body["url"].as_str().unwrap_or_default();
    url.rsplit('/').next().unwrap_or_default().to_owned()
}
