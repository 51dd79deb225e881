//! As much of AWS Lambda's runtime API as programs need that answer events.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{self, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use creel_local::process;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Child;
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
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<(usize, String)>>,
    answered: mpsc::UnboundedSender<Answer>,
}

/// What a program answered, and when.
#[derive(Debug)]
pub struct Answer {
    /// Which event it was, counted from zero.
    pub event: usize,
    /// When its end arrived, by [`now_ms`].
    pub at_ms: f64,
    /// The answer.
    pub body: Value,
}

/// The runtime API of one function, whose programs take turns: each has one event at a time.
#[derive(Debug)]
pub struct Runtime {
    address: SocketAddr,
    events: mpsc::UnboundedSender<(usize, String)>,
    answers: mpsc::UnboundedReceiver<Answer>,
    event_count: usize,
    _serving: AbortOnDropHandle<()>,
}

impl Runtime {
    /// Begins to serve.
    pub async fn serve() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listen for a function")?;
        let address = listener.local_addr().context("listen for a function")?;
        let (answered, answers) = mpsc::unbounded_channel();
        let (events, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            events: tokio::sync::Mutex::new(waiting),
            answered,
        });
        let routes = Router::new()
            .route(&format!("{PREFIX}/invocation/next"), get(next))
            .route(&format!("{PREFIX}/invocation/{{id}}/response"), post(response))
            .with_state(shared);
        let serving = tokio::spawn(async move {
            // It ends with the handle.
            let _ended = axum::serve(listener, routes).await;
        });
        Ok(Self {
            address,
            events,
            answers,
            event_count: 0,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// Starts one more program.
    pub fn start(&self, program: &Path, env: &[(&str, &str)]) -> Result<Child> {
        let mut command = process::command(program);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", self.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "_")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
            .spawn()
            .with_context(|| format!("start {}", program.display()))
    }

    /// Hands an event to whichever program is free first. Returns its number.
    pub fn send(&mut self, event: String) -> Result<usize> {
        let number = self.event_count;
        self.events
            .send((number, event))
            .context("hand an event to a function")?;
        self.event_count += 1;
        Ok(number)
    }

    /// The next answer, if one comes in time.
    pub async fn answer(&mut self) -> Result<Answer> {
        let answer = tokio::time::timeout(ANSWER_LIMIT, self.answers.recv()).await;
        answer.ok().flatten().context("wait for a function's answer")
    }

    /// The answers that are there already.
    pub fn answers_so_far(&mut self) -> Vec<Answer> {
        std::iter::from_fn(|| self.answers.try_recv().ok()).collect()
    }
}

/// Ends programs that were started.
pub async fn stop(programs: Vec<Child>) -> Result<()> {
    for mut program in programs {
        process::stop(&mut program, Signal::KILL, STOP_LIMIT).await?;
    }
    Ok(())
}

/// Starts a program, gives it one event, and stops it when it has answered. Answers how many milliseconds that took from its
/// spawn, and the answer.
pub async fn answer_one(program: &Path, env: &[(&str, &str)], event: &Value) -> Result<(f64, Value)> {
    let mut runtime = Runtime::serve().await?;
    runtime.send(event.to_string())?;
    let begin = now_ms();
    let child = runtime.start(program, env)?;
    let answer = runtime.answer().await;
    stop(vec![child]).await?;
    let answer = answer.with_context(|| format!("run {}", program.display()))?;
    Ok((answer.at_ms - begin, answer.body))
}

/// How long a program that runs takes for each of these, one after the other.
pub async fn answer_warm(
    program: &Path,
    env: &[(&str, &str)],
    event: &Value,
    count: usize,
) -> Result<Vec<f64>> {
    let mut runtime = Runtime::serve().await?;
    let child = runtime.start(program, env)?;
    let mut took_ms = Vec::with_capacity(count);
    // The first one waits for the start.
    for n in 0..=count {
        let begin = now_ms();
        runtime.send(event.to_string())?;
        let answer = runtime.answer().await?;
        if n > 0 {
            took_ms.push(answer.at_ms - begin);
        }
    }
    stop(vec![child]).await?;
    Ok(took_ms)
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

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let event = shared.events.lock().await.recv().await;
    match event {
        Some((number, event)) => (
            [
                ("content-type", "application/json"),
                ("lambda-runtime-aws-request-id", number.to_string().as_str()),
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

async fn response(
    State(shared): State<Arc<Shared>>,
    extract::Path(number): extract::Path<usize>,
    body: Bytes,
) -> StatusCode {
    let answer = Answer {
        event: number,
        at_ms: now_ms(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    // Whoever asked may have given up.
    let _gone = shared.answered.send(answer);
    StatusCode::ACCEPTED
}
