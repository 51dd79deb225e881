//! A host that calls: by its key, which nobody has checked yet. The Data API does.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use creel_core::secret::Secret;
use reqwest::RequestBuilder;

use crate::caller::Asker;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::refusal::Refused;

/// The header with the host's key.
pub(super) const KEY_HEADER: &str = "x-creel-host-key";

/// More than any key has; a header that is longer is none.
const KEY_MAX_BYTES: usize = 1_024;

/// The host that calls.
pub(super) struct HostCaller {
    key: Secret,
    deadline: Option<Deadline>,
}

impl<S: Sync> FromRequestParts<S> for HostCaller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Ok(Self {
            key: key(&parts.headers).ok_or_else(unknown_host)?,
            deadline: parts.extensions.get::<Deadline>().copied(),
        })
    }
}

impl Asker for HostCaller {
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request.header(KEY_HEADER, self.key.expose())
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn explain(&self, refused: Refused<'_>) -> Option<Failure> {
        explain(refused)
    }
}

/// A machine that is no host yet: nobody to the Data API but a visitor with the publishable key.
pub(super) struct Newcomer {
    /// The key that it will have, where it sends that in place of the key's hash.
    pub(super) key: Option<Secret>,
    deadline: Option<Deadline>,
}

impl<S: Sync> FromRequestParts<S> for Newcomer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Ok(Self {
            key: key(&parts.headers),
            deadline: parts.extensions.get::<Deadline>().copied(),
        })
    }
}

impl Asker for Newcomer {
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn explain(&self, refused: Refused<'_>) -> Option<Failure> {
        explain(refused)
    }
}

/// The key of the header, if it can be one.
fn key(headers: &HeaderMap) -> Option<Secret> {
    let text = headers.get(KEY_HEADER)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= KEY_MAX_BYTES).then(|| Secret::new(text))
}

fn unknown_host() -> Failure {
    Failure::new(
        StatusCode::UNAUTHORIZED,
        "unknown_host",
        "the host's key is missing, not known, expired or revoked",
        format!(
            "send the key as {KEY_HEADER}; without a good one, let the host's owner make a code and enrol again"
        ),
    )
}

/// What a refusal means to a host.
fn explain(refused: Refused<'_>) -> Option<Failure> {
    let failure = match (refused.status, refused.code) {
        (401, "PT401") => unknown_host(),
        (403, _) | (_, "42501") => unknown_host(),
        (404, _) if refused.details == "unknown_code" => Failure::new(
            StatusCode::NOT_FOUND,
            "unknown_code",
            "the code is not known, was used, or has ended",
            "let the host's owner make another one; it is good once, for 15 minutes",
        ),
        (404, _) if refused.details == "unknown_agent" => Failure::new(
            StatusCode::NOT_FOUND,
            "unknown_agent",
            "no such agent lives on this host",
            "ask for agents that a heartbeat names",
        ),
        (409, _) if refused.details == "known_key" => Failure::new(
            StatusCode::CONFLICT,
            "known_key",
            "this key was used before",
            "make a new random key for each enrolment",
        ),
        (413, _) => Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body says too much at a time",
            "send the metrics of fewer agents, or shorter results",
        ),
        (426, _) | (_, "PT426") => Failure::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_needed",
            "this version of the host functions is not spoken here",
            "upgrade the daemon; api says which version it speaks",
        ),
        (429, "PT429") => Failure::new(
            StatusCode::TOO_MANY_REQUESTS,
            "quota",
            "this host says more than it may",
            "call again after next_in_secs of the last answer",
        ),
        (400, "22023" | "22P02" | "22003") => Failure::invalid(
            "a member of the body has a value that it cannot have",
            "see that numbers are numbers, ids are ids, and api is 1",
        ),
        _ => return None,
    };
    Some(failure)
}
