//! The stand-in of Stripe's API has the rules that Creel relies on, and the client keeps to them.
#![allow(missing_docs, reason = "a test binary has no callers")]

use creel_core::secret::Secret;
use creel_functions::stripe::StripeError;
use creel_functions::stripe::api::StripeApi;
use creel_local::stripe_stand_in::{Fault, StandIn};
use serde_json::{Value, json};

async fn start() -> (StandIn, StripeApi) {
    let stand_in = StandIn::start().await.expect("start");
    let api = StripeApi::new(&stand_in.url(), stand_in.api_key().clone(), None);
    (stand_in, api)
}

async fn post(api: &StripeApi, path: &str, params: Value, key: &str) -> Result<Value, StripeError> {
    api.post(path, &params, key, None).await.map(|told| told.object)
}

fn code(error: &StripeError) -> (u16, &str) {
    match error {
        StripeError::Refused { status, code, .. } => (*status, code),
        _ => (0, ""),
    }
}

/// An account that may be paid.
async fn account(stand_in: &StandIn, api: &StripeApi) -> String {
    let params = json!({ "type": "express", "metadata": { "creel_owner": "o" } });
    let account = post(api, "/v1/accounts", params, "account")
        .await
        .expect("an account");
    let account = account["id"].as_str().expect("an id").to_owned();
    stand_in.onboard(&account).expect("onboard");
    account
}

fn session(account: &str, expires_at: i64) -> Value {
    json!({
        "mode": "subscription", "success_url": "https://app.example.com/done", "client_reference_id": "intent",
        "expires_at": expires_at,
        "line_items": [{ "quantity": 1, "price_data": {
            "currency": "eur", "unit_amount": 900, "recurring": { "interval": "month" },
            "product_data": { "name": "An agent" },
        } }],
        "metadata": { "creel_intent": "intent" },
        "subscription_data": {
            "application_fee_percent": "15", "metadata": { "creel_intent": "intent" },
            "transfer_data": { "destination": account },
        },
    })
}

fn in_an_hour() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.expect("a time").as_secs()).expect("a time") + 3_600
}

#[tokio::test]
async fn the_same_key_is_the_same_call_and_no_other_one() {
    let (stand_in, api) = start().await;
    let make = |email: &str, key: &str| {
        let (api, key, params) = (api.clone(), key.to_owned(), json!({ "email": email }));
        async move { post(&api, "/v1/customers", params, &key).await }
    };
    let first = make("a@example.com", "k").await.expect("made");
    assert_eq!(make("a@example.com", "k").await, Ok(first.clone()));
    assert_eq!(stand_in.objects("customer").len(), 1);
    let other = make("b@example.com", "k").await.expect_err("it is another call");
    assert_eq!(code(&other), (400, "idempotency_error"));
    assert!(other.is_other_content() && other.is_permanent());
    assert_ne!(
        make("a@example.com", "other").await.expect("made")["id"],
        first["id"]
    );
}

#[tokio::test]
async fn what_fails_for_a_while_is_asked_again_and_done_once() {
    let (stand_in, api) = start().await;
    for (number, faults) in [
        vec![Fault::Answer(429), Fault::Answer(503)],
        vec![Fault::Cut],
        vec![Fault::LoseReply, Fault::Answer(409)],
    ]
    .into_iter()
    .enumerate()
    {
        let attempts = faults.len() + 1;
        for fault in faults {
            stand_in.fail_next(fault);
        }
        let key = format!("k{number}");
        let made = post(&api, "/v1/customers", json!({}), &key).await;
        assert!(made.is_ok(), "{made:?}");
        assert_eq!(stand_in.take_calls().len(), attempts);
        assert_eq!(stand_in.objects("customer").len(), number + 1);
    }
    stand_in.fail_always(Some(Fault::Answer(503)));
    let error = post(&api, "/v1/customers", json!({}), "k")
        .await
        .expect_err("it is down");
    assert_eq!(code(&error), (503, "api_error"));
    assert!(!error.is_permanent());
    assert_eq!(stand_in.take_calls().len(), 5);
}

