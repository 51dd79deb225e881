//! The function `agents`: to ask for an agent, to see what is there, to read and write its documents, and to let one go.

mod files;
mod provision;
mod removal;
mod runtime;
mod wait;
mod wish;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{delete, get, post};

use crate::caller::Caller;
use crate::data_api::DataApi;
use crate::failure::Failure;

/// The routes, for who has taken another one.
pub const ROUTES: &str = "there are POST /agents/provision, GET /agents/runtime, DELETE /agents/{agentKey}, GET /agents/{agentKey}/files, \
     GET and POST /agents/{agentKey}/files/{type}, GET …/history, POST …/restore and POST …/resolve";

type ProjectQueryResult = Result<Query<removal::ProjectQuery>, QueryRejection>;
type Answered = Result<Response, Failure>;

/// The routes; [`crate::server::router`] puts the rest around them.
pub fn routes(api: DataApi) -> Router {
    Router::new()
        .route(
            "/agents/provision",
            post(provision::provision).delete(remove_provision),
        )
        .route("/agents/runtime", get(runtime::runtime).delete(remove_runtime))
        .route("/agents/{agent_key}", delete(removal::remove))
        .merge(files::routes())
        .with_state(api)
}

/// An agent may be named like a path.
async fn remove_provision(api: State<DataApi>, caller: Caller, query: ProjectQueryResult) -> Answered {
    removal::remove_key(api, caller, query, "provision").await
}

async fn remove_runtime(api: State<DataApi>, caller: Caller, query: ProjectQueryResult) -> Answered {
    removal::remove_key(api, caller, query, "runtime").await
}
