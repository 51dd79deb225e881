//! Who calls, and for which project.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use creel_core::secret::Secret;
use reqwest::RequestBuilder;

use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::refusal::Refused;

/// The header by which the existing dashboard names the project.
pub const PROJECT_HEADER: &str = "x-clawdos-project";

/// Whoever a function asks the Data API for.
pub(crate) trait Asker: Sync {
    /// Adds to a request by what the Data API knows who asks.
    fn sign(&self, request: RequestBuilder) -> RequestBuilder;

    /// Until when there must be an answer.
    fn deadline(&self) -> Option<Deadline>;

    /// What a refusal means to one who asks in this way; none where it means the same to all.
    fn explain(&self, _refused: Refused<'_>) -> Option<Failure> {
        None
    }
}

/// The caller of a function: a person's token that nobody has checked yet. The Data API does.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token, as it came.
    pub token: Secret,
    /// The project by the header.
    pub project: Option<String>,
    /// Until when there must be an answer.
    pub deadline: Option<Deadline>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Ok(Self {
            token: bearer(&parts.headers).ok_or_else(unauthenticated)?,
            project: project(&parts.headers)?,
            deadline: parts.extensions.get::<Deadline>().copied(),
        })
    }
}

impl Asker for Caller {
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(self.token.expose())
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }
}

impl Caller {
    /// The project that is meant, by header and body or query: both may name it, but not differently.
    pub fn project(&self, other: Option<&str>) -> Result<String, Failure> {
        let other = other.map(str::trim).filter(|project| !project.is_empty());
        match (self.project.as_deref(), other) {
            (Some(header), Some(other)) if header != other => Err(Failure::bad_request(
                format!("the header {PROJECT_HEADER} and projectId name different projects"),
                "send one of the two, or the same in both",
            )),
            (Some(project), _) | (None, Some(project)) => Ok(project.to_owned()),
            (None, None) => Err(Failure::bad_request(
                "the project is missing",
                format!("send projectId, or the header {PROJECT_HEADER}"),
            )),
        }
    }
}

/// A token, if it can be one: three parts. A project's key is none.
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.split('.').count() == 3).then(|| Secret::new(token))
}

/// What a caller without a valid token reads.
pub fn unauthenticated() -> Failure {
    Failure::new(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "the token is missing, expired or not of this project",
        "sign in, and send the session's access token as Authorization: Bearer",
    )
}

fn project(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(PROJECT_HEADER) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| {
        Failure::bad_request(
            format!("the header {PROJECT_HEADER} is no text"),
            "send the project's id",
        )
    })?;
    Ok(Some(text.trim().to_owned()).filter(|project| !project.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(project: Option<&str>) -> Caller {
        Caller {
            token: Secret::new("a.b.c"),
            project: project.map(ToOwned::to_owned),
            deadline: None,
        }
    }

    #[test]
    fn a_project_is_named_by_either_and_contradicted_by_neither() {
        assert_eq!(caller(Some("p")).project(None).as_deref(), Ok("p"));
        assert_eq!(caller(None).project(Some("p")).as_deref(), Ok("p"));
        assert_eq!(caller(Some("p")).project(Some("p")).as_deref(), Ok("p"));
        for refused in [
            caller(Some("p")).project(Some("q")),
            caller(None).project(Some(" ")),
        ] {
            assert_eq!(
                refused.map_err(|failure| failure.status),
                Err(StatusCode::BAD_REQUEST)
            );
        }
    }

    #[test]
    fn a_key_is_no_token() {
        let token = |value: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a value"))]);
            bearer(&headers).map(|token| token.expose().to_owned())
        };
        assert_eq!(token("Bearer a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(token("bearer  a.b.c ").as_deref(), Some("a.b.c"));
        for none in ["Bearer sb_secret_x", "Bearer", "Basic a.b.c", "a.b.c", ""] {
            assert_eq!(token(none), None, "{none}");
        }
    }
}
