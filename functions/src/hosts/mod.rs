//! The function `hosts`: for daemons that are no Creel worker, and look once a minute.

mod body;
mod caller;
mod deploy_config;
mod enroll;
mod heartbeat;

use axum::Router;
use axum::routing::{get, post};

use crate::data_api::DataApi;

/// The routes, for who has taken another one.
pub const ROUTES: &str =
    "there are POST /hosts/enroll, POST /hosts/heartbeat and GET /agents/{agentId}/deploy-config";

/// The routes; [`crate::server::router`] puts the rest around them.
pub fn routes(api: DataApi) -> Router {
    Router::new()
        .route("/hosts/enroll", post(enroll::enroll))
        .route("/hosts/heartbeat", post(heartbeat::heartbeat))
        // Named as in the function `agents`, beside which it may stand.
        .route(
            "/agents/{agent_key}/deploy-config",
            get(deploy_config::deploy_config),
        )
        .with_state(api)
}
