//! The paths under `/auth/v1`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::users::SignedIn;
use crate::gateway::answer::auth_error;
use crate::gateway::token::{USER_TOKEN_SECS, UserClaims, now_secs, verify_user};
use crate::gateway::{GatewayConfig, key};

type Gateway = State<Arc<GatewayConfig>>;

/// Query of `/token`.
#[derive(Deserialize)]
pub(in crate::gateway) struct TokenQuery {
    grant_type: Option<String>,
}

/// Body of `/token`.
#[derive(Deserialize)]
pub(in crate::gateway) struct TokenBody {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    refresh_token: String,
}

/// Query of `/logout`.
#[derive(Deserialize)]
pub(in crate::gateway) struct LogoutQuery {
    scope: Option<String>,
}

/// Says that it is there.
pub(in crate::gateway) async fn health() -> Response {
    Json(json!({ "name": "creel-local", "description": "password sign-in of the local stack" }))
        .into_response()
}

/// Gives tokens for a password, or for a refresh token.
pub(in crate::gateway) async fn token(
    State(gateway): Gateway,
    Query(query): Query<TokenQuery>,
    headers: HeaderMap,
    body: Result<Json<TokenBody>, JsonRejection>,
) -> Response {
    if let Err(error) = key::key_role(&gateway.keys, &headers) {
        return error.answer();
    }
    let Ok(Json(body)) = body else {
        return auth_error(
            StatusCode::BAD_REQUEST,
            "bad_json",
            "the body is no JSON object; send one",
        );
    };
    let (outcome, code, message) = match query.grant_type.as_deref() {
        Some("password") => (
            gateway.users.sign_in(&body.email, &body.password).await,
            "invalid_credentials",
            "Invalid login credentials",
        ),
        Some("refresh_token") => (
            gateway.users.refresh(&body.refresh_token).await,
            "refresh_token_not_found",
            "Invalid Refresh Token: Refresh Token Not Found",
        ),
        _ => {
            return auth_error(
                StatusCode::BAD_REQUEST,
                "validation_failed",
                "the local stack signs in by grant_type password or refresh_token only",
            );
        }
    };
    match outcome {
        Ok(Some(signed_in)) => session(&signed_in),
        Ok(None) => auth_error(StatusCode::BAD_REQUEST, code, message),
        Err(error) => failed(&error),
    }
}

/// Shows who is signed in.
pub(in crate::gateway) async fn user(State(gateway): Gateway, headers: HeaderMap) -> Response {
    let claims = match signed_in(&gateway, &headers) {
        Ok(claims) => claims,
        Err(refusal) => return *refusal,
    };
    match gateway.users.show(claims.sub, claims.session_id).await {
        Ok(Some(user)) => Json(user).into_response(),
        Ok(None) => auth_error(
            StatusCode::FORBIDDEN,
            "session_not_found",
            "the session is closed; sign in again",
        ),
        Err(error) => failed(&error),
    }
}

/// Closes sessions.
pub(in crate::gateway) async fn logout(
    State(gateway): Gateway,
    Query(query): Query<LogoutQuery>,
    headers: HeaderMap,
) -> Response {
    let claims = match signed_in(&gateway, &headers) {
        Ok(claims) => claims,
        Err(refusal) => return *refusal,
    };
    let scope = query.scope.as_deref().unwrap_or("global");
    match gateway.users.sign_out(claims.sub, claims.session_id, scope).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(&error),
    }
}

fn session(signed_in: &SignedIn) -> Response {
    let body = json!({
        "access_token": signed_in.access_token.expose(),
        "token_type": "bearer",
        "expires_in": USER_TOKEN_SECS,
        "expires_at": now_secs() + USER_TOKEN_SECS,
        "refresh_token": signed_in.refresh_token.expose(),
        "user": signed_in.user,
    });
    Json(body).into_response()
}

/// Who sends the request, by the token that it carries.
fn signed_in(gateway: &GatewayConfig, headers: &HeaderMap) -> Result<UserClaims, Box<Response>> {
    key::key_role(&gateway.keys, headers).map_err(|error| Box::new(error.answer()))?;
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer
        .and_then(|text| text.strip_prefix("Bearer "))
        .and_then(|token| verify_user(gateway.users.jwt_secret(), token.trim()))
        .ok_or_else(|| {
            let message = "the token is missing, expired or not of this project; sign in again";
            Box::new(auth_error(StatusCode::FORBIDDEN, "bad_jwt", message))
        })
}

/// The reason is for the log; database text does not leave by HTTP.
fn failed(error: &anyhow::Error) -> Response {
    tracing::warn!(error = %format_args!("{error:#}"), "failed to answer a sign-in request");
    auth_error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "unexpected_failure",
        "the database did not answer; try again, and see the log of creel up",
    )
}
