//! Who pays gets a place at the price of the database, who earns gets an account, and neither can be had by anybody else.

use creel_local::stripe_stand_in::Fault;
use serde_json::{Value, json};

use crate::emulator::{Emulator, event};
use crate::market::{Market, PAGE, PRICE, session_of};
use crate::proxy::Rule;
use crate::stage::{ORIGIN, SCOUT};

#[tokio::test]
async fn a_wish_becomes_a_session_at_the_price_of_the_database() {
    let market = Market::new().await;
    let mut wish = market.wish();
    wish["amountMinor"] = json!(1);
    wish["price"] = json!({ "month": 1 });
    wish["agent"]["config"] = json!({ "token": "sk-secret" });
    let answer = market.checkout(&wish).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        (&answer.body["amountMinor"], &answer.body["currency"]),
        (&json!(PRICE), &json!("eur"))
    );
    let id = session_of(&answer);
    let session = market.stripe.object(&id).expect("a session");
    let intent = &answer.body["intentId"];
    assert_eq!(
        (&session["client_reference_id"], &session["metadata"]),
        (intent, &json!({ "creel_intent": intent }))
    );
    assert_eq!(session["expires_at"], answer.body["expiresAt"]);
    assert_eq!(session["amount_total"], json!(PRICE));
    assert!(!session.to_string().contains("secret"), "{session}");
    assert_eq!(
        market.stage.proxy.calls(),
        [
            "POST /rest/v1/rpc/begin_checkout",
            "POST /rest/v1/rpc/apply_stripe_event"
        ]
    );
    let kept = "select to_jsonb(i) from checkout_intents i";
    let kept = market.value(kept).await;
    assert_eq!(
        (&kept["session_id"], &kept["session_url"]),
        (&json!(id), &answer.body["url"])
    );
    // The place is kept, and nothing runs.
    let agent = market.value("select to_jsonb(a) from agents a").await;
    assert_eq!(
        (&agent["billing"], &agent["desired_state"], &agent["host_id"]),
        (&json!("unpaid"), &json!("stopped"), &json!(market.host))
    );

    // What is paid goes to the landlord, but for the fee.
    let paid = market.stripe.pay(&id).expect("pay");
    let subscription = market.stripe.object(&paid.subscription).expect("a subscription");
    assert_eq!(subscription["metadata"], json!({ "creel_intent": intent }));
    let account = market.account().await.expect("an account");
    assert_eq!(market.stripe.balance(&account), PRICE - PRICE * 15 / 100);
    market.deliver_well().await;
    assert_eq!(
        market
            .value("select to_jsonb(status) from checkout_intents")
            .await,
        json!("paid")
    );
    assert_eq!(
        market.value("select to_jsonb(billing) from agents").await,
        json!("paid")
    );
    assert_eq!(
        market.stage.count("agent_commands where type = 'deploy'").await,
        1
    );
    assert_eq!(
        market.stage.count("host_earnings where kind = 'earning'").await,
        1
    );
}

#[tokio::test]
async fn the_program_on_lambda_does_the_same() {
    let market = Market::new().await;
    let (url, stripe) = (market.stage.proxy.url(), market.stripe.url());
    let settings = [
        ("SUPABASE_URL", url.as_str()),
        ("SUPABASE_PUBLISHABLE_KEY", market.stage.rest.publishable_key()),
        ("CREEL_STRIPE_KEY", market.key.expose()),
        ("STRIPE_API_KEY", market.stripe.api_key().expose()),
        ("STRIPE_API_URL", &stripe),
        ("CREEL_ALLOWED_ORIGINS", ORIGIN),
    ];
    let emulator = Emulator::start_function("checkout", &settings).await;
    let headers = json!({
        "authorization": format!("Bearer {}", market.stage.owner.jwt), "content-type": "application/json",
    });
    let ask = async |wish: &Value| {
        let event = event(
            "POST",
            "/checkout/sessions",
            &headers,
            Some(&wish.to_string()),
            false,
        );
        emulator.ask(&event).await
    };
    let mut wish = market.wish();
    assert_eq!(ask(&wish).await.0, 422, "it is no page of this origin");
    wish["successUrl"] = json!(format!("{ORIGIN}/paid"));
    wish["cancelUrl"] = json!(ORIGIN);
    let (status, answer) = ask(&wish).await;
    assert_eq!((status, &answer["amountMinor"]), (200, &json!(PRICE)), "{answer}");
    assert_eq!(
        market
            .stage
            .count("checkout_intents where session_id is not null")
            .await,
        1
    );
    let log = emulator.log();
    for secret in [
        &market.stage.owner.jwt,
        market.key.expose(),
        market.stripe.api_key().expose(),
    ] {
        assert!(!log.contains(secret), "no token and no key is logged");
    }
}

