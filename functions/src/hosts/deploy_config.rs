//! `GET /agents/{agentId}/deploy-config`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use creel_core::host_api::API;
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller::HostCaller;
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;

/// What a host needs to make an agent that lives on it.
pub(super) async fn deploy_config(
    State(api): State<DataApi>,
    host: HostCaller,
    path: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<Value>, Failure> {
    let Ok(Path(agent_id)) = path else {
        return Err(Failure::bad_request(
            "the agent's id in the path is no UUID",
            "send the agent_id of a command",
        ));
    };
    let argument = json!({ "api": API, "agent_id": agent_id });
    let mut answer = api
        .call(&host, "deploy_config", &argument, Repeat::Always)
        .await?;
    answer["ok"] = json!(true);
    Ok(Json(answer))
}
