//! The function `checkout`: Stripe's pages for who pays, and for who earns.

mod body;
mod onboarding;
mod payer;
mod portal;
mod sessions;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;

use crate::data_api::DataApi;
use crate::origins::Origins;
use crate::stripe::door::Door;

/// The routes, for who has taken another one.
pub const ROUTES: &str =
    "there are POST /checkout/sessions, POST /checkout/portal and POST /checkout/onboarding";

/// Room for the documents of an agent, which are part of the wish for it.
const BODY_MAX_BYTES: usize = 1_536 * 1024;

/// What the routes need.
#[derive(Clone)]
pub struct Checkout {
    /// The Data API, as whoever asks.
    pub api: DataApi,
    /// Stripe, and the way for what it answers.
    pub door: Door,
    /// The pages that people may be sent back to.
    pub origins: Origins,
}

/// The routes; [`crate::server::router`] puts the rest around them.
pub fn routes(checkout: Checkout) -> Router {
    Router::new()
        .route("/checkout/sessions", post(sessions::open))
        .route("/checkout/portal", post(portal::open))
        .route("/checkout/onboarding", post(onboarding::open))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(checkout)
}
