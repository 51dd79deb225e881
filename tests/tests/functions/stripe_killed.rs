//! The function dies between any two steps, the database goes away in the middle, and the Data API is not there: what
//! Stripe tells again heals it, and nothing is half applied meanwhile.

use creel_local::stripe_stand_in::{Fault, Paid};
use creel_tests::wait::eventually;
use serde_json::{Value, json};

use crate::emulator::Emulator;
use crate::market::{Market, session_of};
use crate::proxy::Rule;
use crate::stage::SOON;
use crate::stripe_paid::{deliveries, settings, start, tell};

/// A checkout that was paid at Stripe, and of which Creel has not heard.
struct Payment {
    market: Market,
    emulator: Emulator,
    paid: Paid,
}

impl Payment {
    async fn new() -> Self {
        let market = Market::new().await;
        let emulator = start("stripe", &settings(&market)).await;
        let answer = market.checkout(&market.wish()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let paid = market.stripe.pay(&session_of(&answer)).expect("pay");
        market.stage.proxy.calls();
        market.stripe.take_calls();
        Self {
            market,
            emulator,
            paid,
        }
    }

    /// The newest event of this kind, signed.
    async fn delivery(&self, kind: &str) -> Value {
        let events = self.market.stripe.events();
        let found = events.into_iter().rev().find(|event| event["type"] == kind);
        let event = found.unwrap_or_else(|| panic!("{kind} was told"));
        deliveries(&[event]).await.remove(0)
    }

    /// The function is told an event, and dies when it has come so far.
    async fn dies_at(&mut self, kind: &str, is_there: impl AsyncFn(&Market) -> bool) {
        let delivery = self.delivery(kind).await.to_string();
        {
            let (market, emulator) = (&self.market, &self.emulator);
            let come = eventually("the function has come so far", SOON, async || {
                is_there(market).await
            });
            tokio::select! {
                answer = emulator.invoke(delivery) => panic!("it answers before it dies: {answer:?}"),
                () = come => {}
            }
        }
        self.emulator.kill_function();
    }

    /// What there is of the payment: the agent, the subscription, the commands, the earnings.
    async fn state(&self) -> Value {
        let sql = "select jsonb_build_object(
            'agent', (select jsonb_agg(a.billing || ' ' || a.desired_state) from agents a),
            'subscriptions', (select jsonb_agg(s.service) from subscriptions s),
            'intents', (select jsonb_agg(i.status) from checkout_intents i),
            'commands', (select jsonb_agg(c.type) from agent_commands c),
            'souls', (select count(*) from brain_docs),
            'told', (select jsonb_agg(v.kind order by v.id) from events v where v.kind like 'billing.%'),
            'earnings', (select jsonb_agg(e.kind || ' ' || e.amount_minor order by e.id) from host_earnings e))";
        self.market.value(sql).await
    }

    /// Nothing of the payment but that Stripe told of it.
    async fn assert_nothing(&self, when: &str) {
        let expected = json!({
            "agent": ["unpaid stopped"], "subscriptions": null, "intents": ["open"], "commands": null, "souls": 0,
            "told": ["billing.reserved"], "earnings": null,
        });
        assert_eq!(self.state().await, expected, "{when}");
    }

    /// All of the payment, once.
    async fn assert_paid(&self, when: &str) {
        let expected = json!({
            "agent": ["paid running"], "subscriptions": ["active"], "intents": ["paid"], "commands": ["deploy"], "souls": 1,
            "told": ["billing.reserved", "billing.paid"], "earnings": ["earning 765"],
        });
        assert_eq!(self.state().await, expected, "{when}");
        let waiting = self
            .market
            .stage
            .count("stripe_events where status = 'waiting'")
            .await;
        assert_eq!(waiting, 0, "{when}");
    }

    /// Stripe tells all of it again, as often as it takes.
    async fn tell_again(&self) {
        let events = self.market.stripe.events();
        let platform = events.into_iter().filter(|event| event["account"].is_null());
        tell(&self.emulator, platform.collect()).await;
    }
}

