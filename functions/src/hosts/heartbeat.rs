//! `POST /hosts/heartbeat`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use creel_core::host_api::API;
use serde_json::{Value, json};

use super::body;
use super::caller::HostCaller;
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;

/// Metrics, states and acknowledgements in, commands out.
pub(super) async fn heartbeat(
    State(api): State<DataApi>,
    host: HostCaller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let mut members = body::read(body)?;
    members.entry("api").or_insert(json!(API));
    // What was taken in is not taken in twice, and commands are told until they are acknowledged.
    let mut answer = api
        .call(&host, "heartbeat", &Value::Object(members), Repeat::Always)
        .await?;
    answer["ok"] = json!(true);
    Ok(Json(answer))
}
