//! A paid agent on somebody's host, and what Stripe tells of its money.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::station::Station;

pub const KEY: &str = "agent:scout:main";
pub const ACCOUNT: &str = "acct_host";

/// 2026-10-01 and -11-01, as Stripe tells the time.
pub const OCTOBER: i64 = 1_790_812_800;
pub const NOVEMBER: i64 = 1_793_491_200;

/// A station whose host's owner earns.
pub struct Till {
    pub s: Station,
    pub subscription: String,
}

impl Till {
    pub async fn new() -> Self {
        let s = Station::with(&[KEY]).await;
        let owner = s.f.owner;
        s.f.admin
            .execute("update hosts set owner_id = $1", &[&owner])
            .await
            .expect("give the host an owner");
        s.f.admin
            .execute(
                "insert into stripe_accounts (owner_id, account_id, transfers_active, as_of) values ($1, $2, true, now())",
                &[&owner, &ACCOUNT],
            )
            .await
            .expect("connect an account");
        let till = Self {
            s,
            subscription: "sub_1".to_owned(),
        };
        till.subscribe("sub_1").await;
        till.exec("update agents set billing = 'paid'").await;
        till
    }

    /// A subscription of the agent.
    pub async fn subscribe(&self, id: &str) {
        let agent = self.s.agent_id(KEY).await;
        self.s
            .f
            .admin
            .execute(
                "insert into subscriptions (id, project_id, agent_id, agent_key, host_id, plan, amount_minor, currency,
                   status, service, as_of)
                 values ($1, 'p1', $2, $3, $4, 'month', 1000, 'usd', 'active', 'active', now())",
                &[&id, &agent, &KEY, &self.s.host.host],
            )
            .await
            .expect("subscribe");
    }

    pub async fn exec(&self, sql: &str) {
        self.s.f.admin.batch_execute(sql).await.expect("execute");
    }

    pub async fn json(&self, sql: &str) -> Value {
        self.s.f.admin.query_one(sql, &[]).await.expect("read").get(0)
    }

    pub async fn number(&self, sql: &str) -> i64 {
        self.s.f.admin.query_one(sql, &[]).await.expect("read").get(0)
    }

    pub async fn rows(&self, sql: &str) -> Value {
        self.json(&format!(
            "select coalesce(jsonb_agg(to_jsonb(x)), '[]') from ({sql}) x"
        ))
        .await
    }

    /// Calls what an invoice.paid leads to.
    pub async fn earn(&self, invoice: &Value, current: &Value) -> Value {
        let event = json!({ "id": format!("evt_{}", invoice["id"].as_str().unwrap_or("x")), "created": OCTOBER + 60 });
        let row = self
            .s
            .f
            .admin
            .query_one(
                "select creel.earn_invoice($1, $2, s, $3) from subscriptions s where s.id = $4",
                &[&event, invoice, current, &self.subscription],
            )
            .await
            .expect("earn");
        row.get::<_, Option<Value>>(0).unwrap_or(Value::Null)
    }

    /// Earns of a charge of so much, of which 15 % are the platform's; answers the id of the earning.
    pub async fn earned(&self, number: usize, gross: i64) -> i64 {
        let verdict = self
            .earn(
                &invoice(number, gross),
                &json!({ format!("ch_{number}"): charge(number, gross) }),
            )
            .await;
        verdict["led_to"]["earning"]
            .as_i64()
            .unwrap_or_else(|| panic!("an earning: {verdict}"))
    }

    /// Calls what a refund or dispute leads to.
    pub async fn correct(&self, id: &str, object: &Value, current: &Value) -> Value {
        // The number of an event says when it was.
        let number = id
            .rsplit('_')
            .next()
            .and_then(|number| number.parse::<i64>().ok());
        self.correct_at(OCTOBER + 600 + number.unwrap_or_default(), id, object, current)
            .await
    }

    /// The same, told of at this second.
    pub async fn correct_at(&self, at: i64, id: &str, object: &Value, current: &Value) -> Value {
        let event = json!({ "id": id, "created": at });
        let row = self
            .s
            .f
            .admin
            .query_one(
                "select creel.correct_charge($1, $2, $3)",
                &[&event, object, current],
            )
            .await
            .expect("correct");
        row.get::<_, Option<Value>>(0).unwrap_or(Value::Null)
    }

    /// What Stripe is asked to do now.
    pub async fn due(&self) -> Vec<Value> {
        let due = self.json("select creel.due_stripe_requests()").await;
        due.as_array().expect("a list").clone()
    }

    pub async fn settle(&self, done: Value) {
        self.s
            .f
            .admin
            .execute("select creel.settle_stripe_requests($1)", &[&json!([done])])
            .await
            .expect("settle");
    }

    /// The ledger's sum of an earning and its corrections.
    pub async fn net(&self, earning: i64) -> i64 {
        self.number(&format!(
            "select sum(amount_minor)::bigint from host_earnings where id = {earning} or corrects = {earning}"
        ))
        .await
    }

    pub fn host(&self) -> Uuid {
        self.s.host.host
    }
}

/// An invoice as older versions of the API have it.
pub fn invoice(number: usize, gross: i64) -> Value {
    json!({
        "id": format!("in_{number}"), "object": "invoice", "amount_paid": gross, "currency": "usd", "created": OCTOBER,
        "charge": format!("ch_{number}"), "subscription": "sub_1",
        "status_transitions": { "paid_at": OCTOBER + 30 },
        "lines": { "data": [{ "period": { "start": OCTOBER, "end": NOVEMBER } }] },
    })
}

pub fn charge(number: usize, gross: i64) -> Value {
    json!({
        "id": format!("ch_{number}"), "object": "charge", "amount": gross, "amount_captured": gross, "currency": "usd",
        "amount_refunded": 0, "application_fee_amount": gross * 15 / 100, "payment_intent": format!("pi_{number}"),
        "transfer": format!("tr_{number}"), "transfer_data": { "destination": ACCOUNT },
    })
}

pub fn refunded(number: usize, gross: i64, amount: i64) -> Value {
    let mut charge = charge(number, gross);
    charge["amount_refunded"] = amount.into();
    charge
}

pub fn dispute(id: &str, number: usize, amount: i64, status: &str) -> Value {
    json!({
        "id": id, "object": "dispute", "charge": format!("ch_{number}"), "amount": amount, "currency": "usd",
        "status": status,
    })
}
