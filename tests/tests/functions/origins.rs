//! Pages of the allowed origins may read the answers; pages of others may not.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::stage::{ORIGIN, SCOUT, Stage};

async fn ask(stage: &Stage, origin: &str, preflight: bool) -> (StatusCode, HeaderMap) {
    let request = if preflight {
        stage
            .request(Method::OPTIONS, "/agents/provision")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,x-clawdos-project",
            )
    } else {
        stage
            .request(Method::POST, "/agents/provision")
            .bearer_auth(&stage.owner.jwt)
            .json(&json!({ "agentKey": SCOUT, "projectId": stage.project }))
    };
    let answer = request.header("origin", origin).send().await.expect("it answers");
    (answer.status(), answer.headers().clone())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn the_page_is_let_in_before_and_with_its_request() {
    let stage = Stage::new().await;
    let (status, headers) = ask(&stage, ORIGIN, true).await;
    assert!(status.is_success(), "{status}");
    assert_eq!(text(&headers, "access-control-allow-origin"), ORIGIN);
    assert!(text(&headers, "access-control-allow-methods").contains("DELETE"));
    for name in [
        "authorization",
        "content-type",
        "x-clawdos-project",
        "idempotency-key",
        "apikey",
    ] {
        assert!(
            text(&headers, "access-control-allow-headers").contains(name),
            "{name}"
        );
    }
    assert_eq!(
        stage.proxy.calls(),
        [""; 0],
        "a question before the request costs no call"
    );
    let (status, headers) = ask(&stage, ORIGIN, false).await;
    assert_eq!(status, 202);
    assert_eq!(text(&headers, "access-control-allow-origin"), ORIGIN);
    assert!(text(&headers, "vary").to_lowercase().contains("origin"));
    // The browser hides an error without it, and its page shows none of our words.
    let refused = stage.request(Method::GET, "/nothing").header("origin", ORIGIN);
    let refused = refused.send().await.expect("it answers");
    assert_eq!(text(refused.headers(), "access-control-allow-origin"), ORIGIN);
}

#[tokio::test]
async fn other_pages_are_not_let_in() {
    let stage = Stage::new().await;
    for origin in [
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "http://localhost:5173",
        "null",
    ] {
        for preflight in [true, false] {
            let (_, headers) = ask(&stage, origin, preflight).await;
            assert_eq!(headers.get("access-control-allow-origin"), None, "{origin}");
        }
    }
}
