//! `POST /agents/{agentKey}/files/{type}/restore` and `…/resolve`.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::address::{Address, DocPath, read_body};
use super::etag::base_version;
use super::write::{WriteQuery, answer, one_base, one_project, read_query};
use crate::caller::Caller;
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;

/// The body of `…/restore`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restored {
    version: u32,
    base_version: Option<i32>,
    project_id: Option<String>,
}

/// Which text a held document, or one in conflict, is to have.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Take {
    Disk,
    Page,
}

/// The body of `…/resolve`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resolved {
    take: Take,
    project_id: Option<String>,
}

/// The text of an earlier version becomes a new one.
pub(super) async fn restore(
    State(api): State<DataApi>,
    caller: Caller,
    path: DocPath,
    query: Result<Query<WriteQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let (named, wait) = read_query(query)?.parts();
    let wish: Restored = read_body(
        body,
        "send version as a number, and baseVersion as a number if you have one",
    )?;
    let named = one_project(named, wish.project_id)?;
    let address = Address::of(caller.project(named.as_deref())?, path)?;
    let base = one_base(base_version(&headers)?, wish.base_version)?;
    let argument = address.argument(json!({ "version": wish.version, "base_version": base }));
    let repeat = if base.is_some() {
        Repeat::Always
    } else {
        Repeat::IfUndone
    };
    let doc = api.call(&caller, "restore_doc", &argument, repeat).await?;
    answer(&api, &caller, &address, doc, wait).await
}

/// Says which text the document is to have. One that is neither held nor in conflict stays what it is.
pub(super) async fn resolve(
    State(api): State<DataApi>,
    caller: Caller,
    path: DocPath,
    query: Result<Query<WriteQuery>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let (named, wait) = read_query(query)?.parts();
    let wish: Resolved = read_body(body, "send take as \"disk\" or \"page\"")?;
    let named = one_project(named, wish.project_id)?;
    let address = Address::of(caller.project(named.as_deref())?, path)?;
    let take = match wish.take {
        Take::Disk => "disk",
        Take::Page => "page",
    };
    let argument = address.argument(json!({ "take": take }));
    let doc = api
        .call(&caller, "resolve_doc", &argument, Repeat::Always)
        .await?;
    answer(&api, &caller, &address, doc, wait).await
}
