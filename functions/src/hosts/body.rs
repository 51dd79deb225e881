//! What a host sends, as far as it is checked before the Data API sees it.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::server::MAX_BODY_BYTES;

/// The members of a body.
pub(super) type Members = Map<String, Value>;

/// Reads a body, which must be an object.
pub(super) fn read(body: Result<Bytes, BytesRejection>) -> Result<Members, Failure> {
    let body = body.map_err(|error| unreadable(&error))?;
    let value = serde_json::from_slice(&body)
        .map_err(|_| Failure::bad_request("the body is no JSON", "send one JSON object, in UTF-8"))?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Failure::bad_request(
            "the body is no object",
            "send one JSON object",
        )),
    }
}

/// A member that is a text or not there.
pub(super) fn text<'a>(members: &'a Members, name: &str) -> Result<Option<&'a str>, Failure> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        // Postgres knows no such character.
        Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text)),
        Some(_) => Err(Failure::bad_request(
            format!("{name} is no text"),
            format!("send {name} as a text, or leave it away"),
        )),
    }
}

fn unreadable(error: &BytesRejection) -> Failure {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is too large",
            format!("send {MAX_BODY_BYTES} bytes at most; the metrics of fewer agents at a time"),
        );
    }
    Failure::bad_request("the body could not be read", "send the whole of it")
}
