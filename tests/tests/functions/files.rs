//! Documents of agents over HTTP: read, written on a base, refused in a way that one can go on from.

use reqwest::Method;
use reqwest::header::{ETAG, HeaderMap, IF_MATCH, IF_NONE_MATCH};
use serde_json::{Value, json};

use crate::emulator::{Emulator, event};
use crate::proxy::Rule;
use crate::stage::{Answer, ORIGIN, SCOUT, Stage, send};

const SOUL: &str = "/agents/agent:scout:main/files/soul";

/// With an agent that no host has.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    let sql = format!(
        "insert into agents (project_id, agent_key) values ('{}', '{SCOUT}')",
        stage.project
    );
    stage.run(&sql).await;
    stage
}

/// A call as a person, with what it says of itself beside the body.
async fn ask(
    stage: &Stage,
    token: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> (u16, HeaderMap, Value) {
    let mut request = stage.request(method, path).bearer_auth(token);
    request = request.header("x-clawdos-project", &stage.project);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.expect("the function answers");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.expect("read it");
    (
        status,
        headers,
        serde_json::from_str(&text).unwrap_or(Value::Null),
    )
}

async fn get(stage: &Stage, path: &str) -> (u16, String, Value) {
    let (status, headers, body) = ask(stage, &stage.owner.jwt, Method::GET, path, &[], None).await;
    (status, tag(&headers), body)
}

async fn post(stage: &Stage, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
    let (status, _, body) = ask(stage, &stage.owner.jwt, Method::POST, path, headers, Some(&body)).await;
    (status, body)
}

fn tag(headers: &HeaderMap) -> String {
    let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok());
    tag.unwrap_or_default().to_owned()
}

fn refused(status: u16, body: Value) -> (u16, String) {
    let answer = Answer { status, body };
    let (status, code) = answer.refused();
    (status, code.to_owned())
}

#[tokio::test]
async fn a_document_is_written_on_what_was_read() {
    let stage = stage().await;
    let (status, empty, body) = get(&stage, SOUL).await;
    assert_eq!(
        (status, &body["version"], &body["content"]),
        (200, &json!(0), &json!(""))
    );
    let (status, body) = post(
        &stage,
        SOUL,
        &[(IF_MATCH.as_str(), &empty)],
        json!({ "content": "one" }),
    )
    .await;
    assert_eq!(
        (status, &body["version"], &body["syncState"], &body["hostOnline"]),
        (202, &json!(1), &json!("waiting"), &json!(false)),
        "{body}"
    );
    assert_eq!(
        (&body["agentKey"], &body["type"]),
        (&json!(SCOUT), &json!("soul"))
    );

    let (status, first, body) = get(&stage, &format!("/api{SOUL}")).await;
    assert_eq!(
        (status, &body["content"], &body["ok"]),
        (200, &json!("one"), &json!(true))
    );
    let known = [(IF_NONE_MATCH.as_str(), first.as_str())];
    let (status, headers, body) = ask(&stage, &stage.owner.jwt, Method::GET, SOUL, &known, None).await;
    assert_eq!((status, tag(&headers), body), (304, first.clone(), Value::Null));
    // It is another answer when the host has taken it.
    stage
        .run("update brain_docs set disk_sha256 = sha256, disk_version = version, sync_state = 'synced'")
        .await;
    let (status, headers, body) = ask(&stage, &stage.owner.jwt, Method::GET, SOUL, &known, None).await;
    assert_eq!((status, &body["syncState"]), (200, &json!("synced")));
    let second = tag(&headers);
    assert_ne!(first, second);

    let (status, body) = post(
        &stage,
        SOUL,
        &[(IF_MATCH.as_str(), &second)],
        json!({ "content": "two" }),
    )
    .await;
    assert_eq!((status, &body["version"]), (202, &json!(2)), "{body}");
    let (status, body) = post(
        &stage,
        SOUL,
        &[(IF_MATCH.as_str(), &second)],
        json!({ "content": "mine" }),
    )
    .await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (409, &json!("conflict")),
        "{body}"
    );
    assert_eq!(
        (
            &body["current"]["content"],
            &body["base"]["content"],
            &body["current"]["version"]
        ),
        (&json!("two"), &json!("one"), &json!(2))
    );
    let (status, body) = post(&stage, SOUL, &[], json!({ "content": "mine", "baseVersion": 1 })).await;
    assert_eq!(status, 409, "{body}");
    let base = body["current"]["sha256"].clone();
    let (status, body) = post(
        &stage,
        SOUL,
        &[],
        json!({ "content": "both", "baseSha256": base }),
    )
    .await;
    assert_eq!((status, &body["version"]), (202, &json!(3)), "{body}");
    let (status, body) = post(
        &stage,
        SOUL,
        &[],
        json!({ "content": "last", "projectId": stage.project }),
    )
    .await;
    assert_eq!((status, &body["version"]), (202, &json!(4)), "{body}");

    let (status, _, body) = get(&stage, &format!("{SOUL}?version=1")).await;
    assert_eq!(
        (status, &body["content"], &body["currentVersion"]),
        (200, &json!("one"), &json!(4))
    );
    let (status, _, body) = get(&stage, "/agents/agent:scout:main/files").await;
    assert_eq!((status, &body["files"][0]["type"]), (200, &json!("soul")));
    assert!(body["files"][0].get("content").is_none(), "{body}");
}

