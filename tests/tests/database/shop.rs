//! A host that is let, somebody who rents it, and what Stripe tells of it.

use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::fixture::Fixture;
use crate::station::Station;

pub const KEY: &str = "agent:scout:main";
pub const PRICE: i64 = 900;

/// When the first thing happens, by Stripe's clock.
pub const T: i64 = 1_763_000_000;

/// A host for nine euros a month, and a project of somebody else. What has ended is kept for 63 years.
pub struct Shop {
    pub s: Station,
    pub host_owner: Uuid,
}

impl Shop {
    pub async fn new() -> Self {
        let f = Fixture::new().await;
        let host_owner = Uuid::new_v4();
        f.person(host_owner, "landlord@example.com").await;
        // Enrolled for no project: whoever pays is served.
        let host = f.host(&[]).await;
        host.tick(&[]).await;
        let shop = Self {
            s: Station { f, host },
            host_owner,
        };
        let id = shop.s.host.host;
        shop.exec(&format!(
            "update creel.settings set billing_currency = 'eur';
             update hosts set owner_id = '{host_owner}', tenancy = 'single', backends = '{{shared,profile,docker}}',
               price = '{{\"currency\": \"eur\", \"month\": {PRICE}, \"year\": 9000}}' where id = '{id}';
             insert into stripe_accounts (owner_id, account_id, transfers_active, as_of)
             values ('{host_owner}', 'acct_1', true, now());
             update creel.settings set billing_retention_secs = 2000000000"
        ))
        .await;
        shop
    }

    pub async fn exec(&self, sql: &str) {
        self.s
            .f
            .admin
            .batch_execute(sql)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    pub async fn value(&self, sql: &str) -> Value {
        let rows = self.s.f.admin.query(sql, &[]).await.expect("read a value");
        rows.first()
            .and_then(|row| row.get::<_, Option<Value>>(0))
            .unwrap_or(Value::Null)
    }

    pub fn wish(&self) -> Value {
        json!({
            "project_id": "p1", "agent_key": KEY, "host_id": self.s.host.host, "plan": "month",
            "agent": { "name": "Scout", "docs": { "soul": "Be wise." } },
        })
    }

    /// A checkout as the project's owner begins it.
    pub async fn begin(&self, wish: &Value) -> Value {
        self.try_begin(self.s.f.owner, wish)
            .await
            .unwrap_or_else(|e| panic!("begin {wish}: {e:?}"))
    }

    pub async fn try_begin(&self, person: Uuid, wish: &Value) -> Result<Value, tokio_postgres::Error> {
        let literal = wish.to_string().replace('\'', "''");
        self.s
            .f
            .ask_as_person(person, &format!("select public.begin_checkout('{literal}')"))
            .await
    }

    /// An open checkout of the usual wish; answers the id of its intent.
    pub async fn checkout(&self) -> String {
        text(&self.begin(&self.wish()).await["intent_id"])
    }

    /// A deployed and running agent that is paid for; answers the id of its intent.
    pub async fn running(&self) -> String {
        let intent = self.checkout().await;
        self.pay(&intent, "sub_1", T).await;
        assert_eq!(self.s.work().await, ["deploy"]);
        intent
    }

    /// What Stripe tells of a checkout that was paid, with the subscription fetched.
    pub async fn pay(&self, intent: &str, sub: &str, at: i64) {
        let answer = self
            .apply(
                &completed(&format!("evt_paid_{sub}"), intent, sub, at),
                Some(json!({ sub: fetched(subscription(intent, sub, "active"), at + 1) })),
            )
            .await;
        assert_eq!(answer["outcome"], json!("applied"), "{answer}");
    }

    pub async fn apply(&self, event: &Value, current: Option<Value>) -> Value {
        apply(&self.s.f.admin, "platform", event, current).await
    }

    /// One that is applied at once.
    pub async fn deliver(&self, event: &Value) -> Value {
        let answer = self.apply(event, None).await;
        assert_eq!(answer["outcome"], json!("applied"), "{event}: {answer}");
        answer
    }

    pub async fn subscription(&self, id: &str) -> Value {
        self.value(&format!(
            "select to_jsonb(s) from subscriptions s where id = '{id}'"
        ))
        .await
    }

    /// `billing desired_state status` of the agent.
    pub async fn agent(&self) -> String {
        let agent = self.s.agent(KEY).await;
        if agent.is_null() {
            return "none".to_owned();
        }
        format!(
            "{} {} {}",
            text(&agent["billing"]),
            text(&agent["desired_state"]),
            text(&agent["status"])
        )
    }

    /// The kinds of the events about money, in their order.
    pub async fn told(&self) -> Vec<String> {
        let rows = self
            .s
            .f
            .admin
            .query(
                "select kind from events where kind like 'billing.%' order by id",
                &[],
            )
            .await
            .expect("read the events");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Everything that the clock does, now.
    pub async fn sweep(&self) {
        self.exec("update creel.sweeps set swept_at = '-infinity'").await;
        self.s.f.sweep().await;
        let failed = self
            .value("select jsonb_agg(last_error) from creel.sweeps where last_error is not null")
            .await;
        assert_eq!(failed, Value::Null);
    }
}

pub async fn apply(client: &Client, endpoint: &str, event: &Value, current: Option<Value>) -> Value {
    let mut args = json!({ "api": 1, "endpoint": endpoint, "event": event });
    if let Some(current) = current {
        args["current"] = current;
    }
    client
        .query_one("select public.apply_stripe_event($1)", &[&args])
        .await
        .unwrap_or_else(|e| panic!("{event}: {e:?}"))
        .get(0)
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn event(id: &str, kind: &str, at: i64, object: Value) -> Value {
    json!({ "id": id, "object": "event", "type": kind, "created": at, "livemode": false,
      "api_version": "2026-10-28.endive", "data": { "object": object } })
}

pub fn session(intent: &str, sub: &str, payment: &str) -> Value {
    json!({ "id": format!("cs_{intent}"), "object": "checkout.session", "client_reference_id": intent,
      "metadata": { "creel_intent": intent }, "customer": "cus_1", "subscription": sub, "mode": "subscription",
      "amount_total": PRICE, "currency": "eur", "payment_status": payment, "status": "complete" })
}

pub fn completed(id: &str, intent: &str, sub: &str, at: i64) -> Value {
    event(id, "checkout.session.completed", at, session(intent, sub, "paid"))
}

/// As Stripe's newer versions show it: its period is that of its item.
pub fn subscription(intent: &str, id: &str, status: &str) -> Value {
    json!({ "id": id, "object": "subscription", "status": status, "customer": "cus_1", "livemode": false,
      "cancel_at_period_end": false, "metadata": { "creel_intent": intent },
      "items": { "data": [{ "current_period_start": T, "current_period_end": T + 2_592_000,
        "price": { "unit_amount": PRICE, "currency": "eur" } }] } })
}

/// An event that shows the subscription.
pub fn changed(id: &str, kind: &str, at: i64, subscription: Value) -> Value {
    event(id, &format!("customer.subscription.{kind}"), at, subscription)
}

/// The end of a subscription.
pub fn deleted(id: &str, intent: &str, sub: &str, at: i64) -> Value {
    let mut object = subscription(intent, sub, "canceled");
    object["ended_at"] = json!(at);
    object["canceled_at"] = json!(at);
    changed(id, "deleted", at, object)
}

pub fn fetched(mut object: Value, at: i64) -> Value {
    object["fetched_at"] = json!(at);
    object
}
