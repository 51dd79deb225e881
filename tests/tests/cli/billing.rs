//! What `creel billing` promises: the ledger of a month is held beside what Stripe says, and each difference is found.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use creel_local::stripe_stand_in::StandIn;
use creel_tests::db::TestDb;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{EMAIL, Person, project_api};

/// Agents that are paid for.
const SUBSCRIPTIONS: usize = 24;

const DAY_SECS: i64 = 86_400;

/// What one pays for a month, in minor units, and in which of them: there are no cents of a yen.
const PRICES: [(i64, &str); 4] = [(999, "usd"), (2500, "eur"), (1300, "jpy"), (60, "usd")];

/// A month at Stripe, and what Creel was told of it.
struct Month {
    db: TestDb,
    admin: Client,
    stripe: StandIn,
    person: Person,
    subscriptions: Vec<String>,
    begin: i64,
    told: usize,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Month {
    async fn new() -> Result<Self> {
        let (db, rest) = project_api().await?;
        let (admin, stripe) = (db.superuser().await?, StandIn::start().await?);
        let begin = jiff::Timestamp::now().as_second() - 28 * DAY_SECS;
        stripe.set_clock(begin + 60);
        let mut month = Self {
            person: Person::at(&rest)?,
            db,
            admin,
            stripe,
            subscriptions: Vec::new(),
            begin,
            told: 0,
        };
        let mut accounts = Vec::new();
        for number in 0..3 {
            let account = month.stripe.post("/v1/accounts", &json!({ "type": "express" }))?;
            let account = text(&account["id"]);
            month.stripe.onboard(&account)?;
            let owner = month.db.user(&format!("owner{number}@example.com")).await?;
            let sql = "insert into stripe_accounts (owner_id, account_id, transfers_active, as_of) values ($1, $2, true, now())";
            month.admin.execute(sql, &[&owner.id, &account]).await?;
            accounts.push(account);
        }
        for number in 0..SUBSCRIPTIONS {
            month
                .subscribe(&accounts[number % accounts.len()], PRICES[number % PRICES.len()])
                .await?;
            month.stripe.advance(DAY_SECS / 4);
        }
        month.tell().await?;
        Ok(month)
    }

    async fn subscribe(&mut self, account: &str, (amount, currency): (i64, &str)) -> Result<()> {
        let intent = Uuid::new_v4().to_string();
        let form = json!({
            "mode": "subscription", "success_url": "https://app.example.com/", "client_reference_id": intent,
            "metadata": { "creel_intent": intent },
            "line_items": [{ "quantity": "1", "price_data": {
                "currency": currency, "unit_amount": amount.to_string(), "recurring": { "interval": "month" },
                "product_data": { "name": "Agent" } } }],
            "subscription_data": {
                "application_fee_percent": "15.00", "metadata": { "creel_intent": intent },
                "transfer_data": { "destination": account } },
        });
        let session = self.stripe.post("/v1/checkout/sessions", &form)?;
        let paid = self.stripe.pay(&text(&session["id"]))?;
        let sql =
            "insert into subscriptions (id, agent_key, plan, amount_minor, currency, status, service, as_of)
            values ($1, 'agent:scout:main', 'month', $2, $3, 'active', 'active', now())";
        self.admin
            .execute(sql, &[&paid.subscription, &amount, &currency])
            .await?;
        self.subscriptions.push(paid.subscription);
        Ok(())
    }

    /// Brings in what Stripe has told since, and does what is asked because of it.
    async fn tell(&mut self) -> Result<()> {
        let events = self.stripe.events();
        for event in &events[self.told..] {
            let kind = text(&event["type"]);
            if kind == "invoice.paid" || kind.starts_with("charge.") {
                self.apply(event).await?;
            }
        }
        self.told = events.len();
        loop {
            // What was leased with the answer to an event is due again.
            self.admin
                .batch_execute(
                    "update creel.stripe_requests set not_before = '-infinity' where status = 'waiting'",
                )
                .await?;
            // Only the function's role is given them by the door.
            let due = self.admin.query_one("select creel.due_stripe_requests()", &[]);
            let due: Value = due.await?.get(0);
            let requests = due.as_array().cloned().unwrap_or_default();
            if requests.is_empty() {
                return Ok(());
            }
            let mut done = Vec::new();
            for request in &requests {
                let object = self.perform(request)?;
                done.push(json!({
                    "request_id": request["request_id"], "ok": true, "stripe_id": object["id"], "object": object,
                }));
            }
            let said = json!({ "api": 1, "endpoint": "clock", "done": done });
            self.admin
                .query_one("select public.apply_stripe_event($1)", &[&said])
                .await?;
        }
    }

    async fn apply(&self, event: &Value) -> Result<()> {
        let mut current = Map::new();
        for _ in 0..5 {
            let said = json!({ "api": 1, "endpoint": "platform", "event": event, "current": current });
            let row = self
                .admin
                .query_one("select public.apply_stripe_event($1)", &[&said])
                .await?;
            let answer: Value = row.get(0);
            if answer["outcome"] != "fetch" {
                ensure!(answer["outcome"] != "waiting", "{event}: {answer}");
                return Ok(());
            }
            for wish in answer["fetch"].as_array().into_iter().flatten() {
                let id = text(&wish["id"]);
                let mut object = self
                    .stripe
                    .read(&id, &wish["expand"])
                    .context("it is at Stripe")?;
                object["fetched_at"] = self.stripe.now_secs().into();
                current.insert(id, object);
            }
        }
        anyhow::bail!("it asks for more and more: {event}")
    }

    /// What the function does with a request.
    fn perform(&self, request: &Value) -> Result<Value> {
        let number = |value: &Value| value.as_i64().unwrap_or_default();
        let mut form = request["form"].clone();
        if let Some(transfer) = request["read_first"].as_str() {
            let id = transfer.trim_start_matches("/v1/transfers/");
            let known = self
                .stripe
                .read(id, &request["read_expand"])
                .context("the transfer is there")?;
            let fee = number(&known["source_transaction"]["application_fee"]["amount_refunded"]);
            let left = number(&known["amount"]) - number(&known["amount_reversed"]);
            let rest = (number(&form["amount"]) - (number(&known["amount_reversed"]) - fee)).min(left);
            if rest <= 0 {
                return Ok(known);
            }
            form["amount"] = rest.into();
        }
        form["amount"] = form["amount"].to_string().into();
        self.stripe
            .post(request["path"].as_str().unwrap_or_default(), &form)
    }

    /// Some are refunded, by the one way or the other, some disputed, and some of these won.
    async fn live(&mut self) -> Result<()> {
        let charges = self.stripe.objects("charge");
        for (number, charge) in charges.iter().enumerate() {
            let (id, amount) = (text(&charge["id"]), charge["amount"].as_i64().unwrap_or_default());
            self.stripe.advance(600);
            match number % 6 {
                0 => drop(self.stripe.refund(&id, (amount / 3).max(1))?),
                1 => {
                    let form = json!({
                        "charge": id, "amount": (amount / 2).max(1).to_string(), "reverse_transfer": "true",
                        "refund_application_fee": "true",
                    });
                    self.stripe.post("/v1/refunds", &form)?;
                }
                2 => {
                    let dispute = self.stripe.dispute(&id)?;
                    self.tell().await?;
                    self.stripe.close_dispute(&dispute, number % 4 == 0)?;
                }
                _ => {}
            }
        }
        self.tell().await
    }

    fn creel(&self, args: &[&str]) -> Result<(i32, Value)> {
        let output = self
            .person
            .command(&[args, &["--json"]].concat())?
            .env("DATABASE_URL", self.db.postgres_url())
            .env("STRIPE_API_KEY", self.stripe.api_key().expose())
            .env("STRIPE_API_URL", self.stripe.url())
            .output()?;
        let printed = String::from_utf8(output.stdout)?;
        let value = serde_json::from_str(&printed).with_context(|| {
            format!(
                "{args:?} printed {printed:?} and {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        Ok((output.status.code().context("it was killed")?, value))
    }

    /// What differs: kind and object of each.
    fn differences(&self) -> Result<BTreeSet<(String, String)>> {
        let from = jiff::Timestamp::from_second(self.begin)?.to_string();
        let (code, told) = self.creel(&["billing", "reconcile", "--from", &from])?;
        let found: Vec<(String, String)> = told["differences"]
            .as_array()
            .with_context(|| format!("a list: {told}"))?
            .iter()
            .map(|one| (text(&one["kind"]), text(&one["object"])))
            .collect();
        ensure!(code == i32::from(!found.is_empty()), "{code}: {told}");
        ensure!(told["ok"] == json!(found.is_empty()), "{told}");
        let set: BTreeSet<_> = found.iter().cloned().collect();
        ensure!(set.len() == found.len(), "each once: {found:?}");
        Ok(set)
    }

    /// Changes the ledger as nobody can.
    async fn forge(&self, sql: &str) -> Result<()> {
        self.admin
            .batch_execute(&format!(
                "set session_replication_role = replica; {sql}; set session_replication_role = origin"
            ))
            .await
            .with_context(|| sql.to_owned())
    }

    /// Transfers of earnings, in their order.
    async fn transfers(&self) -> Result<Vec<String>> {
        let sql =
            "select transfer_id from host_earnings where kind = 'earning' and gross_minor > 100 order by id";
        let rows = self.admin.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_with_each_kind_of_difference_is_told_exactly() -> Result<()> {
    let mut month = Month::new().await?;
    month.live().await?;
    let none = month.differences()?;
    ensure!(none.is_empty(), "the month is whole: {none:?}");
    let counted = "select count(*) filter (where kind = 'refund'), count(*) filter (where kind = 'dispute'),
        count(*) filter (where kind = 'dispute_won') from host_earnings";
    let row = month.admin.query_one(counted, &[]).await?;
    let counts: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    ensure!(
        counts.iter().all(|count| *count > 1),
        "it was a lively month: {counts:?}"
    );

    let of = month.transfers().await?;
    let mut expected = BTreeSet::new();
    let mut expect = |kind: &str, object: &str| {
        expected.insert((kind.to_owned(), object.to_owned()));
    };
    let row_of = |transfer: &str| {
        format!("(select id from host_earnings where kind = 'earning' and transfer_id = '{transfer}')")
    };

    month
        .forge(&format!(
            "with gone as (select id from host_earnings where kind = 'earning' and transfer_id = '{0}'),
               requests as (delete from creel.stripe_requests r using gone g where r.earning_id = g.id),
               transfers as (delete from creel.earning_transfers t using gone g where t.earning_id = g.id),
               facts as (delete from creel.earning_facts f using gone g where f.earning_id = g.id)
             delete from host_earnings e using gone g where g.id in (e.id, e.corrects)",
            of[3]
        ))
        .await?;
    expect("missing_in_ledger", &of[3]);
    month
        .forge(&format!(
            "insert into host_earnings (owner_id, subscription_id, kind, amount_minor, currency, gross_minor, fee_minor,
               invoice_id, transfer_id, destination, period_start, period_end, source, paid_at)
             select owner_id, subscription_id, kind, amount_minor, currency, gross_minor, fee_minor, 'in_forged',
               'tr_forged', destination, period_start, period_end, source, paid_at
             from host_earnings where id = {}",
            row_of(&of[4])
        ))
        .await?;
    expect("missing_in_stripe", "tr_forged");
    for (at, kind, change) in [
        (
            5,
            "amount",
            "gross_minor = gross_minor + 1, amount_minor = amount_minor + 1",
        ),
        (
            9,
            "amount",
            "fee_minor = fee_minor - 1, amount_minor = amount_minor + 1",
        ),
        (10, "currency", "currency = 'chf'"),
        (11, "destination", "destination = 'acct_of_somebody'"),
    ] {
        month
            .forge(&format!(
                "update host_earnings set {change} where id = {}",
                row_of(&of[at])
            ))
            .await?;
        expect(kind, &of[at]);
    }
    month
        .forge(&format!(
            "insert into host_earnings (owner_id, subscription_id, kind, amount_minor, currency, gross_minor, fee_minor,
               period_start, period_end, source, corrects, paid_at)
             select owner_id, subscription_id, 'outage', -7, currency, 0, 0, period_start, period_end, 'sweep', id, paid_at
             from host_earnings where id = {}",
            row_of(&of[12])
        ))
        .await?;
    expect("reversal_missing", &of[12]);
    let by_hand = format!("/v1/transfers/{}/reversals", of[15]);
    month.stripe.post(&by_hand, &json!({ "amount": "13" }))?;
    expect("reversal_excess", &of[15]);
    let behind = &month.subscriptions[7];
    month
        .stripe
        .set_status(behind, "past_due", "customer.subscription.updated")?;
    expect("subscription_status", behind);
    let lost = month.stripe.renew(&month.subscriptions[8])?;
    expect("event_missing", &lost);

    let found = month.differences()?;
    ensure!(
        found == expected,
        "found {found:#?}, and these were made: {expected:#?}"
    );

    // What never arrived is brought in by its invoice, and there is one difference less.
    let (code, told) = month.creel(&["billing", "replay", &lost])?;
    ensure!(
        code == 0 && told["event"]["outcome"] == "applied",
        "{code}: {told}"
    );
    expected.remove(&("event_missing".to_owned(), lost.clone()));
    let found = month.differences()?;
    ensure!(found == expected, "{found:#?}");
    let (code, told) = month.creel(&["billing", "replay", &lost])?;
    ensure!(
        code == 0 && told["event"]["outcome"] == "repeated",
        "{code}: {told}"
    );
    let (code, told) = month.creel(&["billing", "replay", "evt_nobody"])?;
    ensure!(code == 4, "{code}: {told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_and_its_pages_are_read_to_the_end_or_not_believed() -> Result<()> {
    let month = Month::new().await?;
    ensure!(month.differences()?.is_empty());
    // Over a hundred objects are more than a page.
    for number in 0..120 {
        let form = json!({ "email": format!("{number}@example.com") });
        month.stripe.post("/v1/customers", &form)?;
        let account = text(&month.stripe.objects("account")[0]["id"]);
        let form = json!({ "amount": "5", "currency": "usd", "destination": account });
        month.stripe.post("/v1/transfers", &form)?;
    }
    let found = month.differences()?;
    ensure!(
        found.len() == 120 && found.iter().all(|(kind, _)| kind == "missing_in_ledger"),
        "{}",
        found.len()
    );
    let output = month
        .person
        .command(&["billing", "reconcile", "--json"])?
        .env("DATABASE_URL", month.db.postgres_url())
        .env("STRIPE_API_KEY", "rk_test_wrong")
        .env("STRIPE_API_URL", month.stripe.url())
        .output()?;
    ensure!(output.status.code() == Some(5), "{output:?}");
    let printed = String::from_utf8(output.stdout)?;
    ensure!(!printed.contains("rk_test_wrong"), "{printed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_makes_keys_and_sees_what_waits() -> Result<()> {
    let (db, rest) = project_api().await?;
    let person = Person::at(&rest)?;
    let creel = |args: &[&str]| -> Result<(i32, Value)> {
        let output = person
            .command(&[args, &["--json"]].concat())?
            .env("DATABASE_URL", db.postgres_url())
            .output()?;
        let value =
            serde_json::from_slice(&output.stdout).with_context(|| format!("{args:?}: {output:?}"))?;
        Ok((output.status.code().context("it was killed")?, value))
    };
    let (code, made) = creel(&["key", "create", "stripe", "--label", "lambda", "--days", "90"])?;
    ensure!(code == 0, "{made}");
    let key = text(&made["key"]);
    ensure!(key.starts_with("creel_stripe_") && key.len() > 60, "{key}");
    let call = async |function: &str, header: &str, key: &str| -> Result<u16> {
        let answer = creel_local::gateway::http::client()?
            .post(format!("{}/rest/v1/rpc/{function}", rest.url()))
            .header("apikey", rest.publishable_key())
            .header(header, key)
            .json(&json!({ "api": 1, "endpoint": "clock" }))
            .send()
            .await?;
        Ok(answer.status().as_u16())
    };
    let stripe = ("apply_stripe_event", "x-creel-stripe-key");
    ensure!(call(stripe.0, stripe.1, &key).await? == 200, "it opens the door");
    ensure!(call(stripe.0, stripe.1, "creel_stripe_other").await? == 401);
    let (_, listed) = creel(&["key", "list"])?;
    let row = &listed["keys"][0];
    ensure!(
        row["label"] == "lambda" && row["state"] == "good" && row["opens"] == "stripe",
        "{listed}"
    );
    let (code, notifiers) = creel(&["key", "create", "notifications"])?;
    let notifiers = text(&notifiers["key"]);
    ensure!(code == 0 && notifiers.starts_with("creel_notifier_"), "{code}");
    let notifier = ("claim_notifications", "x-creel-notifier-key");
    ensure!(call(notifier.0, notifier.1, &notifiers).await? == 200);
    ensure!(call(notifier.0, notifier.1, &key).await? == 401);
    let (code, _) = creel(&["key", "create", "hosts"])?;
    ensure!(code == 2, "there is no such key");
    ensure!(!listed.to_string().contains(&key), "never the key itself");
    let id = text(&made["id"]);
    ensure!(creel(&["key", "revoke", &id])?.0 == 0);
    ensure!(creel(&["key", "revoke", &id])?.0 == 4);
    ensure!(call(stripe.0, stripe.1, &key).await? == 401, "at once");
    ensure!(
        call(notifier.0, notifier.1, &notifiers).await? == 200,
        "the other one stays"
    );

    let admin = db.superuser().await?;
    let event = json!({
        "id": "evt_early", "type": "charge.refunded", "created": 1_790_812_800, "data": { "object": {
            "id": "ch_1", "object": "charge", "amount_refunded": 5, "transfer_data": { "destination": "acct_1" } } },
    });
    let owner = db.user(EMAIL).await;
    let owner = match owner {
        Ok(owner) => owner.id,
        Err(_) => admin
            .query_one("select id from auth.users limit 1", &[])
            .await?
            .get(0),
    };
    admin
        .execute(
            "insert into stripe_accounts (owner_id, account_id, as_of) values ($1, 'acct_1', now())",
            &[&owner],
        )
        .await?;
    let said = json!({ "api": 1, "endpoint": "platform", "event": event });
    admin
        .query_one("select public.apply_stripe_event($1)", &[&said])
        .await?;
    let (_, waiting) = creel(&["billing", "events", "--waiting"])?;
    ensure!(
        waiting["events"][0]["id"] == "evt_early" && text(&waiting["events"][0]["note"]).contains("ch_1"),
        "{waiting}"
    );
    let (code, told) = creel(&["billing", "replay", "evt_early"])?;
    ensure!(
        code == 1 && told["error"]["code"] == "waiting" && told["event"]["outcome"] == "waiting",
        "{code}: {told}"
    );
    let (_, requests) = creel(&["billing", "requests"])?;
    ensure!(requests["requests"] == json!([]), "{requests}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_sees_what_his_hosts_earned() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    let none = ann.gets(&["host", "earnings"])?;
    ensure!(none["months"] == json!([]), "{none}");
    let admin = db.superuser().await?;
    let owner: Uuid = admin
        .query_one("select id from auth.users where email = $1", &[&EMAIL])
        .await?
        .get(0);
    let earn = "insert into host_earnings (host_id, owner_id, subscription_id, kind, amount_minor, currency, gross_minor,
          fee_minor, invoice_id, corrects, period_start, period_end, source, paid_at, created_at)
        values ('00000000-0000-4000-8000-000000000001', $1, 'sub_1', $2, $3, 'jpy', $4, $5, $6, $7, now(), now(), 'evt', now(),
          '2026-10-05')
        returning id";
    let earned: i64 = admin
        .query_one(
            earn,
            &[
                &owner,
                &"earning",
                &1105_i64,
                &1300_i64,
                &195_i64,
                &"in_1",
                &None::<i64>,
            ],
        )
        .await?
        .get(0);
    let none = None::<String>;
    admin
        .query_one(
            earn,
            &[&owner, &"outage", &-5_i64, &0_i64, &0_i64, &none, &Some(earned)],
        )
        .await?;
    let months = ann.gets(&["host", "earnings"])?;
    let month = &months["months"][0];
    ensure!(
        month["month"] == "2026-10"
            && month["net_minor"] == 1100
            && month["currency"] == "jpy"
            && month["unit"] == "minor",
        "{months}"
    );
    let rows = ann.gets(&["host", "earnings", "--rows", "--month", "2026-10"])?;
    ensure!(rows["rows"].as_array().map(Vec::len) == Some(2), "{rows}");
    let rows = ann.gets(&["host", "earnings", "--rows", "--month", "2026-09"])?;
    ensure!(rows["rows"] == json!([]), "{rows}");
    Ok(())
}