#[tokio::test]
async fn whoever_hangs_is_given_up_in_time() {
    let (stand_in, api) = start().await;
    stand_in.fail_always(Some(Fault::Hang));
    let soon =
        creel_functions::deadline::Deadline(std::time::Instant::now() + std::time::Duration::from_secs(2));
    let error = api.get("/v1/charges", &json!({}), Some(soon)).await;
    assert_eq!(error.map(|told| told.object), Err(StripeError::TimedOut));
}

#[tokio::test]
async fn a_wrong_key_and_an_unknown_parameter_are_refused_and_not_repeated() {
    let (stand_in, api) = start().await;
    let stranger = StripeApi::new(&stand_in.url(), Secret::new("rk_test_wrong"), None);
    let error = stranger
        .get("/v1/charges", &json!({}), None)
        .await
        .expect_err("refused");
    assert_eq!(code(&error).0, 401);
    let odd = json!({ "emial": "a@example.com" });
    let error = post(&api, "/v1/customers", odd, "k").await.expect_err("refused");
    assert_eq!(code(&error), (400, "parameter_unknown"));
    let error = api.get("/v1/subscriptions/sub_none", &json!({}), None).await;
    assert!(error.expect_err("refused").is_missing());
    assert_eq!(stand_in.take_calls().len(), 3);
    // Nor is there any other version than the pinned one.
    let client = creel_local::gateway::http::client().expect("a client");
    let request = client
        .get(format!("{}/v1/charges", stand_in.url()))
        .bearer_auth(stand_in.api_key().expose());
    let answer = request.header("stripe-version", "2020-08-27").send().await;
    assert_eq!(answer.expect("an answer").status(), 400);
}

#[tokio::test]
async fn every_page_of_a_list_is_read_once() {
    let (stand_in, api) = start().await;
    let account = account(&stand_in, &api).await;
    let mut made = Vec::new();
    for number in 0..230 {
        let params = json!({ "amount": 100 + number, "currency": "usd", "destination": account });
        let transfer = post(&api, "/v1/transfers", params, &format!("t{number}")).await;
        made.push(transfer.expect("made")["id"].clone());
    }
    stand_in.take_calls();
    let query = json!({ "destination": account, "created": { "gte": 0 } });
    let found = api.list("/v1/transfers", &query).await.expect("a list");
    let mut found: Vec<Value> = found.into_iter().map(|transfer| transfer["id"].clone()).collect();
    found.reverse();
    assert_eq!(found, made);
    assert_eq!(stand_in.take_calls().len(), 3);
    let none = api
        .list("/v1/transfers", &json!({ "created": { "lt": 1 } }))
        .await;
    assert_eq!(none, Ok(Vec::new()));
}

