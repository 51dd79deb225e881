//! The same router on AWS Lambda: events of payload 2.0, as function URLs and HTTP APIs send them.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, LambdaEvent, Request, RequestExt, Service, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower::util::MapRequest;

use crate::deadline::Deadline;

/// For a run by the clock whose end nobody says, as an emulator does not: the next one begins in a minute.
const CLOCK_LIMIT: Duration = Duration::from_secs(25);

/// Answers invocations until the platform ends the process. What is no event of payload 2.0 is answered with 400.
pub async fn run(router: Router) -> Result<(), Error> {
    run_with_clock(router, async |_| {
        Err("this function has nothing to do by the clock; remove the schedule".into())
    })
    .await
}

/// The same, and does what is due when a schedule sends `{"creel": "clock"}`, which no HTTP request can be.
pub async fn run_with_clock<Tick>(router: Router, tick: Tick) -> Result<(), Error>
where
    Tick: AsyncFn(Deadline) -> Result<Value, Error>,
{
    let router = router.map_request(with_deadline as fn(Request) -> Request);
    let (router, tick) = (&router, &tick);
    lambda_http::lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        if is_clock(&event) {
            let left = event.context.deadline().duration_since(SystemTime::now());
            return tick(Deadline(Instant::now() + left.unwrap_or(CLOCK_LIMIT))).await;
        }
        Ok(answer(router.clone(), event).await)
    }))
    .await
}

/// What a schedule sends.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Scheduled {
    creel: String,
}

fn is_clock(event: &LambdaEvent<Box<RawValue>>) -> bool {
    serde_json::from_str::<Scheduled>(event.payload.get()).is_ok_and(|scheduled| scheduled.creel == "clock")
}

type Handler = MapRequest<Router, fn(Request) -> Request>;

async fn answer(router: Handler, event: LambdaEvent<Box<RawValue>>) -> Value {
    let LambdaEvent { payload, context } = event;
    let Ok(request) = serde_json::from_str::<LambdaRequest>(payload.get()) else {
        return unreadable();
    };
    let mut adapter = Adapter::from(router);
    // The library expects that every event's path and body can be read, and panics otherwise.
    let begun = catch_unwind(AssertUnwindSafe(|| {
        adapter.call(LambdaEvent::new(request, context))
    }));
    let Ok(answering) = begun else { return unreadable() };
    let answered: Result<_, Infallible> = answering.await;
    answered
        .ok()
        .and_then(|answer| serde_json::to_value(answer).ok())
        .unwrap_or_else(unreadable)
}

fn with_deadline(mut request: Request) -> Request {
    let ends = request.lambda_context_ref().map(lambda_http::Context::deadline);
    let left = ends.and_then(|ends| ends.duration_since(SystemTime::now()).ok());
    if let Some(left) = left {
        request.extensions_mut().insert(Deadline(Instant::now() + left));
    }
    request
}

fn unreadable() -> Value {
    let error = json!({
        "code": "bad_request",
        "message": "the request cannot be read",
        "hint": "send an HTTP request by a function URL or an HTTP API; its path must be percent-encoded",
    });
    json!({
        "statusCode": 400,
        "headers": { "content-type": "application/json" },
        "body": json!({ "ok": false, "error": error }).to_string(),
        "isBase64Encoded": false,
        "cookies": [],
    })
}
