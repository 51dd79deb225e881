//! `GET /agents/runtime`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde_json::{Value, json};

use super::removal::ProjectQuery;
use crate::caller::Caller;
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;

/// What is in OpenClaw on the project's hosts, as they reported it last.
pub(super) async fn runtime(
    State(api): State<DataApi>,
    caller: Caller,
    query: Result<Query<ProjectQuery>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let project = caller.project(ProjectQuery::project(query)?.as_deref())?;
    let argument = json!({ "project_id": project });
    let report = api
        .call(&caller, "read_runtime", &argument, Repeat::Always)
        .await?;
    Ok(Json(json!({
        "ok": true, "agents": report["agents"], "hosts": report["hosts"],
    })))
}
