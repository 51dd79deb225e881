//! What is told arrives, signed and once, whatever receivers do; and nothing is reached that must not be.

use std::time::{Duration, Instant};

use creel_core::secret::Secret;
use creel_functions::notifications::{Call, Deliverer, KeyedOutbox, Outbox, Reach, deliver_due};
use creel_functions::settings::NotifierSettings;
use creel_local::notify::DirectOutbox;
use creel_tests::cluster::built_program;
use creel_tests::postgrest::As;
use serde_json::{Value, json};

use crate::emulator::Emulator;
use crate::receiver::Receiver;
use crate::stage::Stage;

/// The notifier's.
const KEY: &str = "creel_notifier_0123456789abcdef0123456789abcdef";

/// What is told in each of these tests.
const TEST: &str = "webhook.test";

struct Hook {
    id: String,
    secret: String,
}

async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage
        .run(&format!(
            "update creel.settings set webhooks_to_loopback = true;
             select creel.add_function_key('notifications', encode(sha256('{KEY}'), 'hex'), 'test')"
        ))
        .await;
    stage
}

async fn call(stage: &Stage, function: &str, argument: Value) -> Value {
    let answer = stage.rest.rpc(As::User(&stage.owner), function, &argument).await;
    answer.expect("call").expect_ok(function)
}

async fn add(stage: &Stage, url: &str) -> Hook {
    let made = call(
        stage,
        "create_webhook",
        json!({ "project_id": stage.project, "url": url }),
    )
    .await;
    let hook = Hook {
        id: made["id"].as_str().expect("an id").to_owned(),
        secret: made["secret"].as_str().expect("a secret").to_owned(),
    };
    call(stage, "test_webhook", json!({ "webhook_id": hook.id })).await;
    hook
}

fn settings(stage: &Stage, key: &str) -> NotifierSettings {
    NotifierSettings {
        supabase_url: stage.rest.url(),
        supabase_publishable_key: Secret::new(stage.rest.publishable_key()),
        creel_notifier_key: Secret::new(key),
        ssl_cert_file: None,
        lambda_runtime: None,
    }
}

/// One run, as the function makes it.
async fn deliver(stage: &Stage, reach: Reach) -> (usize, usize) {
    let outbox = KeyedOutbox::of(&settings(stage, KEY));
    let deliverer = Deliverer::new(None, reach).expect("a deliverer");
    let done = deliver_due(&outbox, &deliverer, Instant::now() + Duration::from_secs(60))
        .await
        .expect("deliver");
    (done.tried, done.arrived)
}

