//! Waiting for the end of a request, by reading its row.

use std::time::{Duration, Instant};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use creel_core::status::RequestStatus;
use serde_json::{Value, json};

use super::provision::accepted;
use crate::caller::Caller;
use crate::data_api::DataApi;
use crate::deadline::Deadline;
use crate::failure::Failure;

/// The first pause: with its gateway up, a host needs a few tenths of a second.
const FIRST_PAUSE: Duration = Duration::from_millis(80);

/// The longest pause: what takes many seconds may take one more.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Reads the row, with growing pauses, until it has ended or there is no time left. A call that fails meanwhile is
/// nothing that happened to the request.
pub(super) async fn until_ended(
    api: &DataApi,
    caller: &Caller,
    request_id: &str,
    made: &Value,
    at_most: Duration,
) -> Result<Response, Failure> {
    let end = Instant::now() + Deadline::bound(caller.deadline, at_most);
    let caller = &Caller {
        deadline: Some(Deadline::at_latest(caller.deadline, end)),
        ..caller.clone()
    };
    let mut pause = FIRST_PAUSE;
    let mut newest = json!({ "status": made["status"] });
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(accepted(
                request_id,
                made,
                &newest["status"],
                &newest["waiting_for"],
            ));
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        let rows = api
            .read(caller, "agent_provision_requests", |table| {
                table.select("status,waiting_for,result").eq("id", request_id)
            })
            .await;
        match rows.map(|mut rows| rows.pop()) {
            Ok(Some(row)) => newest = row,
            Ok(None) => return Err(withdrawn()),
            Err(failure) => {
                tracing::warn!(code = %failure.code, "failed to look at a request that somebody waits for");
                continue;
            }
        }
        let status = newest["status"].as_str().unwrap_or_default();
        match status.parse() {
            Ok(RequestStatus::Done) => return Ok(done(request_id, made, &newest["result"])),
            Ok(RequestStatus::Error) => return Ok(failed(request_id, &newest["result"]["error"])),
            _ => {}
        }
    }
}

fn done(request_id: &str, made: &Value, result: &Value) -> Response {
    let body = json!({
        "ok": true,
        "agentId": result["openclaw_id"],
        "workspaceDir": result["workspace"],
        "requestId": request_id,
        "agentKey": made["agent_key"],
        "status": RequestStatus::Done.as_str(),
    });
    Json(body).into_response()
}

/// What the host said, which is meant for people.
fn failed(request_id: &str, error: &Value) -> Response {
    let code = error["code"].as_str().unwrap_or("failed");
    // Another request may succeed where this one could not.
    let status = if code.ends_with("_invalid") || matches!(code, "agent_exists" | "row_malformed") {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::BAD_GATEWAY
    };
    let body = json!({
        "ok": false,
        "error": {
            "code": code,
            "message": error["message"].as_str().unwrap_or("the request failed"),
            "hint": error["hint"].as_str().unwrap_or("look at the request's row, and ask again"),
        },
        "requestId": request_id,
    });
    (status, Json(body)).into_response()
}

fn withdrawn() -> Failure {
    Failure::new(
        StatusCode::CONFLICT,
        "withdrawn",
        "the request was withdrawn, or its agent removed, before it was done",
        "ask again if the agent is still wanted",
    )
}
