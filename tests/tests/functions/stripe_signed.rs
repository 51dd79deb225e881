//! Exactly what Stripe signed gets in, with the function's own program on AWS Lambda and signatures by Stripe's own SDK.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use creel_core::secret::Secret;
use creel_local::billing::make_key;
use serde_json::{Value, json};

use crate::emulator::{Emulator, event as http_event};
use crate::market::Market;
use crate::signer::{CONNECT_SECRET, Case, OLD_SECRET, SECRET, event, now_secs, sign, sign_one};
use crate::stage::{Stage, send};

/// The most that an event may have.
const EVENT_MAX_BYTES: usize = 1024 * 1024;

async fn start(stage: &Stage) -> (Emulator, Secret) {
    let mut admin = stage.db.postgres().await.expect("connect");
    let key = make_key(&mut admin).await.expect("make a key");
    let (url, both) = (stage.proxy.url(), format!("{SECRET},{OLD_SECRET}"));
    let settings = [
        ("SUPABASE_URL", url.as_str()),
        ("SUPABASE_PUBLISHABLE_KEY", stage.rest.publishable_key()),
        ("CREEL_STRIPE_KEY", key.expose()),
        ("STRIPE_API_KEY", "rk_test_of_nobody"),
        ("STRIPE_API_URL", "http://127.0.0.1:1"),
        ("STRIPE_WEBHOOK_SECRET", &both),
        ("STRIPE_CONNECT_WEBHOOK_SECRET", CONNECT_SECRET),
    ];
    (Emulator::start_function("stripe", &settings).await, key)
}

/// A delivery as a function URL hands it on: texts as they are, and everything as base64, too.
async fn deliver(emulator: &Emulator, path: &str, header: Option<&str>, body: &str) -> (u64, String) {
    let mut headers = json!({ "content-type": "application/json; charset=utf-8" });
    if let Some(header) = header {
        headers["stripe-signature"] = json!(header);
    }
    let text = http_event("POST", path, &headers, Some(body), false);
    let base64 = http_event("POST", path, &headers, Some(&STANDARD.encode(body)), true);
    let (status, answer) = emulator.ask(&text).await;
    let code = |answer: &Value| {
        let code = answer["error"]["code"].as_str().or(answer["outcome"].as_str());
        code.unwrap_or_default().to_owned()
    };
    let again = emulator.ask(&base64).await;
    assert_eq!(again.0, status, "{} {answer}", again.1);
    if status != 200 {
        assert_eq!(code(&again.1), code(&answer));
        assert!(answer["error"]["hint"].is_string(), "{answer}");
    }
    (status, code(&answer))
}

