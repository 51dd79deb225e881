//! Errors of the gateway itself, in the form that supabase-js shows.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What is wrong, and what to do.
pub(crate) fn error(status: StatusCode, message: &str, hint: &str) -> Response {
    (status, Json(json!({ "message": message, "hint": hint }))).into_response()
}

/// An error of the sign-in, as supabase-js' auth reads it.
pub(super) fn auth_error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "code": status.as_u16(), "error_code": code, "msg": message });
    (status, Json(body)).into_response()
}
