//! The documents of any agent: `/agents/{agentKey}/files/…`.

mod address;
mod etag;
mod history;
mod read;
mod restore;
mod shown;
mod sync;
mod write;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::data_api::DataApi;

/// A text of the longest length with each of its characters escaped, and the rest of the body.
const MAX_BODY_BYTES: usize = 6 * creel_core::host_api::DOC_MAX_BYTES + 64 * 1024;

/// The routes of documents.
pub(super) fn routes() -> Router<DataApi> {
    Router::new()
        .route("/agents/{agent_key}/files", get(read::list))
        .route(
            "/agents/{agent_key}/files/{type}",
            get(read::read).post(write::write),
        )
        .route("/agents/{agent_key}/files/{type}/history", get(history::history))
        .route("/agents/{agent_key}/files/{type}/restore", post(restore::restore))
        .route("/agents/{agent_key}/files/{type}/resolve", post(restore::resolve))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}