#[tokio::test]
async fn what_is_paid_can_be_followed_to_the_hosts_money_and_back() {
    let (stand_in, api) = start().await;
    let account = account(&stand_in, &api).await;
    let open = post(
        &api,
        "/v1/checkout/sessions",
        session(&account, in_an_hour()),
        "s",
    )
    .await;
    let open = open.expect("a session");
    assert!(!open.to_string().contains("stand_in"), "{open}");
    let paid = stand_in.pay(open["id"].as_str().expect("an id")).expect("pay");

    let path = format!("/v1/invoices/{}", paid.invoice);
    let invoice = api.get(&path, &json!({ "expand": ["payments"] }), None).await;
    let invoice = invoice.expect("an invoice").object;
    assert_eq!(
        invoice["parent"]["subscription_details"]["subscription"],
        json!(paid.subscription)
    );
    assert!(invoice.get("charge").is_none() && invoice.get("subscription").is_none());
    let intent = &invoice["payments"]["data"][0]["payment"]["payment_intent"];
    let path = format!("/v1/payment_intents/{}", intent.as_str().expect("an id"));
    let intent = api
        .get(&path, &json!({ "expand": ["latest_charge.transfer"] }), None)
        .await;
    let intent = intent.expect("a payment intent").object;
    let (charge, transfer) = (&intent["latest_charge"], &intent["latest_charge"]["transfer"]);
    assert_eq!(
        (&charge["amount"], &transfer["amount"], &transfer["destination"]),
        (&json!(900), &json!(900), &json!(account))
    );
    assert_eq!(charge["application_fee_amount"], json!(135));
    assert_eq!(stand_in.balance(&account), 765);

    let subscription = stand_in.object(&paid.subscription).expect("a subscription");
    assert_eq!(
        (&subscription["status"], &subscription["metadata"]["creel_intent"]),
        (&json!("active"), &json!("intent"))
    );
    assert!(subscription["items"]["data"][0]["current_period_end"].is_i64());
    assert!(subscription.get("current_period_end").is_none());

    // A part of it comes back, once and not more than there is.
    let path = format!(
        "/v1/transfers/{}/reversals",
        transfer["id"].as_str().expect("an id")
    );
    let reversal = post(&api, &path, json!({ "amount": 500 }), "r")
        .await
        .expect("reversed");
    assert_eq!(
        post(&api, &path, json!({ "amount": 500 }), "r").await,
        Ok(reversal)
    );
    let error = post(&api, &path, json!({ "amount": 401 }), "r2")
        .await
        .expect_err("too much");
    assert_eq!(code(&error), (400, "amount_too_large"));
    assert_eq!(stand_in.balance(&account), 265);
    let error = post(&api, &path, json!({ "amount": 300 }), "r3")
        .await
        .expect_err("there is none left");
    assert_eq!(code(&error), (400, "balance_insufficient"));
    assert!(!error.is_permanent());
    let read = stand_in
        .object(transfer["id"].as_str().expect("an id"))
        .expect("a transfer");
    assert_eq!(
        (&read["amount_reversed"], &read["reversals"]["data"][0]["amount"]),
        (&json!(500), &json!(500))
    );

    stand_in
        .refund(charge["id"].as_str().expect("an id"), 900)
        .expect("refund");
    stand_in.renew(&paid.subscription).expect("renew");
    stand_in.fail_renewal(&paid.subscription).expect("fail");
    stand_in.recover(&paid.subscription).expect("recover");
    stand_in.cancel(&paid.subscription).expect("cancel");
    assert!(stand_in.renew(&paid.subscription).is_err());
    let kinds: Vec<Value> = stand_in
        .events()
        .iter()
        .map(|event| event["type"].clone())
        .collect();
    for kind in [
        "capability.updated",
        "account.updated",
        "checkout.session.completed",
        "customer.subscription.created",
        "invoice.paid",
        "charge.refunded",
        "transfer.reversed",
        "customer.subscription.updated",
        "invoice.payment_failed",
        "customer.subscription.deleted",
    ] {
        assert!(kinds.contains(&json!(kind)), "{kind} of {kinds:?}");
    }
    let is_of_account = |event: &&Value| event["account"] == json!(account);
    assert_eq!(stand_in.events().iter().filter(is_of_account).count(), 2);
}

#[tokio::test]
async fn a_session_is_open_for_as_long_as_stripe_allows() {
    let (stand_in, api) = start().await;
    let account = account(&stand_in, &api).await;
    for wrong in [in_an_hour() - 3_600 + 1_700, in_an_hour() + 100_000] {
        let error = post(&api, "/v1/checkout/sessions", session(&account, wrong), "k").await;
        assert_eq!(code(&error.expect_err("refused")).0, 400);
    }
    let open = post(
        &api,
        "/v1/checkout/sessions",
        session(&account, in_an_hour()),
        "k2",
    )
    .await;
    let id = open.expect("a session")["id"].as_str().expect("an id").to_owned();
    stand_in.expire(&id).expect("expire");
    assert!(stand_in.pay(&id).is_err() && stand_in.expire(&id).is_err());
    let idle = post(&api, "/v1/accounts", json!({ "type": "express" }), "a2")
        .await
        .expect("an account");
    let params = session(idle["id"].as_str().expect("an id"), in_an_hour());
    let error = post(&api, "/v1/checkout/sessions", params, "k3")
        .await
        .expect_err("refused");
    assert_eq!(code(&error), (400, "insufficient_capabilities_for_transfer"));
}

