//! How a call is refused.

use std::io;

use serde_json::{Value, json};

/// An error of the protocol.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) details: Value,
    pub(super) retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            details: Value::Null,
            retry_after_ms: None,
        }
    }

    /// The caller made a mistake.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("INVALID_REQUEST", message)
    }

    pub(super) fn no_agent(id: &str) -> Self {
        Self::invalid(format!("agent \"{id}\" not found"))
    }

    pub(super) fn with_details(self, details: Value) -> Self {
        Self { details, ..self }
    }

    pub(super) fn retry_after(self, ms: u64) -> Self {
        Self {
            retry_after_ms: Some(ms),
            ..self
        }
    }

    /// As it is sent.
    pub(super) fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(ms) = self.retry_after_ms {
            error["retryable"] = true.into();
            error["retryAfterMs"] = ms.into();
        }
        if !self.details.is_null() {
            error["details"] = self.details.clone();
        }
        error
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(
            "UNAVAILABLE",
            format!("Error: Config write rejected: {error}: code=CONFIG_WRITE_REJECTED"),
        )
    }
}
