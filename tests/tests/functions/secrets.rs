//! What AWS keeps is read while a function starts, signed as AWS's own library signs; and what cannot be read is named.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use creel_tests::wait::eventually;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::aws::{Aws, SECRET_KEY, SESSION_TOKEN};
use crate::emulator::{Emulator, event};
use crate::stage::SOON;

const API_KEY: &str = "rk_test_0123456789abcdefghij";
const STRIPE_KEY: &str = "0123456789abcdef0123456789abcdef";
const PLATFORM: &str = "whsec_0123456789abcdef0123456789abcdef";
const CONNECT: &str = "whsec_fedcba9876543210fedcba9876543210";

/// A secret of Secrets Manager; the others are parameters.
const CONNECT_ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:creel/connect-AbCdEf";

/// A parameter by its ARN, as one may name it too.
const PLATFORM_ARN: &str =
    "arn:aws:ssm:eu-central-1:123456789012:parameter/creel/stripe/STRIPE_WEBHOOK_SECRET";

/// Nobody listens there: what is refused before it comes to the project is refused by the function.
const NOWHERE: &str = "http://127.0.0.1:9";

async fn start(aws: &Aws) -> Emulator {
    let mut settings = aws.environment();
    settings.extend([
        ("SUPABASE_URL", NOWHERE),
        ("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_x"),
        ("STRIPE_API_URL", NOWHERE),
        ("CREEL_STRIPE_KEY", "/creel/stripe/CREEL_STRIPE_KEY"),
        ("STRIPE_API_KEY", "/creel/stripe/STRIPE_API_KEY"),
        ("STRIPE_WEBHOOK_SECRET", PLATFORM_ARN),
        ("STRIPE_CONNECT_WEBHOOK_SECRET", CONNECT_ARN),
    ]);
    Emulator::start_function("stripe", &settings).await
}

async fn aws() -> Aws {
    let aws = Aws::start().await;
    aws.keep("/creel/stripe/CREEL_STRIPE_KEY", STRIPE_KEY);
    // As out of a file.
    aws.keep("/creel/stripe/STRIPE_API_KEY", &format!("{API_KEY}\n"));
    aws.keep(PLATFORM_ARN, PLATFORM);
    aws.keep(CONNECT_ARN, CONNECT);
    aws
}

