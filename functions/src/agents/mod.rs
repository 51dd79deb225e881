//! The function `agents`: to ask for an agent, to see what is there, and to let one go.

mod provision;
mod removal;
mod runtime;
mod wait;
mod wish;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::data_api::DataApi;

/// The routes; [`crate::server::router`] puts the rest around them.
pub fn routes(api: DataApi) -> Router {
    Router::new()
        .route("/agents/provision", post(provision::provision))
        .route("/agents/runtime", get(runtime::runtime))
        .route("/agents/{agent_key}", delete(removal::remove))
        .with_state(api)
}