#[tokio::test]
async fn exactly_what_stripe_signed_for_this_endpoint_gets_in() {
    let stage = Stage::new().await;
    let (emulator, _) = start(&stage).await;
    let body = event("evt_signed").to_string();
    let case = Case::new(&body);
    let now = now_secs();
    let pretty = serde_json::to_string_pretty(&event("evt_signed")).expect("write it");
    let of = |change: &dyn Fn(&mut Case)| {
        let mut case = case.clone();
        change(&mut case);
        case
    };
    let cases = [
        of(&|_| {}),
        of(&|case| case.secret = "whsec_somebody_elses_secret_of_stripes"),
        of(&|case| case.at_secs = now - 301),
        // The clock goes on while it is on its way.
        of(&|case| case.at_secs = now + 301 + 60),
        of(&|case| case.scheme = "v0"),
        of(&|case| case.secret = OLD_SECRET),
        of(&|case| case.secret = CONNECT_SECRET),
        of(&|case| case.at_secs = now - 240),
        of(&|case| case.at_secs = now + 240),
        of(&|case| case.payload = pretty.clone()),
        of(&|case| case.payload = String::new()),
    ];
    let headers = sign(&cases).await;
    let [
        good,
        wrong,
        old,
        ahead,
        v0,
        rotated,
        connect,
        earlier,
        later,
        of_pretty,
        of_empty,
    ] = headers.as_slice()
    else {
        panic!("each is signed: {headers:?}");
    };
    let (time, v1) = good.split_once(',').expect("two parts");
    let garbage = format!("{time},v1={},v1=,v1=zz,{v1}", "0".repeat(64));
    let both = format!("{rotated},{v1}");
    let at = body.find("Zo").expect("it is there");
    let mut changed = body.clone().into_bytes();
    changed[at] = b'z';
    let changed = String::from_utf8(changed).expect("UTF-8");
    let events = "/stripe/events";
    for (name, path, header, body, expected) in [
        ("good", events, Some(good.as_str()), body.as_str(), 200),
        ("under /api", "/api/stripe/events", Some(good), &body, 200),
        ("garbage beside a good v1", events, Some(&garbage), &body, 200),
        ("by the old secret", events, Some(rotated), &body, 200),
        ("by both secrets", events, Some(&both), &body, 200),
        ("240 s old", events, Some(earlier), &body, 200),
        ("240 s ahead", events, Some(later), &body, 200),
        (
            "by the other endpoint's secret",
            "/stripe/connect",
            Some(connect),
            &body,
            200,
        ),
        ("wrong secret", events, Some(wrong), &body, 400),
        ("for the other endpoint", events, Some(connect), &body, 400),
        (
            "for this endpoint at the other",
            "/stripe/connect",
            Some(good),
            &body,
            400,
        ),
        ("301 s old", events, Some(old), &body, 400),
        ("301 s ahead", events, Some(ahead), &body, 400),
        ("v0 only", events, Some(v0), &body, 400),
        (
            "header repeated",
            events,
            Some(&format!("{good},{good}")),
            &body,
            400,
        ),
        ("one byte changed", events, Some(good), &changed, 400),
        ("one byte more", events, Some(good), &format!("{body}\n"), 400),
        ("encoded again", events, Some(good), &pretty, 400),
        ("encoded again the other way", events, Some(of_pretty), &body, 400),
        ("no header", events, None, &body, 400),
        ("an empty header", events, Some(""), &body, 400),
        ("an empty body", events, Some(good), "", 400),
        ("an empty body that is signed", events, Some(of_empty), "", 400),
    ] {
        stage.proxy.calls();
        let (status, code) = deliver(&emulator, path, header, body).await;
        assert_eq!(status, expected, "{name}: {code}");
        let calls = stage.proxy.calls().len();
        assert_eq!(calls, if expected == 200 { 2 } else { 0 }, "{name}");
        let is_unsigned = expected == 400 && name != "an empty body that is signed";
        assert_eq!(code == "bad_signature", is_unsigned, "{name}: {code}");
    }
    assert_eq!(stage.count("stripe_events where id = 'evt_signed'").await, 1);
    let log = emulator.log();
    for secret in [SECRET, OLD_SECRET, CONNECT_SECRET, "rk_test_of_nobody"] {
        assert!(!log.contains(secret), "no secret is logged");
    }
}

#[tokio::test]
async fn two_headers_are_refused_as_clients_send_them() {
    // A function URL joins them by a comma, and the emulator drops one: so by HTTP itself.
    let market = Market::opening().await;
    let body = event("evt_twice").to_string();
    let good = sign_one(&body).await;
    let client = creel_local::gateway::http::client().expect("a client");
    for (count, expected) in [(1, 200), (2, 400)] {
        let mut request = client
            .post(format!("{}/stripe/events", market.url))
            .body(body.clone());
        for _ in 0..count {
            request = request.header("stripe-signature", &good);
        }
        assert_eq!(send(request).await.status, expected);
    }
}

#[tokio::test]
async fn an_event_has_a_megabyte_at_most() {
    let stage = Stage::new().await;
    let (emulator, _) = start(&stage).await;
    let of_size = |id: &str, size: usize| {
        let mut event = event(id);
        event["data"]["object"]["padding"] = json!("");
        let bare = event.to_string().len();
        event["data"]["object"]["padding"] = json!("x".repeat(size - bare));
        event.to_string()
    };
    let (fits, large) = (
        of_size("evt_fits", EVENT_MAX_BYTES),
        of_size("evt_large", EVENT_MAX_BYTES + 1),
    );
    assert_eq!(fits.len(), EVENT_MAX_BYTES);
    let headers = sign(&[Case::new(&fits), Case::new(&large)]).await;
    for (body, header, expected) in [(&fits, &headers[0], 200), (&large, &headers[1], 413)] {
        let (status, code) = deliver(&emulator, "/stripe/events", Some(header), body).await;
        assert_eq!(status, expected, "{code}");
    }
    assert_eq!(stage.count("stripe_events").await, 1);
}