/// A delivery that is signed by a secret; answers the status.
async fn deliver(emulator: &Emulator, path: &str, secret: &str) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = now.as_secs();
    let body = json!({
        "id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "created": now, "livemode": false,
        "type": "customer.updated", "data": { "object": { "id": "cus_1", "object": "customer" } },
    });
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(format!("{now}.{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let headers =
        json!({ "stripe-signature": format!("t={now},v1={signature}"), "content-type": "application/json" });
    emulator
        .ask(&event("POST", path, &headers, Some(&body), false))
        .await
        .0
}

/// Waits until the function has ended, as one does that cannot start; answers what it wrote.
async fn end(emulator: &mut Emulator) -> String {
    eventually("the function ends", SOON, async || !emulator.is_running()).await;
    emulator.log()
}

fn shows_no_secret(text: &str) {
    for secret in [API_KEY, STRIPE_KEY, PLATFORM, CONNECT, SECRET_KEY, SESSION_TOKEN] {
        assert!(!text.contains(secret), "a secret is in the log: {text}");
    }
}

#[tokio::test]
async fn a_function_reads_its_secrets_once_and_before_its_first_request() {
    let aws = aws().await;
    let emulator = start(&aws).await;
    for (path, right, wrong) in [
        ("/stripe/events", PLATFORM, CONNECT),
        ("/stripe/connect", CONNECT, PLATFORM),
    ] {
        // The project cannot be reached, which is known only of what is believed.
        assert_eq!(deliver(&emulator, path, right).await, 503, "{path}");
        assert_eq!(deliver(&emulator, path, wrong).await, 400, "{path}");
    }
    let asked = aws.asked();
    let targets: BTreeSet<&str> = asked
        .iter()
        .filter_map(|one| one["headers"]["x-amz-target"].as_str())
        .collect();
    assert_eq!(
        targets,
        BTreeSet::from(["AmazonSSM.GetParameters", "secretsmanager.GetSecretValue"])
    );
    // Those without a region in their name, the one with one, and the one of the other store.
    assert_eq!(asked.len(), 3, "{asked:#?}");
    shows_no_secret(&emulator.log());
}

#[tokio::test]
async fn a_request_is_signed_as_by_awss_own_library() {
    let aws = aws().await;
    let emulator = start(&aws).await;
    assert_eq!(deliver(&emulator, "/stripe/events", PLATFORM).await, 503);
    let signatures = aws.signatures();
    assert_eq!(signatures.len(), 3);
    for (theirs, ours) in signatures {
        assert_eq!(theirs, ours);
    }
}

#[tokio::test]
async fn a_store_that_is_busy_is_asked_again() {
    let aws = aws().await;
    aws.refuse(&[
        (StatusCode::BAD_REQUEST, "ThrottlingException"),
        (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    ]);
    let emulator = start(&aws).await;
    assert_eq!(deliver(&emulator, "/stripe/events", PLATFORM).await, 503);
    assert_eq!(aws.asked().len(), 6);
}

#[tokio::test]
async fn a_function_that_may_not_read_its_secrets_ends_and_says_which() {
    let aws = aws().await;
    // Two of the three are refused for good, whichever come first.
    aws.refuse(&[(StatusCode::BAD_REQUEST, "AccessDeniedException"); 3]);
    let mut emulator = start(&aws).await;
    let log = end(&mut emulator).await;
    assert!(log.contains("failed to read the settings"), "{log}");
    assert!(
        log.contains("the role of the function must be allowed to read it"),
        "{log}"
    );
    assert!(log.contains("creel/"), "it says which: {log}");
    assert!(aws.asked().len() <= 3, "it is not asked again");
    shows_no_secret(&log);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let aws = Aws::start().await;
    aws.keep("/creel/stripe/CREEL_STRIPE_KEY", STRIPE_KEY);
    aws.keep(PLATFORM_ARN, PLATFORM);
    aws.keep(CONNECT_ARN, CONNECT);
    let mut emulator = start(&aws).await;
    let log = end(&mut emulator).await;
    assert!(
        log.contains("/creel/stripe/STRIPE_API_KEY has no text at AWS"),
        "{log}"
    );
    shows_no_secret(&log);
}

#[tokio::test]
async fn an_empty_secret_lets_nobody_in() {
    let aws = aws().await;
    let mut settings = aws.environment();
    settings.extend([
        ("SUPABASE_URL", NOWHERE),
        ("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_x"),
        ("CREEL_NOTIFIER_KEY", "/creel/notifications/CREEL_NOTIFIER_KEY"),
    ]);
    aws.keep("/creel/notifications/CREEL_NOTIFIER_KEY", " \n");
    let mut emulator = Emulator::start_function("notifications", &settings).await;
    let log = end(&mut emulator).await;
    assert!(log.contains("CREEL_NOTIFIER_KEY is empty"), "{log}");
}

#[tokio::test]
async fn the_projects_secret_key_is_refused_wherever_it_comes_from() {
    let (secret, kept) = ("sb_secret_0123456789abcdef", "/creel/kept");
    let aws = aws().await;
    aws.keep(kept, secret);
    let good = [
        ("SUPABASE_URL", NOWHERE),
        ("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_x"),
        ("CREEL_NOTIFIER_KEY", "creel_notifier_x"),
        ("CREEL_STRIPE_KEY", "creel_stripe_x"),
        ("STRIPE_API_KEY", API_KEY),
        ("STRIPE_WEBHOOK_SECRET", PLATFORM),
        ("STRIPE_CONNECT_WEBHOOK_SECRET", CONNECT),
    ];
    for (function, variable, given, hint) in [
        ("agents", "SUPABASE_PUBLISHABLE_KEY", secret, "sb_publishable_"),
        ("hosts", "SUPABASE_PUBLISHABLE_KEY", secret, "sb_publishable_"),
        (
            "notifications",
            "SUPABASE_PUBLISHABLE_KEY",
            secret,
            "sb_publishable_",
        ),
        (
            "notifications",
            "CREEL_NOTIFIER_KEY",
            secret,
            "creel key create notifications",
        ),
        (
            "notifications",
            "CREEL_NOTIFIER_KEY",
            kept,
            "creel key create notifications",
        ),
        ("stripe", "CREEL_STRIPE_KEY", kept, "creel key create stripe"),
        ("checkout", "CREEL_STRIPE_KEY", secret, "creel key create stripe"),
    ] {
        let mut settings = aws.environment();
        settings.extend(good.map(|(name, value)| (name, if name == variable { given } else { value })));
        let mut emulator = Emulator::start_function(function, &settings).await;
        let log = end(&mut emulator).await;
        assert!(
            log.contains("no part of Creel needs") && log.contains(variable) && log.contains(hint),
            "{function} {variable}: {log}"
        );
        assert!(!log.contains(secret), "{function}: a secret is in the log: {log}");
    }
}

#[tokio::test]
async fn who_is_not_on_aws_is_told_to_set_the_secret_itself() {
    let settings = [
        ("SUPABASE_URL", NOWHERE),
        ("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_x"),
        ("CREEL_NOTIFIER_KEY", "/creel/notifications/CREEL_NOTIFIER_KEY"),
    ];
    let mut emulator = Emulator::start_function("notifications", &settings).await;
    let log = end(&mut emulator).await;
    assert!(log.contains("AWS_ACCESS_KEY_ID is not set"), "{log}");
    assert!(log.contains("set the secret itself"), "{log}");
}

#[tokio::test]
async fn credentials_go_to_nobody_in_the_clear() {
    let aws = aws().await;
    let mut settings = aws.environment();
    settings.retain(|(name, _)| *name != "AWS_ENDPOINT_URL_SSM");
    settings.extend([
        ("AWS_ENDPOINT_URL_SSM", "http://ssm.eu-central-1.amazonaws.com"),
        ("SUPABASE_URL", NOWHERE),
        ("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_x"),
        ("CREEL_NOTIFIER_KEY", "/creel/notifications/CREEL_NOTIFIER_KEY"),
    ]);
    let mut emulator = Emulator::start_function("notifications", &settings).await;
    let log = end(&mut emulator).await;
    assert!(
        log.contains("write https://") && log.contains("--ssm-url"),
        "{log}"
    );
    assert_eq!(aws.asked(), Vec::<Value>::new());
}
