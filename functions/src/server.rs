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
/// `there_are` names the routes for who has taken another one.
pub fn router(routes: Router, there_are: &'static str, origins: &Origins) -> Router {
    Router::new()
        .merge(routes.clone())
        .nest("/api", routes)
        .fallback(async move |uri: Uri| no_route(&uri, there_are))
        .method_not_allowed_fallback(async move |method: Method, uri: Uri| {
            wrong_method(&method, &uri, there_are)
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(origins.layer())
}

fn no_route(uri: &Uri, there_are: &'static str) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "no_route",
        format!("there is no function at {}", shortened(uri.path())),
        there_are,
    )
}

fn wrong_method(method: &Method, uri: &Uri, there_are: &'static str) -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        format!(
            "{} takes no {}",
            shortened(uri.path()),
            shortened(method.as_str())
        ),
        there_are,
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
