//! What a server does that is not what it should be, and what the transport makes of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use creel_core::secret::Secret;
use futures_util::stream;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::RestConnector;
use crate::config::DataApiConfig;
use crate::host_key::HostKey;
use crate::transport::CallError;

/// For what answers at once.
const LIMIT: Duration = Duration::from_secs(10);
/// For what never answers.
const SHORT: Duration = Duration::from_millis(200);

/// A server that does what the name of the function says.
struct Server {
    url: String,
    seen: Arc<Seen>,
    folder: TempDir,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Seen {
    calls: AtomicUsize,
    /// Hosts are let in with these keys only; with any while there is none.
    good: Mutex<Vec<HostKey>>,
}

impl Server {
    async fn start() -> Self {
        let seen = Arc::<Seen>::default();
        let router = Router::new()
            .route("/rest/v1/rpc/{function}", post(answer))
            .with_state(seen.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serve");
        });
        let folder = tempfile::tempdir().expect("make a folder");
        HostKey::generate()
            .write(&folder.path().join("host.key"))
            .expect("write a key");
        Self {
            url,
            seen,
            folder,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    fn config(&self) -> DataApiConfig {
        let key = Some(Secret::new("sb_publishable_x"));
        let file = self.folder.path().join("host.key");
        DataApiConfig::new(&self.url, key, file, None, None).expect("a configuration")
    }

    fn connector(&self) -> RestConnector {
        RestConnector::new(&self.config()).expect("a connector")
    }

    /// Calls a function on a session of its own; answers what came of it, and whether the session ended by it.
    async fn call(&self, function: &str, limit: Duration) -> (Result<Value, CallError>, bool) {
        let session = self.connector().session();
        let answer = session.call(function, &json!({ "api": 1 }), limit).await;
        (answer, session.has_ended())
    }

    fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::Relaxed)
    }
}

async fn answer(
    State(seen): State<Arc<Seen>>,
    Path(function): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    seen.calls.fetch_add(1, Ordering::Relaxed);
    let key = headers["x-creel-host-key"].to_str().expect("text").to_owned();
    let good = seen.good.lock().expect("no holder panics").clone();
    if !good.is_empty() && !good.iter().any(|good| good.expose() == key) {
        let said = json!({ "code": "PT401", "message": "the host key is not known, expired or revoked" });
        return (StatusCode::UNAUTHORIZED, said.to_string()).into_response();
    }
    assert_eq!(headers["apikey"], HeaderValue::from_static("sb_publishable_x"));
    match function.as_str() {
        "echo" => body.into_response(),
        "rotate_host_key" => StatusCode::BAD_REQUEST.into_response(),
        "null" => "null".into_response(),
        "nothing" => StatusCode::NO_CONTENT.into_response(),
        "page" => (StatusCode::OK, "<html>Sign in to the hotel's network</html>").into_response(),
        "redirect" => (
            StatusCode::TEMPORARY_REDIRECT,
            [("location", "/rest/v1/rpc/echo")],
        )
            .into_response(),
        "busy" => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "30")]).into_response(),
        "paused" => StatusCode::from_u16(540).expect("a status").into_response(),
        "endless" => {
            let chunk = Bytes::from(vec![b' '; 1 << 20]);
            Body::from_stream(stream::repeat_with(move || {
                Ok::<_, std::io::Error>(chunk.clone())
            }))
            .into_response()
        }
        "cut" => {
            let parts = [Ok(Bytes::from("{\"items\":")), Err(std::io::Error::other("cut"))];
            Body::from_stream(stream::iter(parts)).into_response()
        }
        "slow" => {
            tokio::time::sleep(SHORT).await;
            "{}".into_response()
        }
        _ => std::future::pending().await,
    }
}

#[tokio::test]
async fn what_is_answered_arrives_and_a_null_is_none() {
    let server = Server::start().await;
    let (answer, ended) = server.call("echo", LIMIT).await;
    assert_eq!((answer.expect("an answer"), ended), (json!({ "api": 1 }), false));
    let session = server.connector().session();
    let none: Option<Value> = session.call("null", &json!({}), LIMIT).await.expect("an answer");
    assert_eq!(none, None);
}

