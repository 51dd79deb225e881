//! Who a channel speaks for: the claims of its token.

use std::sync::Arc;

use creel_core::secret::Secret;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;

use crate::gateway::token::now_secs;

/// What a token says. Equal claims see the same rows: they are asked about once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Claims {
    /// The database role.
    pub(super) role: Arc<str>,
    /// All claims as JSON, for `request.jwt.claims`.
    pub(super) text: Arc<str>,
    /// Seconds since 1970 at which they end; none for a key.
    pub(super) expires_at: Option<u64>,
}

/// Why a token is not taken. Says it in Realtime's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("Token has expired {0} seconds ago")]
    Expired(u64),
    #[error("The token provided is not a valid JWT")]
    Malformed,
    #[error("Failed to validate JWT signature")]
    Signature,
    #[error("Fields `role` and `exp` are required in JWT")]
    MissingClaims,
}

impl TokenError {
    /// The word that Realtime puts in front of it when it refuses a join.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Expired(_) | Self::MissingClaims => "InvalidJWTToken",
            Self::Malformed => "MalformedJWT",
            Self::Signature => "JwtSignatureError",
        }
    }
}

impl Claims {
    /// What a key of the project stands for.
    pub(super) fn of_role(role: &str) -> Self {
        Self {
            role: role.into(),
            text: serde_json::json!({ "role": role }).to_string().into(),
            expires_at: None,
        }
    }

    /// The claims of a token that is ours and has not expired.
    pub(super) fn of_token(jwt_secret: &Secret, token: &str) -> Result<Self, TokenError> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = DecodingKey::from_secret(jwt_secret.expose().as_bytes());
        let claims = decode::<Value>(token, &key, &validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => TokenError::Signature,
            _ => TokenError::Malformed,
        })?;
        let claims = claims.claims;
        let (Some(role), Some(expires_at)) = (claims["role"].as_str(), claims["exp"].as_u64()) else {
            return Err(TokenError::MissingClaims);
        };
        let now = now_secs();
        if expires_at <= now {
            return Err(TokenError::Expired(now - expires_at));
        }
        Ok(Self {
            role: role.into(),
            text: claims.to_string().into(),
            expires_at: Some(expires_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gateway::token::sign;

    #[test]
    fn only_a_token_of_ours_with_a_role_and_an_end_to_come_is_taken() {
        let secret = Secret::new("s".repeat(40));
        let of = |claims: Value| Claims::of_token(&secret, &sign(&secret, &claims).expect("signed"));
        let later = now_secs() + 60;
        let taken = of(json!({ "role": "authenticated", "exp": later, "sub": "x" })).expect("taken");
        assert_eq!((&*taken.role, taken.expires_at), ("authenticated", Some(later)));
        assert!(matches!(
            of(json!({ "role": "authenticated", "exp": 1 })),
            Err(TokenError::Expired(_))
        ));
        assert_eq!(of(json!({ "exp": later })), Err(TokenError::MissingClaims));
        assert_eq!(of(json!({ "role": "anon" })), Err(TokenError::MissingClaims));
        let other = sign(
            &Secret::new("t".repeat(40)),
            &json!({ "role": "anon", "exp": later }),
        )
        .expect("signed");
        assert_eq!(Claims::of_token(&secret, &other), Err(TokenError::Signature));
        assert_eq!(Claims::of_token(&secret, "ey.no"), Err(TokenError::Malformed));
    }
}