/// Status, attempts, reason and pause of what an address was told.
async fn state(stage: &Stage, url: &str) -> (String, i32, Option<String>, i32) {
    let sql = "select n.status, n.attempts, n.last_error, extract(epoch from n.not_before - now())::int
               from notifications n join webhooks w on w.id = n.webhook_id where w.url = $1";
    let row = stage.admin.query_one(sql, &[&url]).await.expect("read");
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

#[tokio::test]
async fn each_receiver_gets_what_its_answer_asks_for() {
    let stage = stage().await;
    let receiver = Receiver::start().await;
    let paths = [
        "/good",
        "/busy",
        "/hangs",
        "/elsewhere",
        "/gone",
        "/unknown",
        "/endless",
    ];
    let url = |path: &str| format!("{}{path}", receiver.url);
    let mut hooks = Vec::new();
    for path in paths {
        hooks.push(add(&stage, &url(path)).await);
    }
    let nobody = "http://127.0.0.1:1/";
    add(&stage, nobody).await;
    assert_eq!(
        deliver(&stage, Reach::LoopbackToo).await,
        (8, 2),
        "good and endless"
    );

    for (path, status, error) in [
        ("/good", "delivered", None),
        ("/endless", "delivered", None),
        ("/busy", "pending", Some("it answered 503")),
        ("/hangs", "pending", Some("it did not answer within 10 s")),
        (
            "/elsewhere",
            "pending",
            Some("it answered 307; redirects are not followed"),
        ),
        ("/unknown", "pending", Some("it answered 404")),
        ("/gone", "failed", Some("it answered 410")),
    ] {
        let found = state(&stage, &url(path)).await;
        assert_eq!(
            (found.0.as_str(), found.1, found.2.as_deref()),
            (status, 1, error),
            "{path}"
        );
    }
    assert_eq!(
        state(&stage, nobody).await.2.as_deref(),
        Some("it could not be reached, or its certificate is not trusted")
    );
    let busy = state(&stage, &url("/busy")).await.3;
    assert!(
        (1780..=1800).contains(&busy),
        "as long as it was asked to wait: {busy}"
    );
    let hangs = state(&stage, &url("/hangs")).await.3;
    assert!(
        hangs <= 18,
        "a quarter of a minute, and a fifth more at most: {hangs}"
    );
    assert_eq!(stage.count("webhooks where not enabled").await, 1, "gone");
    assert_eq!(
        stage.count("notifications where last_error like '%MARK%'").await,
        0
    );

    // All of them were told once, under their own ids, and can prove who it was.
    for (path, hook) in paths.iter().zip(&hooks) {
        let [told] = receiver.at(path).try_into().expect("one");
        assert!(told.is_signed_by(&hook.secret), "{path}");
        assert!(!told.is_signed_by("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
        let body: Value = serde_json::from_slice(&told.body).expect("JSON");
        assert_eq!(body["kind"], json!(TEST));
        assert_eq!(body["id"], json!(told.header("webhook-id")));
        assert_eq!(body["project_id"], json!(stage.project));
        assert_eq!(told.header("content-type"), "application/json");
    }
    assert_eq!(deliver(&stage, Reach::LoopbackToo).await, (0, 0), "none is due");

    // The same again is the same: the id stays, and time and signature are new.
    stage
        .run("update notifications set not_before = now() where last_error = 'it answered 503'")
        .await;
    assert_eq!(deliver(&stage, Reach::LoopbackToo).await, (1, 1));
    let [first, second] = receiver.at("/busy").try_into().expect("two");
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    assert!(second.is_signed_by(&hooks[1].secret));
}

#[tokio::test]
async fn whoever_knows_either_secret_verifies_what_is_told_after_a_rotation() {
    let stage = stage().await;
    let receiver = Receiver::start().await;
    // By a name, which is resolved before it is reached.
    let url = receiver.url.replace("127.0.0.1", "localhost");
    let hook = add(&stage, &url).await;
    let made = call(&stage, "rotate_webhook_secret", json!({ "webhook_id": hook.id })).await;
    let fresh = made["secret"].as_str().expect("a secret");
    assert_eq!(deliver(&stage, Reach::LoopbackToo).await, (1, 1));
    let [told] = receiver.at("/").try_into().expect("one");
    assert!(told.is_signed_by(&hook.secret) && told.is_signed_by(fresh));
}

#[tokio::test]
async fn a_deliverer_that_dies_leaves_it_to_the_next_under_the_same_id() {
    let stage = stage().await;
    let receiver = Receiver::start().await;
    add(&stage, &format!("{}/good", receiver.url)).await;
    // It delivered, and died before it could say so: the answer of its claim is all that there is.
    let outbox = KeyedOutbox::of(&settings(&stage, KEY));
    let held = outbox
        .call(Call::Claim, &json!({ "api": 1 }))
        .await
        .expect("claim");
    let held = held["notifications"][0].clone();
    assert_eq!(deliver(&stage, Reach::LoopbackToo).await, (0, 0), "it is held");
    stage
        .run("update creel.notification_leases set expires_at = now(); select sweep('{\"api\":1}'); update notifications set not_before = now()")
        .await;
    let direct = DirectOutbox::open(&stage.db.postgres_config())
        .await
        .expect("connect");
    let deliverer = Deliverer::new(None, Reach::LoopbackToo).expect("a deliverer");
    let done = deliver_due(&direct, &deliverer, Instant::now())
        .await
        .expect("deliver");
    assert_eq!((done.tried, done.arrived), (1, 1), "by the other way in");
    let [told] = receiver.at("/good").try_into().expect("one");
    assert_eq!(json!(told.header("webhook-id")), held["id"]);
    let late = json!({ "id": held["id"], "token": held["token"], "outcome": "retry" });
    let late = outbox
        .call(Call::Finish, &json!({ "api": 1, "items": [late] }))
        .await;
    assert_eq!(late.expect("an answer")["items"][0]["applied"], json!(false));
    assert_eq!(stage.count("notifications where status = 'delivered'").await, 1);
}

#[tokio::test]
async fn what_runs_for_a_hosted_project_does_not_reach_this_machine() {
    let stage = stage().await;
    let receiver = Receiver::start().await;
    add(&stage, &format!("{}/good", receiver.url)).await;
    add(&stage, "https://localhost/").await;
    let mut program = tokio::process::Command::new(built_program("notifications").expect("it is built"));
    let program = program
        .env_clear()
        .env("SUPABASE_URL", stage.rest.url())
        .env("SUPABASE_PUBLISHABLE_KEY", stage.rest.publishable_key())
        .env("CREEL_NOTIFIER_KEY", KEY)
        .output();
    let output = program.await.expect("run it");
    assert!(output.status.success(), "{output:?}");
    assert!(receiver.at("/good").is_empty());
    assert_eq!(
        stage
            .count("notifications where status = 'pending' and attempts = 1 and last_error ~ 'https'")
            .await,
        2
    );
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("whsec_") && !said.contains(KEY), "{said}");
}

#[tokio::test]
async fn only_the_notifiers_key_delivers() {
    let stage = stage().await;
    add(&stage, "https://example.com/").await;
    let stripes = "creel_stripe_0123456789abcdef0123456789abcdef";
    stage
        .run(&format!(
            "select creel.add_function_key('stripe', encode(sha256('{stripes}'), 'hex'), 'test')"
        ))
        .await;
    let deliverer = Deliverer::new(None, Reach::Internet).expect("a deliverer");
    for key in [
        stage.rest.publishable_key(),
        stage.rest.secret_key(),
        "creel_notifier_wrong",
        stripes,
        &stage.owner.jwt,
        "two\nlines",
        "",
    ] {
        let outbox = KeyedOutbox::of(&settings(&stage, key));
        let said = refused(&outbox, &deliverer).await;
        assert!(
            said.contains("creel key create notifications") && said.contains("CREEL_NOTIFIER_KEY"),
            "{said}"
        );
        assert!(key.is_empty() || !said.contains(key), "{said}");
    }
    // As whom one comes is the publishable key's to say, and a secret one makes it no notifier.
    for key in [stage.rest.secret_key(), "sb_publishable_wrong"] {
        let mut wrong = settings(&stage, KEY);
        wrong.supabase_publishable_key = Secret::new(key);
        refused(&KeyedOutbox::of(&wrong), &deliverer).await;
    }
    assert_eq!(stage.count("notifications where attempts = 0").await, 1);
    stage
        .run("select creel.revoke_function_key(id) from creel.function_keys")
        .await;
    refused(&KeyedOutbox::of(&settings(&stage, KEY)), &deliverer).await;
    assert_eq!(stage.count("notifications where attempts = 0").await, 1);
}

/// Why nothing is delivered.
async fn refused(outbox: &KeyedOutbox, deliverer: &Deliverer) -> String {
    let refused = deliver_due(outbox, deliverer, Instant::now()).await;
    format!("{:#}", refused.expect_err("it is refused"))
}

#[tokio::test]
async fn on_lambda_each_invocation_delivers_what_is_due_whatever_the_event_says() {
    let stage = stage().await;
    let url = stage.rest.url();
    let settings = [
        ("SUPABASE_URL", url.as_str()),
        ("SUPABASE_PUBLISHABLE_KEY", stage.rest.publishable_key()),
        ("CREEL_NOTIFIER_KEY", KEY),
    ];
    let mut emulator = Emulator::start_function("notifications", &settings).await;
    for (event, tried) in [
        (json!({}), 0),
        (
            json!({ "source": "aws.events", "detail-type": "Scheduled Event" }),
            1,
        ),
        (json!("nonsense"), 0),
    ] {
        if tried > 0 {
            add(&stage, "https://localhost/").await;
        }
        let (status, answer) = emulator.invoke(event.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer, json!({ "tried": tried, "arrived": 0 }), "{event}");
    }
    assert!(emulator.is_running());
    let log = emulator.log();
    assert!(!log.contains(KEY) && !log.contains("whsec_"), "{log}");
}
