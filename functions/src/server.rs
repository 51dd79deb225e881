//! What every function has around its routes.

use std::any::Any;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::failure::Failure;
use crate::origins::Origins;

/// Room for every field at its longest, with each character escaped.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The routes at `/` and at `/api/`, with answers for what is no route, a limit for bodies, and an answer for a panic.
pub fn router(routes: Router, origins: &Origins) -> Router {
    Router::new()
        .merge(routes.clone())
        .nest("/api", routes)
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(origins.layer())
}

async fn no_route(uri: Uri) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "no_route",
        format!("there is no function at {}", shortened(uri.path())),
        "there are POST /agents/provision, GET /agents/runtime and DELETE /agents/{agentKey}",
    )
}

async fn wrong_method(method: Method, uri: Uri) -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        format!(
            "{} takes no {}",
            shortened(uri.path()),
            shortened(method.as_str())
        ),
        "there are POST /agents/provision, GET /agents/runtime and DELETE /agents/{agentKey}",
    )
}

/// As much of a text of the caller's as is worth repeating.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(
        panic = text.unwrap_or("no text"),
        "failed to answer a request: panicked"
    );
    Failure::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the function failed",
        "try again; if it stays so, the function's log says more",
    )
    .into_response()
}
