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

/// How often an event that waits for another one is told again.
const TOLD_MAX: usize = 5;

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

/// A delivery as Stripe makes it: signed by Stripe's own SDK.
pub async fn delivery(event: &Value) -> Value {
    let payload = serde_json::to_string_pretty(event).expect("write the event");
    let signature = sign(&[Case::new(&payload)]).await.remove(0);
    let headers = json!({ "content-type": "application/json; charset=utf-8", "stripe-signature": signature });
    http_event("POST", "/stripe/events", &headers, Some(&payload), false)
}

/// Stripe tells what is new, and again what was not taken.
async fn tell(market: &Market, emulator: &Emulator, told: &mut usize) {
    let events = market.stripe.events();
    let mut left: Vec<Value> = events[*told..].to_vec();
    *told = events.len();
    for _ in 0..TOLD_MAX {
        let mut again = Vec::new();
        for event in left {
            let (status, said) = emulator.ask(&delivery(&event).await).await;
            if status != 200 {
                assert_eq!(
                    (status, &said["outcome"]),
                    (500, &json!("waiting")),
                    "{event}: {said}"
                );
                again.push(event);
            }
        }
        left = again;
    }
    assert_eq!(left, Vec::<Value>::new(), "all of it is taken");
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
    tell(&market, &stripe, &mut told).await;
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
    told = 0;
    let platform: Vec<Value> = market.stripe.events();
    for event in platform.iter().filter(|event| event["account"].is_null()) {
        let (status, said) = stripe.ask(&delivery(event).await).await;
        assert_eq!((status, &said["ok"]), (200, &json!(true)), "{said}");
        told += 1;
    }
    assert!(told > 5, "there were {told}");
    told = platform.len();
    assert_eq!(market.stage.count("agent_commands").await, 1);

    market
        .stage
        .run("update creel.settings set billing_retention_secs = 0")
        .await;
    market.stripe.cancel(&paid.subscription).expect("cancel");
    tell(&market, &stripe, &mut told).await;
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
