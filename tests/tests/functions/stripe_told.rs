//! What Stripe tells gets in once, whatever fails on the way; and what is due at Stripe is done once.

use creel_local::stripe_stand_in::Fault;
use serde_json::{Value, json};

use crate::market::{Market, PRICE, session_of};
use crate::proxy::Rule;
use crate::signer::sign_one;
use crate::stage::{SCOUT, send};

/// An agent that is paid for, and everything that Stripe told of it is in.
async fn paid(market: &Market) -> creel_local::stripe_stand_in::Paid {
    let answer = market.checkout(&market.wish()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let paid = market.stripe.pay(&session_of(&answer)).expect("pay");
    market.deliver_well().await;
    paid
}

fn charge(market: &Market) -> String {
    let charges = market.stripe.objects("charge");
    charges.last().expect("a charge")["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

#[tokio::test]
async fn a_subscriptions_life_is_told_and_kept() {
    let market = Market::new().await;
    let paid = paid(&market).await;
    market.stripe.renew(&paid.subscription).expect("renew");
    market.deliver_well().await;
    assert_eq!(
        market.stage.count("host_earnings where kind = 'earning'").await,
        2
    );
    market.stripe.fail_renewal(&paid.subscription).expect("fail");
    market.deliver_well().await;
    assert_eq!(
        market.value("select to_jsonb(service) from subscriptions").await,
        json!("grace")
    );
    market.stripe.recover(&paid.subscription).expect("recover");
    market.deliver_well().await;
    assert_eq!(
        market.value("select to_jsonb(service) from subscriptions").await,
        json!("active")
    );
    market.stripe.cancel(&paid.subscription).expect("cancel");
    market.deliver_well().await;
    assert_eq!(
        market.value("select to_jsonb(service) from subscriptions").await,
        json!("ended")
    );
    assert_eq!(
        market.value("select to_jsonb(billing) from agents").await,
        json!("unpaid")
    );
    assert_eq!(
        market.stage.count("stripe_events where status = 'waiting'").await,
        0
    );
    assert_eq!(
        market.stage.count("host_earnings where kind = 'earning'").await,
        3
    );
}

#[tokio::test]
async fn a_database_that_is_away_is_told_again() {
    let market = Market::new().await;
    let answer = market.checkout(&market.wish()).await;
    market.stripe.pay(&session_of(&answer)).expect("pay");
    let broken = json!({ "code": "PGRST000", "message": "select 1 from public.agents" }).to_string();
    for rule in [
        Rule::Answer(503, broken),
        Rule::Answer(502, "<html>".to_owned()),
        Rule::LoseReply,
    ] {
        market.stage.proxy.always(rule);
        for delivered in market.deliver().await {
            assert_eq!(delivered.status, 503, "{delivered:?}");
            assert!(!delivered.body.to_string().contains("public."), "{delivered:?}");
        }
    }
    market.stage.proxy.always(Rule::Pass);
    market.deliver_well().await;
    assert_eq!(
        market.stage.count("agent_commands where type = 'deploy'").await,
        1
    );
    assert_eq!(
        market.value("select to_jsonb(billing) from agents").await,
        json!("paid")
    );
}

#[tokio::test]
async fn a_stripe_that_is_away_keeps_what_needs_it_waiting() {
    let market = Market::new().await;
    let answer = market.checkout(&market.wish()).await;
    market.stripe.pay(&session_of(&answer)).expect("pay");
    market.stripe.fail_always(Some(Fault::Answer(401)));
    let delivered = market.deliver().await;
    let failed: Vec<&str> = delivered
        .iter()
        .filter(|one| one.status == 500)
        .map(|one| one.kind.as_str())
        .collect();
    assert!(failed.contains(&"checkout.session.completed"), "{delivered:?}");
    assert!(
        market.stage.count("stripe_events where status = 'waiting'").await > 0,
        "they are visible"
    );
    market.stripe.fail_always(None);
    market.deliver_well().await;
    assert_eq!(
        market.stage.count("stripe_events where status = 'waiting'").await,
        0
    );
    assert_eq!(
        market.stage.count("agent_commands where type = 'deploy'").await,
        1
    );
}

#[tokio::test]
async fn what_is_refunded_comes_back_from_the_host_once() {
    let market = Market::new().await;
    let paid = paid(&market).await;
    let account = market.account().await.expect("an account");
    let earned = PRICE - PRICE * 15 / 100;
    assert_eq!(market.stripe.balance(&account), earned);
    // The reversal is made, and nobody hears of it; then the clock comes again.
    market.stripe.refund(&charge(&market), PRICE).expect("refund");
    for _ in 0..5 {
        market.stripe.fail_next_at("/v1/transfers", Fault::LoseReply);
    }
    market.deliver_well().await;
    for _ in 0..3 {
        market
            .stage
            .run("update creel.stripe_requests set not_before = now() where status = 'waiting'")
            .await;
        let ticked = market.post("", "/stripe/clock", &Value::Null).await;
        assert_eq!(ticked.status, 200, "{ticked:?}");
    }
    assert_eq!(market.stripe.balance(&account), 0);
    let reversals = market.stripe.objects("transfer_reversal");
    assert_eq!(reversals.len(), 1, "{reversals:?}");
    assert_eq!(reversals[0]["amount"], json!(earned));
    assert_eq!(
        market
            .stage
            .count("creel.stripe_requests where status = 'waiting'")
            .await,
        0
    );
    let sum = market
        .value("select to_jsonb(sum(amount_minor)) from host_earnings")
        .await;
    assert_eq!(sum, json!(0), "{}", paid.subscription);
}

#[tokio::test]
async fn an_account_that_is_empty_is_asked_again_until_it_is_not() {
    let market = Market::new().await;
    paid(&market).await;
    let account = market.account().await.expect("an account");
    market.stripe.empty_balance(&account);
    market.stripe.refund(&charge(&market), PRICE).expect("refund");
    market.deliver_well().await;
    let error = market
        .value("select to_jsonb(error) from creel.stripe_requests")
        .await;
    assert!(
        error
            .as_str()
            .is_some_and(|error| error.contains("balance_insufficient")),
        "{error}"
    );
    assert_eq!(
        market
            .stage
            .count("creel.stripe_requests where status = 'waiting'")
            .await,
        1
    );
    // The next month's money is there, though Stripe remembers for a day what it said.
    let subscription = market.stripe.objects("subscription").remove(0);
    market
        .stripe
        .renew(subscription["id"].as_str().expect("an id"))
        .expect("renew");
    market.deliver_well().await;
    market
        .stage
        .run("update creel.stripe_requests set not_before = now() where status = 'waiting'")
        .await;
    let ticked = market.post("", "/stripe/clock", &Value::Null).await;
    assert_eq!(ticked.status, 200, "{ticked:?}");
    assert_eq!(
        market
            .stage
            .count("creel.stripe_requests where status = 'done'")
            .await,
        1
    );
    assert_eq!(market.stripe.objects("transfer_reversal").len(), 1);
    assert_eq!(market.stripe.balance(&account), 0);
}

#[tokio::test]
async fn a_key_that_is_revoked_opens_nothing_and_is_named() {
    let market = Market::new().await;
    let answer = market.checkout(&market.wish()).await;
    market.stripe.pay(&session_of(&answer)).expect("pay");
    market
        .stage
        .run("update creel.function_keys set revoked_at = now()")
        .await;
    for delivered in market.deliver().await {
        assert_eq!(delivered.status, 500);
        assert_eq!(delivered.body["error"]["code"], json!("misconfigured"));
        assert!(!delivered.body.to_string().contains(market.key.expose()));
    }
    assert_eq!(
        market.value("select to_jsonb(billing) from agents").await,
        json!("unpaid"),
        "{SCOUT}"
    );
}

#[tokio::test]
async fn what_does_not_fit_waits_and_is_seen_at_stripe_and_here() {
    let market = Market::new().await;
    let answer = market.checkout(&market.wish()).await;
    market.stripe.pay(&session_of(&answer)).expect("pay");
    let is_completed = |event: &Value| event["type"] == json!("checkout.session.completed");
    let mut odd = market
        .stripe
        .events()
        .into_iter()
        .find(is_completed)
        .expect("an event");
    odd["id"] = json!("evt_of_less_money");
    odd["data"]["object"]["amount_total"] = json!(PRICE - 1);
    let body = odd.to_string();
    for deliveries in 1..=2 {
        let request = creel_local::gateway::http::client().expect("a client");
        let request = request
            .post(format!("{}/stripe/events", market.url))
            .body(body.clone());
        let answer = send(request.header("stripe-signature", sign_one(&body).await)).await;
        assert_eq!(answer.refused(), (500, "waiting"));
        let kept = market
            .value("select to_jsonb(e) from stripe_events e where id = 'evt_of_less_money'")
            .await;
        assert_eq!(
            (&kept["status"], &kept["deliveries"]),
            (&json!("waiting"), &json!(deliveries))
        );
    }
    assert_eq!(
        market.value("select to_jsonb(billing) from agents").await,
        json!("unpaid")
    );
    market.deliver_well().await;
    assert_eq!(
        market.value("select to_jsonb(billing) from agents").await,
        json!("paid")
    );
}

/// What is due now, and not only after a pause.
async fn tick(market: &Market) {
    market
        .stage
        .run("update creel.stripe_requests set not_before = now() where status = 'waiting'")
        .await;
    let ticked = market.post("", "/stripe/clock", &Value::Null).await;
    assert_eq!(ticked.status, 200, "{ticked:?}");
}

/// A dispute took the money back from the host, and is won.
async fn won(market: &Market) {
    paid(market).await;
    let dispute = market.stripe.dispute(&charge(market)).expect("dispute");
    market.deliver_well().await;
    assert_eq!(market.stripe.objects("transfer_reversal").len(), 1);
    market.stripe.close_dispute(&dispute, true).expect("win");
}

const OPEN: &str = "creel.stripe_requests where status = 'waiting'";

#[tokio::test]
async fn what_is_given_back_is_sent_once_though_stripe_forgets_that_it_was_asked() {
    let market = Market::new().await;
    won(&market).await;
    for _ in 0..5 {
        market.stripe.fail_next_at("POST /v1/transfers", Fault::LoseReply);
    }
    market.deliver_well().await;
    assert_eq!(market.stage.count(OPEN).await, 1, "nobody heard of it");
    assert_eq!(market.stripe.objects("transfer").len(), 2);
    market.stripe.advance(25 * 60 * 60);
    tick(&market).await;
    assert_eq!(market.stage.count(OPEN).await, 0);
    assert_eq!(market.stripe.objects("transfer").len(), 2);
    let account = market.account().await.expect("an account");
    let owed = market
        .value("select to_jsonb(sum(amount_minor)) from host_earnings")
        .await;
    assert_eq!(json!(market.stripe.balance(&account)), owed);
}

#[tokio::test]
async fn a_fault_of_stripes_is_not_gone_round_by_another_key() {
    let market = Market::new().await;
    won(&market).await;
    market
        .stripe
        .fail_next_at("POST /v1/transfers", Fault::Answer(500));
    market.deliver_well().await;
    let keys = "select to_jsonb(refusals) from creel.stripe_requests where status = 'waiting'";
    for _ in 0..2 {
        tick(&market).await;
        assert_eq!(market.value(keys).await, json!(0), "nobody knows how far it came");
        assert_eq!(market.stripe.objects("transfer").len(), 1);
    }
    market.stripe.advance(25 * 60 * 60);
    tick(&market).await;
    assert_eq!(
        (
            market.stage.count(OPEN).await,
            market.stripe.objects("transfer").len()
        ),
        (0, 2)
    );
}

#[tokio::test]
async fn what_stripe_did_is_told_though_something_else_hangs() {
    let market = Market::new().await;
    paid(&market).await;
    let account = market.account().await.expect("an account");
    market.stripe.empty_balance(&account);
    market.stripe.refund(&charge(&market), PRICE).expect("refund");
    market.deliver_well().await;
    assert_eq!(market.stage.count(OPEN).await, 1, "the account is empty");
    let first = market.stripe.objects("transfer").remove(0);
    let subscription = market.stripe.objects("subscription").remove(0);
    let subscription = subscription["id"].as_str().expect("an id");
    market.stripe.renew(subscription).expect("renew");
    market.deliver_well().await;

    market
        .stage
        .run("update creel.stripe_requests set not_before = now() where status = 'waiting'")
        .await;
    let path = format!("/v1/transfers/{}", first["id"].as_str().expect("an id"));
    market.stripe.fail_next_at(&path, Fault::Hang);
    market.stripe.refund(&charge(&market), PRICE).expect("refund");
    market.deliver_well().await;
    assert_eq!(market.stripe.objects("transfer_reversal").len(), 1);
    assert_eq!(
        market
            .stage
            .count("creel.stripe_requests where status = 'done'")
            .await,
        1,
        "it is known that it is done"
    );
}

#[tokio::test]
async fn a_checkout_takes_nothing_on_that_its_key_may_not_do() {
    let market = Market::new().await;
    paid(&market).await;
    let account = market.account().await.expect("an account");
    market.stripe.empty_balance(&account);
    market.stripe.refund(&charge(&market), PRICE).expect("refund");
    market.deliver_well().await;
    market
        .stage
        .run("update creel.stripe_requests set not_before = now(), attempts = 1 where status = 'waiting'")
        .await;
    market.stripe.take_calls();
    let mut wish = market.wish();
    wish["agentKey"] = json!("agent:owl:main");
    let answer = market.checkout(&wish).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(market.stripe.take_calls(), ["POST /v1/checkout/sessions"]);
    let attempts = "select to_jsonb(attempts) from creel.stripe_requests where status = 'waiting'";
    assert_eq!(market.value(attempts).await, json!(1));
}

#[tokio::test]
async fn what_is_told_of_an_account_that_is_gone_does_not_wait_for_ever() {
    let market = Market::new().await;
    let account = market.account().await.expect("an account");
    market.stripe.disconnect(&account).expect("disconnect");
    for delivered in market.deliver().await {
        assert_eq!(delivered.status, 200, "{delivered:?}");
    }
    assert_eq!(
        market.stage.count("stripe_events where status = 'waiting'").await,
        0
    );
    assert_eq!(
        market.checkout(&market.wish()).await.refused(),
        (409, "not_payable")
    );
    // Its owner begins anew.
    let answer = market.onboard(&market.landlord).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let next = market.account().await.expect("an account");
    assert_ne!(next, account);
    market.stripe.onboard(&next).expect("onboard");
    market.deliver_well().await;
    assert_eq!(market.checkout(&market.wish()).await.status, 200);
}
