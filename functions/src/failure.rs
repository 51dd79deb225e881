//! What a caller reads when it did not work: always `{ok: false, error: {code, message, hint}}`.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal in our own words. What the database said never gets in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The status.
    pub status: StatusCode,
    /// For programs; it stays the same from version to version.
    pub code: Cow<'static, str>,
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// What to do.
    pub hint: Cow<'static, str>,
}

impl Failure {
    /// A failure with all its parts.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The request cannot be understood.
    pub fn bad_request(message: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message, hint)
    }

    /// The request is understood, and one of its values is not possible.
    pub fn invalid(message: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message, hint)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = json!({ "code": self.code, "message": self.message, "hint": self.hint });
        (self.status, Json(json!({ "ok": false, "error": error }))).into_response()
    }
}
