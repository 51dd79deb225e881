//! `GET /agents/{agentKey}/files` and `GET /agents/{agentKey}/files/{type}`.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::address::{Address, DocPath, checked_key, no_text};
use super::etag::{etag_header, is_known};
use super::shown::shown;
use crate::agents::removal::ProjectQuery;
use crate::caller::Caller;
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;
use crate::refusal::unavailable;

/// An answer is asked for again each time, and is for one person.
const NOT_KEPT: &str = "private, no-cache";

/// The query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReadQuery {
    project_id: Option<String>,
    version: Option<u32>,
}

/// One document, or an earlier version of it.
pub(super) async fn read(
    State(api): State<DataApi>,
    caller: Caller,
    path: DocPath,
    query: Result<Query<ReadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Query(query) = query.map_err(|_| {
        Failure::bad_request(
            "the query cannot be read",
            "send version as a number, and projectId once, percent-encoded",
        )
    })?;
    let address = Address::of(caller.project(query.project_id.as_deref())?, path)?;
    let argument = address.argument(json!({ "version": query.version }));
    let doc = api.call(&caller, "read_doc", &argument, Repeat::Always).await?;
    let kept = [(CACHE_CONTROL, NOT_KEPT)];
    let tag = etag_header(&doc);
    if is_known(&headers, &doc) {
        return Ok((StatusCode::NOT_MODIFIED, kept, tag).into_response());
    }
    Ok((kept, tag, Json(with_ok(doc))).into_response())
}

/// The documents of an agent, without their texts.
pub(super) async fn list(
    State(api): State<DataApi>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ProjectQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let project = caller.project(ProjectQuery::project(query)?.as_deref())?;
    let Ok(Path(agent_key)) = path else {
        return Err(no_text());
    };
    let argument = json!({ "project_id": project, "agent_key": checked_key(agent_key)? });
    let mut listed = api
        .call(&caller, "list_docs_of", &argument, Repeat::Always)
        .await?;
    let files = shown(listed["docs"].take());
    if !files.is_array() {
        return Err(unavailable());
    }
    Ok(Json(json!({ "ok": true, "files": files })).into_response())
}

/// An answer that says that it is one.
pub(super) fn with_ok(value: Value) -> Value {
    let mut answer = shown(value);
    if let Value::Object(members) = &mut answer {
        members.insert("ok".to_owned(), Value::Bool(true));
    }
    answer
}