#[tokio::test]
async fn history_pages_and_a_version_is_restored() {
    let stage = stage().await;
    for content in ["one", "two", "three"] {
        post(&stage, SOUL, &[], json!({ "content": content })).await;
    }
    let (status, _, body) = get(&stage, &format!("{SOUL}/history?limit=2")).await;
    let numbers: Vec<_> = body["versions"]
        .as_array()
        .expect("versions")
        .iter()
        .map(|v| {
            (
                v["version"].clone(),
                v["authorKind"].clone(),
                v["baseVersion"].clone(),
            )
        })
        .collect();
    assert_eq!(status, 200);
    assert_eq!(
        numbers,
        [
            (json!(3), json!("person"), json!(2)),
            (json!(2), json!("person"), json!(1))
        ]
    );
    let (_, _, body) = get(&stage, &format!("{SOUL}/history?before=2")).await;
    assert_eq!(body["versions"].as_array().map(Vec::len), Some(1));

    let restore = format!("{SOUL}/restore");
    let (status, body) = post(&stage, &restore, &[], json!({ "version": 1, "baseVersion": 2 })).await;
    assert_eq!(
        (status, &body["current"]["content"]),
        (409, &json!("three")),
        "{body}"
    );
    let (status, body) = post(&stage, &restore, &[], json!({ "version": 1, "baseVersion": 3 })).await;
    assert_eq!((status, &body["version"]), (202, &json!(4)), "{body}");
    let (_, _, body) = get(&stage, SOUL).await;
    assert_eq!(body["content"], json!("one"));
    for (body, expected) in [
        (json!({ "version": 99 }), (404, "unknown_version")),
        (json!({}), (400, "bad_request")),
        (json!({ "version": "one" }), (400, "bad_request")),
        (json!({ "version": -1 }), (400, "bad_request")),
    ] {
        let (status, answer) = post(&stage, &restore, &[], body.clone()).await;
        assert_eq!(
            refused(status, answer),
            (expected.0, expected.1.to_owned()),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_is_held_is_resolved_by_one_call() {
    let stage = stage().await;
    post(&stage, SOUL, &[], json!({ "content": "words" })).await;
    let hold = format!(
        "insert into brain_doc_contents (project_id, sha256, content) values ('{0}', creel.empty_sha256(), '');
         insert into brain_doc_versions (doc_id, project_id, agent_key, doc_type, version, sha256, author_kind, reason, side)
           select id, project_id, agent_key, doc_type, 2, creel.empty_sha256(), 'agent', 'held', true from brain_docs;
         update brain_docs set held_version = 2, last_version = 2, sync_state = 'held', disk_sha256 = sha256, disk_version = 1",
        stage.project
    );
    stage.run(&hold).await;
    let (_, held, body) = get(&stage, SOUL).await;
    assert_eq!(
        (&body["syncState"], &body["heldVersion"]),
        (&json!("held"), &json!(2))
    );
    assert!(held.contains("held"), "{held}");
    let resolve = format!("{SOUL}/resolve");
    let (status, body) = post(&stage, &resolve, &[], json!({ "take": "both" })).await;
    assert_eq!(refused(status, body), (400, "bad_request".to_owned()));
    let (status, body) = post(&stage, &resolve, &[], json!({ "take": "page" })).await;
    assert_eq!((status, &body["resolved"]), (202, &json!(true)), "{body}");
    let (_, _, body) = get(&stage, SOUL).await;
    assert_eq!(
        (&body["content"], &body["syncState"]),
        (&json!("words"), &json!("waiting"))
    );
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let stage = stage().await;
    let stranger = stage
        .db
        .user("stranger@example.com")
        .await
        .expect("make a person");
    let viewer = stage.member("viewer").await;
    let (status, _, body) = get(&stage, "/agents/agent:scout:main/files/diary").await;
    assert!(
        body["error"]["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("memory_today")),
        "{body}"
    );
    assert_eq!(refused(status, body), (404, "unknown_type".to_owned()));
    for (path, code) in [
        ("/agents/agent:x:main/files/soul", "unknown_agent"),
        ("/agents/agent:x:main/files/soul/history", "unknown_agent"),
        ("/agents/agent:scout:main/files/soul?version=7", "unknown_version"),
        ("/agents/agent:scout:main/files/soul/burn", "no_route"),
        ("/agents/agent:scout:main/files/SOUL.md/history", "unknown_type"),
    ] {
        let (status, _, body) = get(&stage, path).await;
        assert_eq!(refused(status, body), (404, code.to_owned()), "{path}");
    }
    let (status, body) = post(
        &stage,
        "/agents/agent:x:main/files/soul",
        &[],
        json!({ "content": "x" }),
    )
    .await;
    assert_eq!(refused(status, body), (404, "unknown_agent".to_owned()));

    let text = json!({ "content": "x" });
    for (who, method, expected) in [
        (&stranger.jwt, Method::GET, (404, "unknown_project")),
        (&stranger.jwt, Method::POST, (404, "unknown_project")),
        (&viewer.jwt, Method::POST, (403, "forbidden")),
        (&"a.b.c".to_owned(), Method::GET, (401, "unauthenticated")),
    ] {
        let body = (method == Method::POST).then_some(&text);
        let (status, _, answer) = ask(&stage, who, method.clone(), SOUL, &[], body).await;
        assert_eq!(
            refused(status, answer),
            (expected.0, expected.1.to_owned()),
            "{method}"
        );
    }
    let (status, _, body) = ask(&stage, &viewer.jwt, Method::GET, SOUL, &[], None).await;
    assert_eq!((status, &body["version"]), (200, &json!(0)), "{body}");
    assert_eq!(stage.count("brain_docs").await, 0);
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_without_a_call() {
    let stage = stage().await;
    stage.proxy.calls();
    let at = |body: Vec<u8>| {
        let request = stage.request(Method::POST, SOUL).bearer_auth(&stage.owner.jwt);
        send(request.header("x-clawdos-project", &stage.project).body(body))
    };
    for body in [
        b"".to_vec(),
        b"{".to_vec(),
        b"words".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        br#"{"content":7}"#.to_vec(),
        br#"{"content":"x","baseVersion":"1"}"#.to_vec(),
        br#"{"content":"x","baseVersion":-1}"#.to_vec(),
        br#"{"content":"x","projectId":"other"}"#.to_vec(),
        b"{\"content\":\"\xff\"}".to_vec(),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(at(body).await.refused(), (400, "bad_request"), "{shown}");
    }
    assert_eq!(
        at(br#"{"content":"a\u0000b"}"#.to_vec()).await.refused(),
        (422, "invalid")
    );
    let too_long = json!({ "content": "x".repeat(1_048_577) }).to_string();
    assert_eq!(at(too_long.into_bytes()).await.refused(), (413, "too_large"));
    let far_too_long = json!({ "content": "x".repeat(7_000_000) }).to_string();
    assert_eq!(at(far_too_long.into_bytes()).await.refused(), (413, "too_large"));
    for (headers, path) in [
        (&[(IF_MATCH.as_str(), "*")][..], SOUL.to_owned()),
        (&[(IF_MATCH.as_str(), "\"soon\"")], SOUL.to_owned()),
        (&[], format!("{SOUL}?wait=soon")),
        (&[], "/agents/%ff/files/soul".to_owned()),
    ] {
        let (status, body) = post(&stage, &path, headers, json!({ "content": "x" })).await;
        assert_eq!(
            refused(status, body),
            (400, "bad_request".to_owned()),
            "{path} {headers:?}"
        );
    }
    let both = json!({ "content": "x", "baseVersion": 2 });
    let (status, body) = post(&stage, SOUL, &[(IF_MATCH.as_str(), "\"3-a\"")], both).await;
    assert_eq!(refused(status, body), (400, "bad_request".to_owned()));
    assert_eq!(stage.proxy.calls(), [""; 0]);

    // The longest text, in its longest form.
    let longest = format!("{{\"content\":\"{}\"}}", "\\u0001".repeat(1_048_576));
    assert_eq!(at(longest.into_bytes()).await.status, 202);
    assert_eq!(stage.proxy.calls(), ["POST /rest/v1/rpc/write_doc"]);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_where_that_is_harmless() {
    let stage = stage().await;
    stage.proxy.calls();
    stage.proxy.next(Rule::LoseReply);
    let (status, body) = post(&stage, SOUL, &[], json!({ "content": "one", "baseVersion": 0 })).await;
    assert_eq!((status, &body["version"]), (202, &json!(1)), "{body}");
    assert_eq!(stage.proxy.calls().len(), 2);
    stage.proxy.next(Rule::LoseReply);
    let (status, body) = post(&stage, SOUL, &[], json!({ "content": "two" })).await;
    assert_eq!(
        refused(status, body),
        (502, "project_unavailable".to_owned()),
        "the last word is said once"
    );
    assert_eq!(stage.proxy.calls().len(), 1);
    let (_, _, body) = get(&stage, SOUL).await;
    assert_eq!(body["version"], json!(2));
}

#[tokio::test]
async fn an_agent_that_is_named_like_a_path_has_documents() {
    let stage = stage().await;
    for name in ["provision", "runtime", "files"] {
        let sql = format!(
            "insert into agents (project_id, agent_key) values ('{}', '{name}')",
            stage.project
        );
        stage.run(&sql).await;
        let path = format!("/agents/{name}/files/soul");
        let (status, body) = post(&stage, &path, &[], json!({ "content": name })).await;
        assert_eq!(status, 202, "{name}: {body}");
        let (status, _, body) = get(&stage, &path).await;
        assert_eq!((status, &body["content"]), (200, &json!(name)));
    }
}

#[tokio::test]
async fn a_page_may_send_its_base_and_read_the_tag() {
    let stage = stage().await;
    let question = stage
        .request(Method::OPTIONS, SOUL)
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "if-match")
        .send()
        .await
        .expect("it answers");
    let allowed = question.headers()["access-control-allow-headers"]
        .to_str()
        .expect("a text");
    assert!(
        allowed.contains("if-match") && allowed.contains("if-none-match"),
        "{allowed}"
    );
    let from_page = [("origin", ORIGIN)];
    let (_, headers, _) = ask(&stage, &stage.owner.jwt, Method::GET, SOUL, &from_page, None).await;
    assert_eq!(headers["access-control-expose-headers"], "etag");
    assert_eq!(headers["cache-control"], "private, no-cache");
}

#[tokio::test]
async fn on_lambda_it_is_the_same_with_text_and_base64_bodies() {
    let stage = stage().await;
    let emulator = Emulator::start(&stage).await;
    let own = |more: Value| {
        let mut headers = json!({
            "authorization": format!("Bearer {}", stage.owner.jwt),
            "content-type": "application/json",
            "x-clawdos-project": stage.project,
        });
        let members = headers.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        headers
    };
    let path = "/agents/agent%3Ascout%3Amain/files/memory_long";
    let text = json!({ "content": "Grüße 🦉" }).to_string();
    let made = event("POST", path, &own(json!({})), Some(&text), false);
    let (status, body) = emulator.ask(&made).await;
    assert_eq!((status, &body["version"]), (202, &json!(1)), "{body}");
    // {"content":"aus base64"}
    let encoded = "eyJjb250ZW50IjoiYXVzIGJhc2U2NCJ9";
    let if_match = own(json!({ "if-match": "\"1-x\"" }));
    let sent = event("POST", path, &if_match, Some(encoded), true);
    let (status, body) = emulator.ask(&sent).await;
    assert_eq!((status, &body["version"]), (202, &json!(2)), "{body}");
    let (status, body) = emulator
        .ask(&event("POST", path, &if_match, Some(&text), false))
        .await;
    assert_eq!(
        (status, &body["current"]["content"]),
        (409, &json!("aus base64")),
        "{body}"
    );
    let (status, read) = emulator
        .invoke(event("GET", path, &own(json!({})), None, false).to_string())
        .await;
    assert_eq!(status, 200);
    let read: Value = serde_json::from_str(&read).expect("JSON");
    assert_eq!(read["isBase64Encoded"], json!(false));
    let tag = read["headers"]["etag"].as_str().expect("a tag");
    let known = event("GET", path, &own(json!({ "if-none-match": tag })), None, false);
    let (_, known) = emulator.invoke(known.to_string()).await;
    let known: Value = serde_json::from_str(&known).expect("JSON");
    assert_eq!(known["statusCode"], json!(304), "{known}");
    let (status, body) = emulator
        .ask(&event(
            "GET",
            &format!("{path}/history"),
            &own(json!({})),
            None,
            false,
        ))
        .await;
    assert_eq!(
        (status, body["versions"].as_array().map(Vec::len)),
        (200, Some(2))
    );
}
