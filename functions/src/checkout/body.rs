//! What a page sends, as far as it is checked before anybody else sees it.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::BODY_MAX_BYTES;
use crate::failure::Failure;
use crate::origins::Origins;

/// As long as browsers agree upon.
const URL_MAX_BYTES: usize = 2_048;

/// The members of a body.
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// Reads a body, which must be an object.
    pub(super) fn read(body: Result<Bytes, BytesRejection>) -> Result<Self, Failure> {
        let body = body.map_err(|error| unreadable(&error))?;
        match serde_json::from_slice(&body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(Failure::bad_request(
                "the body is no object",
                "send one JSON object",
            )),
            Err(_) => Err(Failure::bad_request(
                "the body is no JSON",
                "send one JSON object, in UTF-8",
            )),
        }
    }

    /// A member of any kind; null if it is not there.
    pub(super) fn value(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// A member that is a text or not there.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.value(name) {
            Value::Null => Ok(None),
            // Postgres knows no such character.
            Value::String(text) if !text.contains('\0') => Ok(Some(text)),
            _ => Err(Failure::bad_request(
                format!("{name} is no text"),
                format!("send {name} as a text"),
            )),
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Failure> {
        let text = self.text(name)?.filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| Failure::bad_request(format!("{name} is missing"), format!("send {name}")))
    }

    /// A page of ours that somebody is sent back to.
    pub(super) fn page(&self, name: &str, origins: &Origins) -> Result<&str, Failure> {
        let url = self.needed(name)?;
        if url.len() <= URL_MAX_BYTES && origins.has(url) {
            return Ok(url);
        }
        Err(Failure::invalid(
            format!("{name} is no page of an origin that is allowed"),
            format!("send a URL of one of CREEL_ALLOWED_ORIGINS, of {URL_MAX_BYTES} bytes at most"),
        ))
    }
}

fn unreadable(error: &BytesRejection) -> Failure {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is too large",
            format!("send {BODY_MAX_BYTES} bytes at most; large documents can be written later"),
        );
    }
    Failure::bad_request("the body could not be read", "send the whole of it")
}
