//! From a payment to an agent that runs, and from its end to one that is gone: deliveries signed by Stripe's own SDK, the
//! functions' own programs on AWS Lambda, the real Data API and database, and a real worker.

use std::time::Duration;

use creel_tests::cluster::built_program;
use creel_tests::wait::eventually;
use creel_tests::worker::{WorkerHome, WorkerSetup};
use reqwest::Method;
use serde_json::{Value, json};

use crate::emulator::{Emulator, event as http_event};
use crate::market::{Market, PRICE, session_of};
use crate::signer::{CONNECT_SECRET, Case, SECRET, sign};
use crate::stage::send;

/// A deployment by the stand-in of OpenClaw takes seconds, and its end waits for a sweep or two.
const DONE: Duration = Duration::from_secs(90);

/// How often an event that waits for another one is told again, and one whose database is just back.
const TOLD_MAX: usize = 20;

/// Ports of this test's agent; those of the other tests begin above.
const FIRST_PORT: &str = "18200";

/// What both functions are told.
pub fn settings(market: &Market) -> Vec<(&'static str, String)> {
    vec![
        ("SUPABASE_URL", market.stage.proxy.url()),
        (
            "SUPABASE_PUBLISHABLE_KEY",
            market.stage.rest.publishable_key().to_owned(),
        ),
        ("CREEL_STRIPE_KEY", market.key.expose().to_owned()),
        ("STRIPE_API_KEY", market.stripe.api_key().expose().to_owned()),
        ("STRIPE_API_URL", market.stripe.url()),
        ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned()),
        ("STRIPE_CONNECT_WEBHOOK_SECRET", CONNECT_SECRET.to_owned()),
        ("CREEL_ALLOWED_ORIGINS", "http://localhost:5173".to_owned()),
    ]
}

pub async fn start(name: &str, settings: &[(&'static str, String)]) -> Emulator {
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Emulator::start_function(name, &settings).await
}

/// Deliveries as Stripe makes them: signed by Stripe's own SDK.
pub async fn deliveries(events: &[Value]) -> Vec<Value> {
    let payloads: Vec<String> = events
        .iter()
        .map(|event| serde_json::to_string_pretty(event).expect("write the event"))
        .collect();
    let cases: Vec<Case> = payloads.iter().map(|payload| Case::new(payload)).collect();
    let signatures = sign(&cases).await;
    let signed = payloads.iter().zip(signatures);
    signed
        .map(|(payload, signature)| {
            let headers =
                json!({ "content-type": "application/json; charset=utf-8", "stripe-signature": signature });
            http_event("POST", "/stripe/events", &headers, Some(payload), false)
        })
        .collect()
}

/// Stripe tells these, and again what was not taken, until all of it is.
pub async fn tell(emulator: &Emulator, events: Vec<Value>) {
    let mut left = events;
    for _ in 0..TOLD_MAX {
        let mut again = Vec::new();
        for (event, delivery) in left.iter().zip(deliveries(&left).await) {
            let (status, _) = emulator.ask(&delivery).await;
            if status != 200 {
                again.push(event.clone());
            }
        }
        left = again;
        if left.is_empty() {
            return;
        }
    }
    panic!("it is never taken: {left:#?}");
}

/// Stripe tells what is new of the platform.
async fn tell_news(market: &Market, emulator: &Emulator, told: &mut usize) {
    let events = market.stripe.events();
    tell(emulator, events[*told..].to_vec()).await;
    *told = events.len();
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_therefore_running_until_the_subscription_ends() {
    let market = Market::new().await;
    let settings = settings(&market);
    let (stripe, checkout) = tokio::join!(start("stripe", &settings), start("checkout", &settings));
    let home = WorkerHome::new().expect("make a home");
    let setup = WorkerSetup::new(
        &market.login.url,
        built_program("openclaw-stand-in").expect("it is built"),
    )
    .env("CREEL_AGENT_MEMORY_MB", "1")
    .env("CREEL_FIRST_AGENT_PORT", FIRST_PORT);
    let worker = home.start(&setup).expect("start a worker");
    let mut told = market.stripe.events().len();

    let asked = checkout
        .request(Method::POST, "/checkout/sessions")
        .bearer_auth(&market.stage.owner.jwt)
        .json(&market.wish());
    let answer = send(asked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let agent = "select to_jsonb(billing || ' ' || desired_state || ' ' || status) from agents";
    assert_eq!(market.value(agent).await, json!("unpaid stopped pending_deploy"));

    let paid = market.stripe.pay(&session_of(&answer)).expect("pay");
    tell_news(&market, &stripe, &mut told).await;
    eventually("what was paid for runs", DONE, async || {
        market.value(agent).await == json!("paid running running")
    })
    .await;
    let latency = market.value("select to_jsonb(p) from paid_to_running p").await;
    assert_eq!(latency["gap"], Value::Null, "{latency}");
    assert!(latency["received_to_running"].is_string(), "{latency}");
    let soul = "select to_jsonb(content) from brain_docs where doc_type = 'soul'";
    assert_eq!(market.value(soul).await, json!("Be wise."));
    let earned = "select to_jsonb(sum(amount_minor)) from host_earnings";
    assert_eq!(market.value(earned).await, json!(PRICE - PRICE * 15 / 100));

    // Whatever is told twice leads to nothing more.
    let all = market.stripe.events();
    let platform: Vec<Value> = all
        .into_iter()
        .filter(|event| event["account"].is_null())
        .collect();
    assert!(platform.len() > 5, "{platform:#?}");
    tell(&stripe, platform).await;
    assert_eq!(market.stage.count("agent_commands").await, 1);

    market
        .stage
        .run("update creel.settings set billing_retention_secs = 0")
        .await;
    market.stripe.cancel(&paid.subscription).expect("cancel");
    tell_news(&market, &stripe, &mut told).await;
    eventually("it is stopped and undeployed", DONE, async || {
        market.value(agent).await == json!("unpaid removed removed")
    })
    .await;
    let kinds = "select jsonb_agg(c.type || ' ' || c.status order by v.id) from agent_commands c
      join events v on v.item_id = c.id and v.kind = 'agent.commanded'";
    assert_eq!(
        market.value(kinds).await,
        json!(["deploy acked", "stop acked", "undeploy acked"])
    );
    assert_eq!(
        market.stage.count("brain_docs where doc_type = 'soul'").await,
        1,
        "its memory stays"
    );
    assert_eq!(
        market.stage.count("stripe_events where status = 'waiting'").await,
        0
    );
    drop(worker);
}