#[tokio::test]
async fn what_does_not_answer_is_given_up_and_tried_again() {
    let server = Server::start().await;
    for (function, limit) in [("hang", SHORT), ("cut", LIMIT), ("paused", LIMIT)] {
        let (answer, ended) = server.call(function, limit).await;
        let error = answer.expect_err(function);
        assert!(error.is_passing(), "{function}: {}", error.chain());
        assert!(ended, "{function}");
    }
    let nobody = DataApiConfig {
        url: "http://127.0.0.1:1/rest/v1".to_owned(),
        ..server.config()
    };
    let session = RestConnector::new(&nobody).expect("a connector").session();
    let error = session
        .call::<Value>("echo", &json!({}), LIMIT)
        .await
        .expect_err("nobody is there");
    assert!(error.is_passing() && session.has_ended(), "{}", error.chain());
}

#[tokio::test]
async fn an_answer_that_has_no_end_is_not_read_to_its_end() {
    let server = Server::start().await;
    let (answer, _) = server.call("endless", LIMIT).await;
    let error = answer.expect_err("too large").chain();
    assert!(error.contains("more than"), "{error}");
}

#[tokio::test]
async fn an_argument_that_is_too_large_is_not_sent() {
    let server = Server::start().await;
    let session = server.connector().session();
    let argument = json!({ "text": "x".repeat(9 << 20) });
    let error = session
        .call::<Value>("echo", &argument, LIMIT)
        .await
        .expect_err("too large");
    assert!(matches!(error, CallError::Refused(_)), "{}", error.chain());
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn nobody_is_followed_elsewhere_with_the_key_and_a_page_is_no_answer() {
    let server = Server::start().await;
    let (answer, _) = server.call("redirect", LIMIT).await;
    assert!(matches!(answer, Err(CallError::Nonsense(_))));
    assert_eq!(server.calls(), 1);
    for function in ["page", "nothing"] {
        let (answer, _) = server.call(function, LIMIT).await;
        assert!(matches!(answer, Err(CallError::Nonsense(_))), "{function}");
    }
}

#[tokio::test]
async fn who_is_asked_to_wait_does_not_ask_meanwhile() {
    let server = Server::start().await;
    let connector = server.connector();
    let session = connector.session();
    for _ in 0..5 {
        let error = session
            .call::<Value>("busy", &json!({}), LIMIT)
            .await
            .expect_err("busy");
        assert!(error.is_passing() && !session.has_ended());
    }
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn a_refused_key_is_tried_once_and_a_new_one_in_its_file_at_once() {
    let server = Server::start().await;
    let (good, file) = (HostKey::generate(), server.folder.path().join("host.key"));
    server
        .seen
        .good
        .lock()
        .expect("no holder panics")
        .push(good.clone());
    let connector = server.connector();
    for _ in 0..5 {
        let session = connector.session();
        let error = session
            .call::<Value>("echo", &json!({}), LIMIT)
            .await
            .expect_err("refused");
        assert!(matches!(error, CallError::KeyRefused(_)) && session.has_ended());
    }
    assert_eq!(server.calls(), 1, "nobody knocks again and again");
    good.write(&file).expect("write the new key");
    let session = connector.session();
    let answer: Value = session.call("echo", &json!({}), LIMIT).await.expect("an answer");
    assert_eq!((answer, server.calls()), (json!({}), 2));
}

#[tokio::test]
async fn a_call_that_outlasts_a_rotation_does_not_bring_the_old_key_back() {
    let server = Server::start().await;
    let connector = server.connector();
    let file = server.folder.path().join("host.key");
    let slow = tokio::spawn({
        let session = connector.session();
        async move { session.call::<Value>("slow", &json!({}), LIMIT).await }
    });
    while server.calls() == 0 {
        tokio::task::yield_now().await;
    }
    // Begun and not ended: the new key is on the disk, and the database knows it without our hearing of that.
    connector
        .key_rotation()
        .rotate()
        .await
        .expect_err("it has no such function");
    let next = HostKey::read(&file.with_extension("key.next")).expect("it was begun");
    server
        .seen
        .good
        .lock()
        .expect("no holder panics")
        .push(next.clone());
    let answer: Value = connector
        .session()
        .call("echo", &json!({}), LIMIT)
        .await
        .expect("an answer");
    assert_eq!(answer, json!({}));
    slow.await.expect("it ends").expect("an answer");
    assert_eq!(HostKey::read(&file).expect("a key"), next);
}