#[tokio::test]
async fn the_same_wish_again_is_the_same_session() {
    let market = Market::new().await;
    let first = market.checkout(&market.wish()).await;
    assert_eq!(first.status, 200, "{first:?}");
    let mut elsewhere = market.wish();
    elsewhere["successUrl"] = json!("http://localhost:5173/other");
    for wish in [market.wish(), elsewhere] {
        let again = market.checkout(&wish).await;
        assert_eq!(again.body["url"], first.body["url"]);
    }
    assert_eq!(market.stripe.objects("checkout.session").len(), 1);
    let mut other = market.wish();
    other["plan"] = json!("year");
    assert_eq!(market.checkout(&other).await.refused(), (409, "open_checkout"));
}

#[tokio::test]
async fn ten_clicks_at_once_are_one_session_and_one_place() {
    let market = Market::new().await;
    let wishes: Vec<Value> = (0..10)
        .map(|number| {
            let mut wish = market.wish();
            wish["cancelUrl"] = json!(format!("{PAGE}/{}", number % 2));
            wish
        })
        .collect();
    let answers = futures_util::future::join_all(wishes.iter().map(|wish| market.checkout(wish))).await;
    let urls: Vec<&Value> = answers
        .iter()
        .filter(|one| one.status == 200)
        .map(|one| &one.body["url"])
        .collect();
    assert!(
        !urls.is_empty() && urls.iter().all(|url| *url == urls[0]),
        "{answers:?}"
    );
    for refused in answers.iter().filter(|one| one.status != 200) {
        assert_eq!(refused.refused(), (409, "open_checkout"));
    }
    assert_eq!(market.stripe.objects("checkout.session").len(), 1);
    assert_eq!(market.stage.count("agents").await, 1);
}

