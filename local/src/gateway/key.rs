//! Which role a request has, as hosted Supabase decides it.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::answer;
use super::token::role_token;
use crate::keys::ApiKeys;

/// What a key of the project stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyRole {
    /// The publishable key.
    Anon,
    /// The secret key.
    Service,
}

impl KeyRole {
    fn role(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::Service => "service_role",
        }
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyError {
    Missing,
    Unknown,
}

impl KeyError {
    pub(super) fn answer(self) -> Response {
        let message = match self {
            Self::Missing => "no API key found in the request",
            Self::Unknown => "the API key is not one of this project",
        };
        answer::error(
            StatusCode::UNAUTHORIZED,
            message,
            "send the publishable or the secret key as the header apikey; creel up prints both",
        )
    }
}

/// The role of the header `apikey`.
pub(super) fn key_role(keys: &ApiKeys, headers: &HeaderMap) -> Result<KeyRole, KeyError> {
    let key = headers.get("apikey").ok_or(KeyError::Missing)?.as_bytes();
    // Equal hashes instead of equal texts: how long that takes says nothing about the key.
    let hash = Sha256::digest(key);
    let is = |text: &str| Sha256::digest(text.as_bytes()) == hash;
    match () {
        () if is(keys.publishable.expose()) => Ok(KeyRole::Anon),
        () if is(keys.secret.expose()) => Ok(KeyRole::Service),
        () => Err(KeyError::Unknown),
    }
}

/// The header that PostgREST gets: a person's token as it came, else a token of the key's role.
/// supabase-js repeats the key as a bearer token, which is no token.
pub(super) fn authorization(
    keys: &ApiKeys,
    headers: &HeaderMap,
    role: KeyRole,
) -> anyhow::Result<HeaderValue> {
    match headers.get(AUTHORIZATION) {
        Some(given) if !is_key(given) => Ok(given.clone()),
        _ => {
            let token = role_token(&keys.jwt_secret, role.role())?;
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
            value.set_sensitive(true);
            Ok(value)
        }
    }
}

fn is_key(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let bearer = text
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    bearer.is_some() && text[7..].trim_start().starts_with("sb_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().expect("name"), value.parse().expect("value")))
            .collect()
    }

    #[test]
    fn only_the_two_keys_of_the_project_are_let_in() {
        let keys = ApiKeys::generate();
        let role = |key: &str| key_role(&keys, &headers(&[("apikey", key)]));
        assert_eq!(role(keys.publishable.expose()), Ok(KeyRole::Anon));
        assert_eq!(role(keys.secret.expose()), Ok(KeyRole::Service));
        assert_eq!(role("sb_secret_guess"), Err(KeyError::Unknown));
        assert_eq!(key_role(&keys, &headers(&[])), Err(KeyError::Missing));
    }

    #[test]
    fn a_persons_token_is_kept_and_a_repeated_key_is_swapped() {
        let keys = ApiKeys::generate();
        let sent = |value: &str| {
            let given = headers(&[("authorization", value)]);
            let value = authorization(&keys, &given, KeyRole::Anon).expect("a header");
            value.to_str().expect("text").to_owned()
        };
        assert_eq!(sent("Bearer ey.person"), "Bearer ey.person");
        for key in ["Bearer sb_publishable_x", "bearer sb_secret_x"] {
            assert!(sent(key).starts_with("Bearer ey"), "{key}");
        }
    }
}
