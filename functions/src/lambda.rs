//! The same router on AWS Lambda: events of payload 2.0, as function URLs and HTTP APIs send them.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Instant, SystemTime};

use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, LambdaEvent, Request, RequestExt, Service, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower::util::MapRequest;

use crate::deadline::Deadline;

/// Answers invocations until the platform ends the process. What is no event of payload 2.0 is answered with 400.
pub async fn run(router: Router) -> Result<(), Error> {
    let router = router.map_request(with_deadline as fn(Request) -> Request);
    lambda_http::lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let answering = answer(router.clone(), event);
        async move { Ok::<_, Error>(answering.await) }
    }))
    .await
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
