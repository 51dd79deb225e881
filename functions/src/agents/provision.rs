//! `POST /agents/provision`.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::wait;
use super::wish::{Wish, idempotency_key};
use crate::caller::Caller;
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;
use crate::refusal::unavailable;
use crate::server::MAX_BODY_BYTES;

/// The longest wait: API gateways end a call after 30 s.
pub(super) const WAIT_MAX_SECS: u64 = 25;

/// The query.
#[derive(Debug, Deserialize)]
pub(super) struct WaitQuery {
    wait: Option<u64>,
}

/// Asks for an agent: exactly one call of the Data API, and more only while the caller waits for the end.
pub(super) async fn provision(
    State(api): State<DataApi>,
    caller: Caller,
    query: Result<Query<WaitQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let wait_secs = match query {
        Ok(Query(query)) => query.wait.unwrap_or(0).min(WAIT_MAX_SECS),
        Err(_) => {
            return Err(Failure::bad_request(
                "wait is no number of seconds",
                format!("send wait=0 to wait={WAIT_MAX_SECS}"),
            ));
        }
    };
    let body = body.map_err(|error| unreadable(&error))?;
    let wish = Wish::read(&body)?;
    let project = caller.project(wish.project_id.as_deref())?;
    let argument = wish.argument(&project, &idempotency_key(&headers)?);
    // With its key a second call finds what the first one made.
    let made = api
        .call(&caller, "request_provision", &argument, Repeat::Always)
        .await?;
    let request_id = made["id"].as_str().ok_or_else(unavailable)?.to_owned();
    if wait_secs > 0 {
        return wait::until_ended(&api, &caller, &request_id, &made, Duration::from_secs(wait_secs)).await;
    }
    Ok(accepted(&request_id, &made, &made["status"], &Value::Null))
}

/// It is queued or at work, and goes on without the caller.
pub(super) fn accepted(request_id: &str, made: &Value, status: &Value, waiting_for: &Value) -> Response {
    let body = json!({
        "ok": true,
        "requestId": request_id,
        "agentKey": made["agent_key"],
        "status": status,
        "waitingFor": waiting_for,
    });
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

fn unreadable(error: &BytesRejection) -> Failure {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is too large",
            format!("send {MAX_BODY_BYTES} bytes at most"),
        );
    }
    Failure::bad_request("the body could not be read", "send the whole of it")
}
