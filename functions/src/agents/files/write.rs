//! `POST /agents/{agentKey}/files/{type}`.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use creel_core::host_api::DOC_MAX_BYTES;
use serde::Deserialize;
use serde_json::{Value, json};

use super::address::{Address, DocPath, read_body, too_large};
use super::etag::base_version;
use super::shown::{conflict, written};
use super::sync::until_synced;
use crate::agents::provision::WAIT_MAX_SECS;
use crate::caller::Caller;
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;

/// The query of whatever writes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WriteQuery {
    project_id: Option<String>,
    wait: Option<u64>,
}

/// The body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewText {
    content: String,
    base_version: Option<i32>,
    base_sha256: Option<String>,
    project_id: Option<String>,
}

/// Writes a document: 200 when the disk has it, 202 before that, 409 when somebody else has changed it.
pub(super) async fn write(
    State(api): State<DataApi>,
    caller: Caller,
    path: DocPath,
    query: Result<Query<WriteQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let query = read_query(query)?;
    let text: NewText = read_body(
        body,
        "send content as a text, and baseVersion as a number or baseSha256 as a text if you have one",
    )?;
    let named = one_project(query.project_id, text.project_id)?;
    let address = Address::of(caller.project(named.as_deref())?, path)?;
    if text.content.len() > DOC_MAX_BYTES {
        return Err(too_large());
    }
    if text.content.contains('\0') {
        return Err(Failure::invalid(
            "the text has the character U+0000",
            "remove it; no text of the database can hold it",
        ));
    }
    let base = one_base(base_version(&headers)?, text.base_version)?;
    if base.is_some_and(|base| base < 0) {
        return Err(Failure::bad_request(
            "baseVersion is less than 0",
            "send the version that your text is based on, 0 where there was none",
        ));
    }
    let argument = address.argument(json!({
        "content": text.content, "base_version": base, "base_sha256": text.base_sha256,
    }));
    // With a base a second call finds that the text is there already.
    let repeat = if base.is_some() || text.base_sha256.is_some() {
        Repeat::Always
    } else {
        Repeat::IfUndone
    };
    let doc = api.call(&caller, "write_doc", &argument, repeat).await?;
    answer(&api, &caller, &address, doc, query.wait).await
}

/// What became of a write, seen for as long as the caller waits.
pub(super) async fn answer(
    api: &DataApi,
    caller: &Caller,
    address: &Address,
    doc: Value,
    wait_secs: Option<u64>,
) -> Result<Response, Failure> {
    if doc["ok"] == json!(false) {
        return Ok(conflict(doc));
    }
    let wait = Duration::from_secs(wait_secs.unwrap_or(0).min(WAIT_MAX_SECS));
    let doc = until_synced(api, caller, address, doc, wait).await;
    Ok(written(address, doc))
}

pub(super) fn read_query(query: Result<Query<WriteQuery>, QueryRejection>) -> Result<WriteQuery, Failure> {
    query.map(|Query(query)| query).map_err(|_| {
        Failure::bad_request(
            "the query cannot be read",
            format!("send wait=0 to wait={WAIT_MAX_SECS}, and projectId once, percent-encoded"),
        )
    })
}

/// The project that query and body name.
pub(super) fn one_project(query: Option<String>, body: Option<String>) -> Result<Option<String>, Failure> {
    match (query, body) {
        (Some(query), Some(body)) if query != body => Err(Failure::bad_request(
            "the query and the body name different projects",
            "send projectId once",
        )),
        (query, body) => Ok(query.or(body)),
    }
}

/// The base that header and body name.
pub(super) fn one_base(header: Option<i32>, body: Option<i32>) -> Result<Option<i32>, Failure> {
    match (header, body) {
        (Some(header), Some(body)) if header != body => Err(Failure::bad_request(
            "If-Match and baseVersion name different versions",
            "send one of the two",
        )),
        (header, body) => Ok(header.or(body)),
    }
}

impl WriteQuery {
    pub(super) fn parts(self) -> (Option<String>, Option<u64>) {
        (self.project_id, self.wait)
    }
}
