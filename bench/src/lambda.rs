//! As much of AWS Lambda's runtime API as one program needs that answers one event.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use creel_local::process;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::now_ms;

/// A function answers within milliseconds; a loaded machine gets a thousand times that.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// It holds nothing that would need more.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Where the runtime API is served, below the address that the program is given.
const PREFIX: &str = "/2018-06-01/runtime";

#[derive(Debug)]
struct Shared {
    event: Mutex<Option<String>>,
    answered: mpsc::UnboundedSender<(f64, Bytes)>,
}

/// What a program answered, and when.
#[derive(Debug)]
pub struct Answer {
    /// Milliseconds from its spawn to the end of its answer.
    pub after_ms: f64,
    /// The answer.
    pub body: Value,
}

/// Starts a program, gives it one event, and stops it when it has answered.
pub async fn answer_one(program: &Path, env: &[(&str, &str)], event: &Value) -> Result<Answer> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("listen for a function")?;
    let address = listener.local_addr().context("listen for a function")?;
    let (answered, mut answers) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        event: Mutex::new(Some(event.to_string())),
        answered,
    });
    let routes = Router::new()
        .route(&format!("{PREFIX}/invocation/next"), get(next))
        .route(&format!("{PREFIX}/invocation/{{id}}/response"), post(response))
        .with_state(shared);
    let _serving = AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, routes).await }));

    let mut command = process::command(program);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "_")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .envs(env.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begin = now_ms();
    let mut child = command
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let answer = tokio::time::timeout(ANSWER_LIMIT, answers.recv()).await;
    process::stop(&mut child, Signal::KILL, STOP_LIMIT).await?;
    let (end, body) = answer
        .ok()
        .flatten()
        .with_context(|| format!("{} did not answer", program.display()))?;
    Ok(Answer {
        after_ms: end - begin,
        body: serde_json::from_slice(&body).context("read a function's answer")?,
    })
}

/// A request as a function URL sends it.
pub fn event(method: &str, path: &str, headers: &Value, body: Option<&str>) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "anonymous", "apiId": "abcdefghij", "domainPrefix": "abcdefghij",
            "domainName": "abcdefghij.lambda-url.eu-central-1.on.aws",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "bench",
            },
            "requestId": "5c1b1b1c-0000-4000-8000-000000000000", "routeKey": "$default", "stage": "$default",
            "time": "21/Nov/2026:00:00:00 +0000", "timeEpoch": 1_795_219_200_000_u64,
        },
        "body": body, "isBase64Encoded": false,
    })
}

/// The one event, and then none.
async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let event = shared.event.lock().unwrap_or_else(PoisonError::into_inner).take();
    match event {
        Some(event) => (
            [
                ("content-type", "application/json"),
                ("lambda-runtime-aws-request-id", "1"),
                ("lambda-runtime-deadline-ms", "4102444800000"),
                (
                    "lambda-runtime-invoked-function-arn",
                    "arn:aws:lambda:eu-central-1:000000000000:function:f",
                ),
            ],
            event,
        )
            .into_response(),
        None => std::future::pending().await,
    }
}

async fn response(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    // Whoever asked may have given up.
    let _gone = shared.answered.send((now_ms(), body));
    StatusCode::ACCEPTED
}