#[tokio::test]
async fn a_thin_event_and_what_is_none_are_told_apart() {
    let stage = Stage::new().await;
    let (emulator, _) = start(&stage).await;
    let thin = json!({
        "id": "evt_test_1", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-11-21T00:00:00.000Z", "livemode": false, "context": null,
        "related_object": { "id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1" },
    });
    let bodies = [
        (thin.to_string(), "thin_event"),
        ("{}".to_owned(), "bad_request"),
        ("[1]".to_owned(), "bad_request"),
        ("{\"id\":\"evt_1\"".to_owned(), "bad_request"),
        ("[".repeat(100_000), "bad_request"),
        (
            json!({ "id": "answer_x", "object": "event" }).to_string(),
            "bad_request",
        ),
    ];
    let cases: Vec<Case> = bodies.iter().map(|(body, _)| Case::new(body)).collect();
    for ((body, expected), header) in bodies.iter().zip(sign(&cases).await) {
        let (status, code) = deliver(&emulator, "/stripe/events", Some(&header), body).await;
        assert_eq!((status, code.as_str()), (400, *expected));
    }
    assert_eq!(stage.proxy.calls(), [""; 0]);
}

#[tokio::test]
async fn a_test_of_a_connected_account_is_no_matter_of_real_money() {
    let stage = Stage::new().await;
    let (emulator, key) = start(&stage).await;
    drop(emulator);
    let url = stage.proxy.url();
    let settings = [
        ("SUPABASE_URL", url.as_str()),
        ("SUPABASE_PUBLISHABLE_KEY", stage.rest.publishable_key()),
        ("CREEL_STRIPE_KEY", key.expose()),
        ("STRIPE_API_KEY", "rk_live_of_nobody"),
        ("STRIPE_API_URL", "http://127.0.0.1:1"),
        ("STRIPE_WEBHOOK_SECRET", SECRET),
        ("STRIPE_CONNECT_WEBHOOK_SECRET", SECRET),
    ];
    let emulator = Emulator::start_function("stripe", &settings).await;
    for (is_live, kept) in [(false, 0), (true, 1)] {
        let mut told = event("evt_of_an_account");
        told["livemode"] = json!(is_live);
        told["account"] = json!("acct_1");
        let body = told.to_string();
        let header = sign_one(&body).await;
        let (status, outcome) = deliver(&emulator, "/stripe/connect", Some(&header), &body).await;
        assert_eq!(status, 200);
        assert!(is_live || outcome == "ignored", "{outcome}");
        assert_eq!(stage.count("stripe_events").await, kept);
    }
}

#[tokio::test]
async fn the_clock_is_no_request_and_no_request_is_the_clock() {
    let stage = Stage::new().await;
    let (emulator, _) = start(&stage).await;
    let (status, text) = emulator.invoke(json!({ "creel": "clock" }).to_string()).await;
    assert_eq!((status, text.as_str()), (200, "{\"done\":0}"));
    assert_eq!(stage.proxy.calls(), ["POST /rest/v1/rpc/apply_stripe_event"]);
    let headers = json!({ "content-type": "application/json" });
    for path in ["/stripe/clock", "/stripe/events", "/"] {
        let body = json!({ "creel": "clock" }).to_string();
        let event = http_event("POST", path, &headers, Some(&body), false);
        let (status, answer) = emulator.ask(&event).await;
        assert!(matches!(status, 400 | 404), "{path}: {answer}");
    }
    for odd in [
        json!({ "creel": "stop" }),
        json!({ "creel": "clock", "and": 1 }),
        json!("clock"),
    ] {
        let (status, text) = emulator.invoke(odd.to_string()).await;
        assert!(
            status != 200 || text.contains("\"statusCode\":400"),
            "{odd}: {status} {text}"
        );
    }
    assert_eq!(stage.proxy.calls(), [""; 0]);
}
