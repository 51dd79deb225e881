//! What the database or its gateway says stays inside; what a caller reads is in our own words.

use std::time::{Duration, Instant};

use axum::Extension;
use creel_functions::deadline::Deadline;
use serde_json::{Value, json};

use crate::proxy::Rule;
use crate::stage::{Answer, SCOUT, Stage};

/// Words that only the database knows.
const INSIDE: [&str; 12] = [
    "agent_provision_requests",
    "public.",
    "creel.",
    "insert into",
    "select ",
    "constraint",
    "relation",
    "Failing row",
    "PGRST",
    "PT4",
    "JWS",
    "sqlstate",
];

fn assert_own_words(answer: &Answer) {
    let said = answer.body.to_string();
    for word in INSIDE {
        assert!(
            !said.to_lowercase().contains(&word.to_lowercase()),
            "{word}: {said}"
        );
    }
}

fn postgrest(code: &str) -> String {
    json!({
        "code": code,
        "message": "insert into public.agent_provision_requests: relation \"creel.items\" violates constraint",
        "details": "Failing row contains (sk_live_secret).",
        "hint": "select pg_sleep(1)",
    })
    .to_string()
}

#[tokio::test]
async fn database_text_never_leaves() {
    let stage = Stage::new().await;
    for (status, body, expected) in [
        (401, postgrest("PGRST301"), (401, "unauthenticated")),
        (403, postgrest("42501"), (403, "forbidden")),
        (404, postgrest("PT404"), (404, "not_found")),
        (404, postgrest("PGRST202"), (502, "not_installed")),
        (409, postgrest("23505"), (409, "conflict")),
        (400, postgrest("23514"), (422, "invalid")),
        (400, postgrest("P0001"), (422, "invalid")),
        (429, postgrest("PT429"), (429, "quota")),
        (429, "slow down".to_owned(), (429, "rate_limited")),
        (500, postgrest("XX000"), (502, "project_unavailable")),
        (500, postgrest("57014"), (504, "project_timed_out")),
        (503, postgrest("PGRST001"), (502, "project_unavailable")),
        (504, "<html>gateway</html>".to_owned(), (504, "project_timed_out")),
        (
            401,
            r#"{"message":"Invalid API key"}"#.to_owned(),
            (502, "misconfigured"),
        ),
        (404, "<html>".to_owned(), (502, "misconfigured")),
        (
            200,
            "<html>a login page</html>".to_owned(),
            (502, "project_unavailable"),
        ),
        (200, "{}".to_owned(), (502, "project_unavailable")),
        (302, String::new(), (502, "project_unavailable")),
    ] {
        stage.proxy.always(Rule::Answer(status, body.clone()));
        let answer = stage.provision(SCOUT).await;
        assert_eq!(answer.refused(), expected, "{status} {body}");
        assert_own_words(&answer);
        assert!(!answer.body.to_string().contains("secret"), "{answer:?}");
    }
}

#[tokio::test]
async fn quotas_and_checks_of_the_real_database_are_told_in_our_words() {
    let stage = Stage::new().await;
    let body = json!({ "agentKey": SCOUT, "displayName": "a", "projectId": "p".repeat(1000) });
    let unknown = stage.ask(&stage.owner.jwt, "/agents/provision", &body).await;
    assert_eq!(unknown.refused(), (403, "forbidden"));
    assert_own_words(&unknown);
    stage
        .run("update creel.settings set max_open_requests_per_project = 1")
        .await;
    assert_eq!(stage.provision("agent:one:main").await.status, 202);
    let full = stage.provision("agent:two:main").await;
    assert_eq!(full.refused(), (429, "quota"));
    assert_own_words(&full);
    assert_eq!(stage.count("agents").await, 1, "a refused wish leaves nothing");
}

#[tokio::test]
async fn what_changed_nothing_is_tried_again() {
    let stage = Stage::new().await;
    stage.proxy.next(Rule::Answer(500, postgrest("40P01")));
    stage.proxy.next(Rule::Answer(503, postgrest("PGRST001")));
    assert_eq!(stage.provision(SCOUT).await.status, 202);
    assert_eq!(stage.proxy.calls().len(), 3);
    stage.proxy.always(Rule::Answer(403, postgrest("42501")));
    assert_eq!(stage.provision(SCOUT).await.refused(), (403, "forbidden"));
    assert_eq!(stage.proxy.calls().len(), 1, "a refusal is not tried again");
}

#[tokio::test]
async fn a_project_that_is_not_there_or_hangs_is_told_in_time() {
    let ends = Deadline(Instant::now() + Duration::from_secs(4));
    let stage = Stage::with(|routes| routes.layer(Extension(ends))).await;
    stage.proxy.always(Rule::Hang);
    let answer = stage.provision(SCOUT).await;
    assert_eq!(answer.refused(), (504, "project_timed_out"));
    assert!(
        Instant::now() < ends.0,
        "there is an answer before the platform ends the call"
    );

    let gone = Stage::new().await;
    let mut answers: Vec<Value> = Vec::new();
    gone.proxy.stop().await;
    for answer in [gone.provision(SCOUT).await, gone.runtime(&gone.owner.jwt).await] {
        assert_eq!(answer.refused(), (502, "project_unavailable"));
        assert_own_words(&answer);
        answers.push(answer.body);
    }
    assert_eq!(answers[0], answers[1]);
}