fn has_called(market: &Market, count: usize) -> bool {
    market.stage.proxy.calls().len() >= count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_dies_before_it_called_changes_nothing() {
    let mut payment = Payment::new().await;
    payment.market.stage.proxy.next(Rule::Hang);
    payment
        .dies_at("checkout.session.completed", async |market| has_called(market, 1))
        .await;
    payment.assert_nothing("the call never came").await;
    assert_eq!(
        payment
            .market
            .stage
            .count("stripe_events where type = 'checkout.session.completed'")
            .await,
        0
    );
    payment.tell_again().await;
    payment.assert_paid("told again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_dies_while_it_fetches_leaves_what_waits() {
    let mut payment = Payment::new().await;
    payment
        .market
        .stripe
        .fail_next_at("/v1/subscriptions", Fault::Hang);
    payment
        .dies_at("checkout.session.completed", async |market| {
            !market.stripe.take_calls().is_empty()
        })
        .await;
    payment
        .assert_nothing("Stripe was asked, and nothing came of it")
        .await;
    let waiting = "stripe_events where status = 'waiting' and type = 'checkout.session.completed'";
    assert_eq!(payment.market.stage.count(waiting).await, 1, "it is visible");
    payment.tell_again().await;
    payment.assert_paid("told again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_dies_between_two_calls_leaves_what_waits() {
    let mut payment = Payment::new().await;
    payment.market.stage.proxy.next(Rule::Pass);
    payment.market.stage.proxy.next(Rule::Hang);
    let mut calls = 0;
    let calls = std::sync::Mutex::new(&mut calls);
    payment
        .dies_at("checkout.session.completed", async |market| {
            let new = market.stage.proxy.calls().len();
            let mut calls = calls.lock().expect("no holder of this lock panics");
            **calls += new;
            **calls >= 2
        })
        .await;
    payment.assert_nothing("the second call never came").await;
    payment.tell_again().await;
    payment.assert_paid("told again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_dies_before_it_answers_did_all_of_it_once() {
    let mut payment = Payment::new().await;
    payment.market.stage.proxy.next(Rule::Pass);
    payment.market.stage.proxy.next(Rule::HangReply);
    payment
        .dies_at("checkout.session.completed", async |market| {
            market
                .stage
                .count("stripe_events where status = 'applied' and type = 'checkout.session.completed'")
                .await
                == 1
        })
        .await;
    let state = payment.state().await;
    assert_eq!(
        state["commands"],
        json!(["deploy"]),
        "all of it is there: {state}"
    );
    assert_eq!(state["souls"], json!(1));
    payment.tell_again().await;
    payment.assert_paid("told again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_dies_before_it_tells_of_a_reversal_makes_one_reversal() {
    for reply in [Rule::Hang, Rule::HangReply] {
        let mut payment = Payment::new().await;
        payment.tell_again().await;
        let charge = payment.market.stripe.objects("charge").remove(0);
        payment
            .market
            .stripe
            .refund(charge["id"].as_str().expect("an id"), 300)
            .expect("give money back");
        // The event is in; then Stripe does it, and the function tells of it.
        payment.market.stage.proxy.next(Rule::Pass);
        payment.market.stage.proxy.next(reply);
        payment
            .dies_at("charge.refunded", async |market| {
                !market.stripe.objects("transfer_reversal").is_empty() && has_called(market, 1)
            })
            .await;
        payment.tell_again().await;
        payment
            .market
            .stage
            .run("update creel.stripe_requests set not_before = '-infinity' where status = 'waiting'")
            .await;
        for _ in 0..2 {
            let ticked = payment.market.post("", "/stripe/clock", &Value::Null).await;
            assert_eq!(ticked.status, 200, "{ticked:?}");
        }
        let reversals = payment.market.stripe.objects("transfer_reversal");
        assert_eq!(reversals.len(), 1, "{reversals:?}");
        assert_eq!(reversals[0]["amount"], json!(255));
        let state = payment.state().await;
        assert_eq!(
            state["earnings"],
            json!(["earning 765", "refund -255"]),
            "{state}"
        );
        let done = payment
            .market
            .stage
            .count("creel.stripe_requests where status = 'done'")
            .await;
        assert_eq!(done, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_api_that_answers_503_is_told_again() {
    let payment = Payment::new().await;
    let body = json!({ "code": "PGRST001", "message": "no connection" }).to_string();
    payment.market.stage.proxy.always(Rule::Answer(503, body));
    let completed = payment.delivery("checkout.session.completed").await;
    let (status, said) = payment.emulator.ask(&completed).await;
    assert_eq!(status, 503, "{said}");
    payment.assert_nothing("the Data API was not there").await;
    // It goes away between the two calls.
    payment.market.stage.proxy.always(Rule::Pass);
    payment.market.stage.proxy.next(Rule::Pass);
    for _ in 0..20 {
        payment
            .market
            .stage
            .proxy
            .next(Rule::Answer(503, "{}".to_owned()));
    }
    let (status, said) = payment.emulator.ask(&completed).await;
    assert_eq!(status, 503, "{said}");
    payment
        .assert_nothing("the Data API went away in the middle")
        .await;
    let away = json!({ "code": "PGRST001", "message": "no connection" }).to_string();
    payment.market.stage.proxy.always(Rule::Answer(503, away));
    payment.market.stage.proxy.always(Rule::Pass);
    payment.tell_again().await;
    payment.assert_paid("told again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_in_the_middle_of_a_call_keeps_nothing_of_it() {
    let payment = Payment::new().await;
    let name = payment.market.stage.db.name().to_owned();
    let superuser = payment
        .market
        .stage
        .db
        .cluster()
        .superuser("postgres")
        .await
        .expect("connect");
    // The row of the agent is somebody's, so that the call waits when it has done the half of it.
    let mut holder = payment.market.stage.db.postgres().await.expect("connect");
    let held = holder.transaction().await.expect("begin");
    held.execute("select from agents for update", &[])
        .await
        .expect("hold the agent");
    let completed = payment.delivery("checkout.session.completed").await;
    let asking = payment.emulator.ask(&completed);
    let cutting = async {
        let waits = "select count(*) from pg_stat_activity
            where datname = $1 and wait_event_type = 'Lock' and query like '%apply_stripe_event%'";
        eventually("the call waits in the middle", SOON, async || {
            let row = superuser.query_one(waits, &[&name]).await.expect("look");
            row.get::<_, i64>(0) > 0
        })
        .await;
        // Nobody gets in any more, and who was in is thrown out.
        let away = format!("alter database {name} with allow_connections false");
        superuser.batch_execute(&away).await.expect("close the database");
        let out = "select pg_terminate_backend(pid) from pg_stat_activity
            where datname = $1 and usename = 'authenticator'";
        superuser.execute(out, &[&name]).await.expect("throw them out");
    };
    let ((status, said), ()) = tokio::join!(asking, cutting);
    assert!(status == 503 || status == 500, "{status} {said}");
    held.rollback().await.expect("let the agent go");
    let back = format!("alter database {name} with allow_connections true");
    superuser.batch_execute(&back).await.expect("open the database");
    payment.assert_nothing("the database was gone").await;
    payment.tell_again().await;
    payment.assert_paid("told again").await;
    assert!(!payment.paid.subscription.is_empty());
}
