//! `GET /agents/{agentKey}/files/{type}/history`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::address::{Address, DocPath};
use super::read::with_ok;
use crate::caller::Caller;
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;

/// The query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryQuery {
    project_id: Option<String>,
    before: Option<u32>,
    limit: Option<u32>,
}

/// The versions of a document, newest first, without their texts.
pub(super) async fn history(
    State(api): State<DataApi>,
    caller: Caller,
    path: DocPath,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query.map_err(|_| {
        Failure::bad_request(
            "the query cannot be read",
            "send before and limit as numbers, and projectId once, percent-encoded",
        )
    })?;
    let address = Address::of(caller.project(query.project_id.as_deref())?, path)?;
    let argument = address.argument(json!({ "before": query.before, "limit": query.limit }));
    let listed = api
        .call(&caller, "list_doc_versions", &argument, Repeat::Always)
        .await?;
    Ok(Json(with_ok(listed)).into_response())
}