#[tokio::test]
async fn a_key_is_answered_for_a_day_what_it_was_answered_first() {
    let (stand_in, api) = start().await;
    let account = account(&stand_in, &api).await;
    // A fault of Stripe's own, and a refusal of what it began.
    stand_in.fail_next_at("/v1/customers", Fault::Answer(500));
    stand_in.take_calls();
    let error = post(&api, "/v1/customers", json!({}), "fault").await;
    let error = error.expect_err("it is kept");
    assert_eq!((code(&error).0, error.is_permanent()), (500, false));
    assert_eq!(
        stand_in.take_calls().len(),
        2,
        "what is kept is not asked for again"
    );
    let idle = json!({ "type": "express" });
    let idle = post(&api, "/v1/accounts", idle, "idle")
        .await
        .expect("an account");
    let params = json!({ "amount": 100, "currency": "usd", "destination": idle["id"] });
    let refused = post(&api, "/v1/transfers", params.clone(), "refused").await;
    assert!(refused.is_err());
    stand_in
        .onboard(idle["id"].as_str().expect("an id"))
        .expect("onboard");
    assert_eq!(
        post(&api, "/v1/transfers", params.clone(), "refused")
            .await
            .map_err(|error| code(&error).0),
        Err(400)
    );
    let sent = json!({ "amount": 100, "currency": "usd", "destination": account });
    let first = post(&api, "/v1/transfers", sent.clone(), "sent").await;
    assert_eq!(post(&api, "/v1/transfers", sent.clone(), "sent").await, first);

    // Then Stripe knows nothing of them, and what was sent is sent again.
    stand_in.advance(24 * 60 * 60);
    for (path, params, key) in [
        ("/v1/customers", json!({}), "fault"),
        ("/v1/transfers", params, "refused"),
        ("/v1/transfers", sent, "sent"),
    ] {
        assert!(post(&api, path, params, key).await.is_ok(), "{key}");
    }
    assert_eq!(stand_in.objects("transfer").len(), 3);
    let query = json!({ "transfer_group": "of nobody" });
    assert_eq!(api.list("/v1/transfers", &query).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_key_for_pages_cannot_move_money() {
    let (stand_in, api) = start().await;
    let account = account(&stand_in, &api).await;
    let pages = StripeApi::new(&stand_in.url(), stand_in.pages_api_key().clone(), None);
    let opened = post(
        &pages,
        "/v1/checkout/sessions",
        session(&account, in_an_hour()),
        "k",
    );
    assert!(opened.await.is_ok());
    let params = json!({ "amount": 100, "currency": "usd", "destination": account });
    let sent = post(&pages, "/v1/transfers", params, "k2").await;
    assert_eq!(sent.map_err(|error| code(&error).0), Err(403));
    let read = pages.get("/v1/transfers", &json!({}), None).await;
    assert_eq!(read.map_err(|error| code(&error).0), Err(403));
}

#[tokio::test]
async fn transfers_alone_need_an_approval_and_are_decided_on_apart() {
    let (stand_in, api) = start().await;
    let wish = |names: &[&str]| {
        let asked = names
            .iter()
            .map(|name| ((*name).to_owned(), json!({ "requested": true })));
        json!({ "type": "express", "capabilities": Value::Object(asked.collect()) })
    };
    let alone = post(&api, "/v1/accounts", wish(&["transfers"]), "k").await;
    let error = alone.expect_err("it needs an approval");
    assert!(error.to_string().contains("card_payments"), "{error}");
    let both = post(&api, "/v1/accounts", wish(&["card_payments", "transfers"]), "k2").await;
    let account = both.expect("an account")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for (may_charge, may_be_paid) in [(true, false), (false, true)] {
        stand_in
            .decide(&account, may_charge, may_be_paid)
            .expect("decide");
        let params = session(&account, in_an_hour());
        let key = format!("s{may_be_paid}");
        let opened = post(&api, "/v1/checkout/sessions", params, &key).await;
        assert_eq!(opened.is_ok(), may_be_paid, "{opened:?}");
    }
    stand_in.disconnect(&account).expect("disconnect");
    let gone = api
        .get(&format!("/v1/accounts/{account}"), &json!({}), None)
        .await;
    assert_eq!(gone.map_err(|error| code(&error).0), Err(403));
}
