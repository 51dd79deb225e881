//! Between the function and the Data API: counts calls, and answers some of them itself.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use creel_local::gateway::http;
use creel_tests::wait::eventually;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::stage::SOON;

/// What becomes of the next calls.
#[derive(Debug, Clone)]
pub enum Rule {
    /// The Data API gets it.
    Pass,
    /// It is answered so, and the Data API does not hear of it.
    Answer(u16, String),
    /// The Data API gets it, and the caller hears that the connection was closed.
    LoseReply,
    /// Nobody answers.
    Hang,
    /// The Data API gets it, and the caller hears nothing.
    HangReply,
}

#[derive(Debug)]
struct Shared {
    target: String,
    client: reqwest::Client,
    calls: Mutex<Vec<String>>,
    next: Mutex<Vec<Rule>>,
    always: Mutex<Rule>,
}

/// The proxy. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listen");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            target,
            client: http::client().expect("make a client"),
            calls: Mutex::default(),
            next: Mutex::default(),
            always: Mutex::new(Rule::Pass),
        });
        let router = Router::new()
            .fallback(hand_on)
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serve");
        });
        Self {
            port,
            shared,
            serving,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Method and path of every call since the last question.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.shared.calls))
    }

    /// Ends it: nobody listens on its port any more.
    pub async fn stop(&self) {
        self.serving.abort();
        eventually("the proxy is gone", SOON, async || {
            tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .await
                .is_err()
        })
        .await;
    }

    /// What becomes of the next call.
    pub fn next(&self, rule: Rule) {
        lock(&self.shared.next).push(rule);
    }

    /// What becomes of all calls, until told otherwise.
    pub fn always(&self, rule: Rule) {
        *lock(&self.shared.always) = rule;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn hand_on(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    lock(&shared.calls).push(format!("{method} {}", uri.path()));
    let rule = {
        let mut next = lock(&shared.next);
        if next.is_empty() {
            lock(&shared.always).clone()
        } else {
            next.remove(0)
        }
    };
    match rule {
        Rule::Pass => forward(&shared, method, &uri, headers, body).await,
        Rule::Answer(status, text) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Rule::LoseReply => {
            forward(&shared, method, &uri, headers, body).await;
            let cut = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
            Response::new(Body::from_stream(cut))
        }
        Rule::Hang => std::future::pending().await,
        Rule::HangReply => {
            forward(&shared, method, &uri, headers, body).await;
            std::future::pending().await
        }
    }
}

async fn forward(
    shared: &Shared,
    method: Method,
    uri: &Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let call = shared.client.request(method, format!("{}{path}", shared.target));
    let answer = call
        .headers(headers)
        .body(body)
        .send()
        .await
        .expect("ask the Data API");
    let status = answer.status();
    let bytes = answer.bytes().await.expect("read the answer");
    (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}
