//! Tokens as Supabase signs them: HS256, with the role as a claim.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// How long a person's token lasts, as on Supabase; supabase-js asks for another one before its end.
pub const USER_TOKEN_SECS: u64 = 3_600;

/// A role's token is made for one request.
const ROLE_TOKEN_SECS: u64 = 60;

/// Audience of a person's token.
const AUDIENCE: &str = "authenticated";

/// Whom a person's token is for.
#[derive(Debug, Clone, Deserialize)]
pub struct UserClaims {
    /// Id in `auth.users`.
    pub sub: Uuid,
    /// The sign-in that it came from.
    pub session_id: Option<Uuid>,
}

/// Seconds since 1970.
pub(crate) fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A token for a role of the database, with a minute to live.
pub fn role_token(jwt_secret: &Secret, role: &str) -> Result<String> {
    let now = now_secs();
    sign(
        jwt_secret,
        &json!({ "role": role, "iss": "creel-local", "iat": now, "exp": now + ROLE_TOKEN_SECS }),
    )
}

/// A person's token, as a sign-in gives it.
pub fn user_token(jwt_secret: &Secret, id: Uuid, email: &str, session_id: Uuid) -> Result<String> {
    let now = now_secs();
    let claims = json!({
        "sub": id,
        "role": "authenticated",
        "aud": AUDIENCE,
        "email": email,
        "iat": now,
        "exp": now + USER_TOKEN_SECS,
        "session_id": session_id,
        "is_anonymous": false,
        "aal": "aal1",
        "app_metadata": { "provider": "email", "providers": ["email"] },
        "user_metadata": {},
    });
    sign(jwt_secret, &claims)
}

/// Signs claims of any form.
pub fn sign(jwt_secret: &Secret, claims: &Value) -> Result<String> {
    let key = EncodingKey::from_secret(jwt_secret.expose().as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).context("sign a token")
}

/// The claims of a person's token that is ours and has not expired.
pub(super) fn verify_user(jwt_secret: &Secret, token: &str) -> Option<UserClaims> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "aud"]);
    let key = DecodingKey::from_secret(jwt_secret.expose().as_bytes());
    decode::<UserClaims>(token, &key, &validation)
        .ok()
        .map(|token| token.claims)
}