#[tokio::test]
async fn whatever_fails_on_the_way_is_healed_by_asking_again() {
    let market = Market::new().await;
    // Stripe is busy, and then made it and nobody heard.
    market.stripe.fail_next(Fault::Answer(500));
    market.stripe.fail_next(Fault::LoseReply);
    let answer = market.checkout(&market.wish()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(market.stripe.objects("checkout.session").len(), 1);

    // Stripe is down.
    let mut wish = market.wish();
    wish["agentKey"] = json!("agent:owl:main");
    market.stripe.fail_always(Some(Fault::Answer(503)));
    assert_eq!(
        market.checkout(&wish).await.refused(),
        (502, "stripe_unavailable")
    );
    market.stripe.fail_always(None);
    // It made the session, and the database is gone before it can be told.
    let broken = json!({ "code": "PGRST000", "message": "no connection" }).to_string();
    market.stage.proxy.next(Rule::Pass);
    for _ in 0..3 {
        market.stage.proxy.next(Rule::Answer(503, broken.clone()));
    }
    assert_eq!(market.checkout(&wish).await.refused().0, 503);
    let answer = market.checkout(&wish).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(market.stripe.objects("checkout.session").len(), 2);
    assert_eq!(
        market
            .stage
            .count("checkout_intents where session_id is not null")
            .await,
        2
    );
}

#[tokio::test]
async fn a_place_that_nobody_pays_for_is_given_back() {
    let market = Market::new().await;
    let answer = market.checkout(&market.wish()).await;
    assert_eq!(market.stage.count("agents").await, 1);
    market.stripe.expire(&session_of(&answer)).expect("expire");
    market.deliver_well().await;
    assert_eq!(
        market
            .value("select to_jsonb(status) from checkout_intents")
            .await,
        json!("expired")
    );
    assert_eq!(market.stage.count("agents").await, 0);
    assert_eq!(
        market.checkout(&market.wish()).await.status,
        200,
        "and may be taken again"
    );
}

#[tokio::test]
async fn only_an_editor_rents_and_only_what_is_let() {
    let market = Market::new().await;
    let viewer = market.stage.member("viewer").await;
    let editor = market.stage.member("editor").await;
    let stranger = market
        .stage
        .db
        .user("stranger@example.com")
        .await
        .expect("make a person");
    let wish = market.wish();
    for (token, expected) in [
        (viewer.jwt.as_str(), (403, "forbidden")),
        (&stranger.jwt, (403, "forbidden")),
        (&market.landlord.jwt, (403, "forbidden")),
        ("a.b.c", (401, "unauthenticated")),
        ("", (401, "unauthenticated")),
    ] {
        let answer = market.post(token, "/checkout/sessions", &wish).await;
        assert_eq!(answer.refused(), expected);
    }
    for (name, value, expected) in [
        (
            "hostId",
            json!("3f333df6-90a4-4fda-8dd3-9485d27cee36"),
            (404, "not_for_rent"),
        ),
        ("hostId", json!("no id"), (422, "invalid")),
        ("plan", json!("week"), (422, "invalid")),
        ("plan", Value::Null, (400, "bad_request")),
        ("agent", json!({ "backend": "rocket" }), (422, "invalid")),
        ("agent", json!({ "config": { "tags": ["gpu"] } }), (409, "tags")),
        ("successUrl", json!("https://evil.example/"), (422, "invalid")),
        ("cancelUrl", json!("javascript:alert(1)"), (422, "invalid")),
        ("successUrl", Value::Null, (400, "bad_request")),
        ("projectId", json!("another"), (403, "forbidden")),
    ] {
        let mut odd = wish.clone();
        odd[name] = value;
        assert_eq!(market.checkout(&odd).await.refused(), expected, "{name} of {odd}");
    }
    assert_eq!(market.stage.count("checkout_intents").await, 0);
    assert_eq!(market.stripe.take_calls(), [""; 0]);
    market
        .stage
        .run("update hosts set status = 'draining' where price is not null")
        .await;
    assert_eq!(market.checkout(&wish).await.refused(), (409, "draining"));
    market
        .stage
        .run("update hosts set status = 'online', capacity = 0 where price is not null")
        .await;
    assert_eq!(market.checkout(&wish).await.refused(), (409, "capacity"));
    market
        .stage
        .run("update hosts set capacity = 1 where price is not null")
        .await;
    let answer = market.post(&editor.jwt, "/checkout/sessions", &wish).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut next = wish.clone();
    next["agentKey"] = json!("agent:owl:main");
    assert_eq!(
        market.checkout(&next).await.refused(),
        (409, "capacity"),
        "it is kept for who came first"
    );
}

#[tokio::test]
async fn the_portal_is_for_who_may_change_what_is_paid() {
    let market = Market::new().await;
    let body = json!({ "projectId": market.stage.project, "returnUrl": PAGE });
    let owner = &market.stage.owner.jwt;
    let none = market.post(owner, "/checkout/portal", &body).await;
    assert_eq!(none.refused(), (404, "no_customer"));
    let answer = market.checkout(&market.wish()).await;
    let paid = market.stripe.pay(&session_of(&answer)).expect("pay");
    market.deliver_well().await;
    let answer = market.post(owner, "/checkout/portal", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let portal = market
        .stripe
        .object(&session_of(&answer))
        .expect("a session of the portal");
    assert_eq!(portal["customer"], json!(paid.customer));
    // Of several customers a subscription names its own.
    let mut one = body.clone();
    one["subscriptionId"] = json!(paid.subscription);
    assert_eq!(market.post(owner, "/checkout/portal", &one).await.status, 200);
    one["subscriptionId"] = json!("sub_of_somebody_else");
    assert_eq!(
        market.post(owner, "/checkout/portal", &one).await.refused(),
        (404, "no_customer")
    );
    let viewer = market.stage.member("viewer").await;
    for token in [&viewer.jwt, &market.landlord.jwt] {
        assert_eq!(
            market.post(token, "/checkout/portal", &body).await.refused(),
            (404, "no_customer")
        );
    }
    let mut evil = body;
    evil["returnUrl"] = json!("https://evil.example/");
    assert_eq!(
        market.post(owner, "/checkout/portal", &evil).await.refused(),
        (422, "invalid")
    );
    // The next agent of the project is paid for by the same customer.
    let mut next = market.wish();
    next["agentKey"] = json!("agent:owl:main");
    let answer = market.checkout(&next).await;
    let session = market.stripe.object(&session_of(&answer)).expect("a session");
    assert_eq!(session["customer"], json!(paid.customer));
}

#[tokio::test]
async fn whoever_owns_a_host_gets_one_account_and_is_payable_when_stripe_says_so() {
    let market = Market::opening().await;
    assert_eq!(
        market.checkout(&market.wish()).await.refused(),
        (409, "not_payable")
    );
    let tenant = market
        .stage
        .db
        .user("tenant@example.com")
        .await
        .expect("make a person");
    assert_eq!(market.onboard(&tenant).await.refused(), (409, "no_host"));
    assert_eq!(market.stripe.objects("account").len(), 0);

    market.stripe.fail_next(Fault::LoseReply);
    let answer = market.onboard(&market.landlord).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let account = market.account().await.expect("an account");
    assert!(
        answer.body["url"]
            .as_str()
            .is_some_and(|url| url.ends_with(&account))
    );
    assert_eq!(
        market.onboard(&market.landlord).await.status,
        200,
        "and may go on"
    );
    let accounts = market.stripe.objects("account");
    assert_eq!(accounts.len(), 1);
    assert_eq!(
        accounts[0]["metadata"],
        json!({ "creel_owner": market.landlord.id })
    );

    assert_eq!(
        market.checkout(&market.wish()).await.refused(),
        (409, "not_payable")
    );
    market.stripe.onboard(&account).expect("onboard");
    market.deliver_well().await;
    assert_eq!(market.checkout(&market.wish()).await.status, 200);
    market
        .stripe
        .restrict(&account, "individual.id_number")
        .expect("restrict");
    market.deliver_well().await;
    let mut next = market.wish();
    next["agentKey"] = json!("agent:owl:main");
    assert_eq!(market.checkout(&next).await.refused(), (409, "not_payable"));
}

#[tokio::test]
async fn an_account_that_lost_its_rights_meanwhile_is_named_so() {
    let market = Market::new().await;
    let account = market.account().await.expect("an account");
    // Stripe knows, and has not said so yet.
    market
        .stripe
        .restrict(&account, "external_account")
        .expect("restrict");
    assert_eq!(
        market.checkout(&market.wish()).await.refused(),
        (409, "not_payable")
    );
    market.stripe.onboard(&account).expect("onboard");
    assert_eq!(
        market.checkout(&market.wish()).await.status,
        200,
        "{SCOUT} may be had now"
    );
}

#[tokio::test]
async fn a_fault_that_stripe_keeps_for_a_day_stops_nobody() {
    let market = Market::opening().await;
    market
        .stripe
        .fail_next_at("POST /v1/accounts", Fault::Answer(500));
    let answer = market.onboard(&market.landlord).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let account = market.account().await.expect("an account");
    market.stripe.onboard(&account).expect("onboard");
    market.deliver_well().await;
    for _ in 0..2 {
        market
            .stripe
            .fail_next_at("POST /v1/checkout/sessions", Fault::Answer(500));
    }
    let answer = market.checkout(&market.wish()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(market.stripe.objects("checkout.session").len(), 1);
}

#[tokio::test]
async fn whoever_comes_back_after_stripe_was_away_may_pay() {
    let market = Market::new().await;
    market.stripe.fail_always(Some(Fault::Answer(503)));
    assert_eq!(
        market.checkout(&market.wish()).await.refused(),
        (502, "stripe_unavailable")
    );
    market.stripe.fail_always(None);
    market.stripe.advance(10 * 60);
    let answer = market.checkout(&market.wish()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn whether_an_owner_may_be_paid_is_what_stripe_says_of_transfers() {
    let market = Market::new().await;
    let account = market.account().await.expect("an account");
    market.stripe.decide(&account, true, false).expect("decide");
    market.deliver_well().await;
    market.stripe.take_calls();
    assert_eq!(
        market.checkout(&market.wish()).await.refused(),
        (409, "not_payable")
    );
    assert_eq!(market.stripe.take_calls(), [""; 0], "no place is kept in vain");
    market.stripe.decide(&account, false, true).expect("decide");
    market.deliver_well().await;
    assert_eq!(market.checkout(&market.wish()).await.status, 200);
}
