//! The function's own program answers on AWS Lambda as the router does elsewhere.

use reqwest::Method;
use serde_json::{Value, json};

use crate::emulator::{Emulator, event};
use crate::stage::{ORIGIN, SCOUT, Stage};

/// `{"agentKey":"agent:scout:main"}`, in base64.
const SCOUT_BASE64: &str = "eyJhZ2VudEtleSI6ImFnZW50OnNjb3V0Om1haW4ifQ==";

fn headers(stage: &Stage, token: &str) -> Value {
    json!({
        "authorization": format!("Bearer {token}"),
        "content-type": "application/json",
        "x-clawdos-project": stage.project,
        "origin": ORIGIN,
    })
}

#[tokio::test]
async fn text_and_base64_bodies_are_the_same_wish() {
    let stage = Stage::new().await;
    let emulator = Emulator::start(&stage).await;
    let own = headers(&stage, &stage.owner.jwt);
    let text = json!({ "agentKey": SCOUT }).to_string();
    let mut ids = Vec::new();
    for (body, is_base64) in [(text.as_str(), false), (SCOUT_BASE64, true)] {
        let (status, answer) = emulator
            .ask(&event("POST", "/agents/provision", &own, Some(body), is_base64))
            .await;
        assert_eq!(status, 202, "{answer}");
        ids.push(answer["requestId"].clone());
        assert_eq!(stage.proxy.calls(), ["POST /rest/v1/rpc/request_provision"]);
    }
    assert_eq!(ids[0], ids[1]);
    // And as an HTTP client sends it, with the event made by the emulator.
    let sent = emulator.request(Method::POST, "/api/agents/provision").body(text);
    let sent = sent
        .bearer_auth(&stage.owner.jwt)
        .header("content-type", "application/json")
        .header("x-clawdos-project", &stage.project)
        .send()
        .await
        .expect("it answers");
    assert_eq!(sent.status(), 202);
    let sent: Value = sent.json().await.expect("JSON");
    assert_eq!(sent["requestId"], ids[0]);

    let (status, answer) = emulator
        .ask(&event("GET", "/agents/runtime", &own, None, false))
        .await;
    assert_eq!((status, &answer["hosts"]), (200, &json!([])));
    let path = "/agents/agent%3Ascout%3Amain";
    let (status, answer) = emulator.ask(&event("DELETE", path, &own, None, false)).await;
    assert_eq!((status, &answer["status"]), (200, &json!("removed")));
}

#[tokio::test]
async fn row_security_decides_there_too() {
    let stage = Stage::new().await;
    let emulator = Emulator::start(&stage).await;
    let stranger = stage
        .db
        .user("stranger@example.com")
        .await
        .expect("make a person");
    let expired = stage.token(&stage.owner, -3600, &stage.jwt_secret());
    let forged = stage.token(
        &stage.owner,
        3600,
        "another secret, which is as long as it has to be",
    );
    let body = json!({ "agentKey": SCOUT }).to_string();
    for (token, expected) in [
        (stage.owner.jwt.as_str(), 202),
        (stranger.jwt.as_str(), 403),
        (expired.as_str(), 401),
        (forged.as_str(), 401),
        ("", 401),
    ] {
        let event = event(
            "POST",
            "/agents/provision",
            &headers(&stage, token),
            Some(&body),
            false,
        );
        let (status, answer) = emulator.ask(&event).await;
        assert_eq!(status, expected, "{answer}");
        assert_eq!(answer["ok"], json!(expected == 202));
    }
    let log = emulator.log();
    for secret in [&stage.owner.jwt, &stranger.jwt, stage.rest.publishable_key()] {
        assert!(!log.contains(secret), "no token and no key is logged");
    }
}

#[tokio::test]
async fn pages_are_let_in_and_only_those() {
    let stage = Stage::new().await;
    let emulator = Emulator::start(&stage).await;
    for (origin, expected) in [(ORIGIN, json!(ORIGIN)), ("https://evil.example", json!(null))] {
        let asked = json!({ "origin": origin, "access-control-request-method": "POST" });
        let (status, text) = emulator
            .invoke(event("OPTIONS", "/agents/provision", &asked, None, false).to_string())
            .await;
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            answer["headers"]["access-control-allow-origin"], expected,
            "{answer}"
        );
    }
}
