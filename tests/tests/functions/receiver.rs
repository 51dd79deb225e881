//! Somebody who is told: well, badly, or not at all.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What came.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("{name} is there"));
        value.to_str().expect("a text")
    }

    /// Whether one of its signatures is by this secret, as the libraries of Standard Webhooks look at it.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = secret.strip_prefix("whsec_").expect("a secret");
        let key = STANDARD.decode(key).expect("base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        mac.update(self.header("webhook-id").as_bytes());
        mac.update(b".");
        mac.update(self.header("webhook-timestamp").as_bytes());
        mac.update(b".");
        mac.update(&self.body);
        let right = STANDARD.encode(mac.finalize().into_bytes());
        let mut signatures = self.header("webhook-signature").split(' ');
        signatures.any(|one| one.strip_prefix("v1,") == Some(right.as_str()))
    }
}

type Log = Arc<Mutex<Vec<Received>>>;

/// Ends when it is dropped.
pub struct Receiver {
    pub url: String,
    log: Log,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let log = Log::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listen");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(receive).with_state(log.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serve");
        });
        Self { url, log, serving }
    }

    /// What came at this path, in order.
    pub fn at(&self, path: &str) -> Vec<Received> {
        let log = self.log.lock().expect("no holder of this lock panics");
        log.iter().filter(|one| one.path == path).cloned().collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(State(log): State<Log>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let times = {
        let mut log = log.lock().expect("no holder of this lock panics");
        log.push(Received {
            path: path.clone(),
            headers,
            body,
        });
        log.iter().filter(|one| one.path == path).count()
    };
    match path.as_str() {
        "/busy" if times == 1 => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1800")]).into_response(),
        "/hangs" => std::future::pending().await,
        "/elsewhere" => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/good")]).into_response(),
        "/gone" => StatusCode::GONE.into_response(),
        "/unknown" => (StatusCode::NOT_FOUND, "SECRETMARK").into_response(),
        "/endless" => {
            let chunk = Bytes::from_static(&[b'x'; 65536]);
            let chunks = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
            Body::from_stream(chunks).into_response()
        }
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}
