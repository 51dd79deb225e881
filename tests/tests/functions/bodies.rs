//! What is no request is answered, with what to do.

use axum::routing::get;
use reqwest::Method;
use serde_json::json;

use crate::stage::{ORIGIN, SCOUT, Stage, send};

#[tokio::test]
async fn what_cannot_be_read_is_refused_without_a_call() {
    let stage = Stage::new().await;
    let post = |body: Vec<u8>| {
        let request = stage.request(Method::POST, "/agents/provision");
        let request = request.bearer_auth(&stage.owner.jwt);
        send(request.header("x-clawdos-project", &stage.project).body(body))
    };
    let good = json!({ "agentKey": SCOUT }).to_string();
    for body in [
        Vec::new(),
        b"{".to_vec(),
        b"agentKey=x".to_vec(),
        good.as_bytes()[..10].to_vec(),
        b"{\"agentKey\":\"agent:sc\xffout:main\"}".to_vec(),
        b"{\"agentKey\":\"agent:scout:main\",\"emoji\":\"\\ud800\"}".to_vec(),
        b"{\"agentKey\":[\"agent:scout:main\"]}".to_vec(),
        vec![b'['; 50_000],
        vec![0; 64],
    ] {
        let shown = String::from_utf8_lossy(&body)
            .chars()
            .take(40)
            .collect::<String>();
        assert_eq!(post(body).await.refused(), (400, "bad_request"), "{shown}");
    }
    let invalid = post(br#"{"agentKey":"agent:../x:main"}"#.to_vec()).await;
    assert_eq!(invalid.refused(), (422, "invalid"));
    let long = json!({ "agentKey": SCOUT, "displayName": "x".repeat(300_000) }).to_string();
    assert_eq!(post(long.into_bytes()).await.refused(), (413, "too_large"));
    assert_eq!(stage.proxy.calls(), [""; 0]);
    assert_eq!(post(good.into_bytes()).await.status, 202);
}

#[tokio::test]
async fn the_project_is_named_once_or_twice_but_not_differently() {
    let stage = Stage::new().await;
    let ask = |header: Option<&str>, body: Option<&str>| {
        let mut request = stage.request(Method::POST, "/api/agents/provision");
        if let Some(header) = header {
            request = request.header("x-clawdos-project", header);
        }
        let body = json!({ "agentKey": SCOUT, "projectId": body });
        send(request.bearer_auth(&stage.owner.jwt).json(&body))
    };
    let project = stage.project.as_str();
    assert_eq!(ask(Some(project), None).await.status, 202);
    assert_eq!(ask(None, Some(project)).await.status, 202);
    assert_eq!(ask(Some(project), Some(project)).await.status, 202);
    stage.proxy.calls();
    assert_eq!(
        ask(Some(project), Some("other")).await.refused(),
        (400, "bad_request")
    );
    assert_eq!(ask(None, None).await.refused(), (400, "bad_request"));
    assert_eq!(stage.proxy.calls(), [""; 0]);
}

#[tokio::test]
async fn other_paths_and_methods_are_told_what_there_is() {
    let stage = Stage::new().await;
    for (method, path, expected) in [
        (Method::GET, "/", (404, "no_route")),
        (Method::GET, "/agents", (404, "no_route")),
        (Method::GET, "/agents/runtime/x", (404, "no_route")),
        (Method::GET, "/api/nothing", (404, "no_route")),
        (Method::GET, "/api/api/agents/runtime", (404, "no_route")),
        (Method::GET, "/agents/provision", (405, "wrong_method")),
        (Method::PUT, "/api/agents/provision", (405, "wrong_method")),
        (Method::POST, "/agents/runtime", (405, "wrong_method")),
        (Method::PATCH, "/agents/agent:x:main", (405, "wrong_method")),
        (Method::DELETE, "/agents/%ff", (400, "bad_request")),
        (Method::POST, "/agents/provision?wait=soon", (400, "bad_request")),
        (Method::POST, "/agents/provision?wait=-1", (400, "bad_request")),
        (
            Method::GET,
            "/agents/runtime?projectId=a&projectId=b",
            (400, "bad_request"),
        ),
    ] {
        let request = stage.request(method.clone(), path).bearer_auth(&stage.owner.jwt);
        assert_eq!(send(request).await.refused(), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_ends_nothing() {
    async fn breaks() -> &'static str {
        panic!("the table public.agents is odd")
    }
    let stage = Stage::with(|routes| routes.route("/panic", get(breaks))).await;
    for _ in 0..3 {
        let answer = send(stage.request(Method::GET, "/panic").header("origin", ORIGIN)).await;
        assert_eq!(answer.refused(), (500, "internal"));
        assert!(!answer.body.to_string().contains("odd"), "{answer:?}");
    }
    assert_eq!(stage.provision(SCOUT).await.status, 202);
}
