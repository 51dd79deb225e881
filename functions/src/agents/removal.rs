//! `DELETE /agents/{agentKey}`.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::caller::Caller;
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;

/// The project in the query, for who sends no header.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectQuery {
    project_id: Option<String>,
}

impl ProjectQuery {
    /// The project, if the query can be read.
    pub(super) fn project(query: Result<Query<Self>, QueryRejection>) -> Result<Option<String>, Failure> {
        let query = query.map_err(|_| {
            Failure::bad_request("the query cannot be read", "send projectId once, percent-encoded")
        })?;
        Ok(query.0.project_id)
    }
}

/// Removes the agent that the path names.
pub(super) async fn remove(
    api: State<DataApi>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ProjectQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Ok(Path(agent_key)) = path else {
        return Err(Failure::bad_request(
            "the agent key in the path is no text",
            "send it percent-encoded, in UTF-8",
        ));
    };
    remove_key(api, caller, query, &agent_key).await
}

/// Wishes an agent away: 200 when it is gone, 202 when its host removes it first.
pub(super) async fn remove_key(
    State(api): State<DataApi>,
    caller: Caller,
    query: Result<Query<ProjectQuery>, QueryRejection>,
    agent_key: &str,
) -> Result<Response, Failure> {
    if agent_key.contains('\0') {
        return Err(Failure::invalid(
            "the agent key has the character U+0000",
            "send the key of an agent of the project",
        ));
    }
    let project = caller.project(ProjectQuery::project(query)?.as_deref())?;
    let argument = json!({ "project_id": project, "agent_key": agent_key });
    // A second call would say of what the first one removed that it never was.
    let answer = api
        .call(&caller, "request_removal", &argument, Repeat::IfUndone)
        .await?;
    let is_gone = answer["removed"] == json!(true);
    let (status, word) = if is_gone {
        (StatusCode::OK, "removed")
    } else {
        (StatusCode::ACCEPTED, "pending")
    };
    let body = json!({ "ok": true, "agentKey": agent_key, "status": word });
    Ok((status, Json(body)).into_response())
}
