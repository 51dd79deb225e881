//! `POST /stripe/events` and `POST /stripe/connect`: Stripe tells what happened, and hears whether to tell it again.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;

use super::door::{Door, Endpoint};
use super::event::Event;
use super::signature::SigningSecrets;
use crate::deadline::Deadline;
use crate::failure::Failure;

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "stripe-signature";

/// Larger than any event that Stripe was seen to send; what it is of a stranger is dropped before it is hashed.
pub const EVENT_MAX_BYTES: usize = 1024 * 1024;

/// What the two endpoints need.
#[derive(Clone)]
pub struct Webhooks {
    /// The way into the database.
    pub door: Door,
    /// The secrets of the endpoint for the platform's events.
    pub platform: SigningSecrets,
    /// The secrets of the endpoint for events of connected accounts.
    pub connect: SigningSecrets,
    /// Whether real money is meant: an endpoint of Connect is told of connected accounts' tests, too.
    pub is_live: bool,
}

/// The routes; [`crate::server::router`] puts the rest around them.
pub fn routes(webhooks: Webhooks) -> Router {
    use axum::extract::DefaultBodyLimit;
    use axum::routing::post;

    Router::new()
        .route("/stripe/events", post(platform))
        .route("/stripe/connect", post(connect))
        .layer(DefaultBodyLimit::max(EVENT_MAX_BYTES))
        .with_state(webhooks)
}

type Limit = Option<Extension<Deadline>>;
type Body = Result<Bytes, BytesRejection>;

async fn platform(
    State(webhooks): State<Webhooks>,
    limit: Limit,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let event = read(&headers, body, &webhooks.platform)?;
    deliver(&webhooks, Endpoint::Platform, &event, limit).await
}

async fn connect(
    State(webhooks): State<Webhooks>,
    limit: Limit,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let event = read(&headers, body, &webhooks.connect)?;
    deliver(&webhooks, Endpoint::Connect, &event, limit).await
}

fn read(headers: &HeaderMap, body: Body, secrets: &SigningSecrets) -> Result<Event, Failure> {
    let body = body.map_err(|error| unreadable(&error))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let signatures = headers.get_all(SIGNATURE_HEADER).iter();
    let event = Event::verified(
        signatures.map(|value| value.as_bytes()),
        &body,
        secrets,
        now.as_secs(),
    );
    event.inspect_err(|failure| {
        tracing::warn!(code = %failure.code, "refused a delivery: {}", failure.message);
    })
}

async fn deliver(
    webhooks: &Webhooks,
    endpoint: Endpoint,
    event: &Event,
    limit: Limit,
) -> Result<Response, Failure> {
    let (id, kind) = (event.id(), event.kind());
    if webhooks.is_live && !event.is_live() {
        tracing::info!(
            event.id = id,
            event.kind = kind,
            "{kind} {id} is a test's, and is left away"
        );
        let body =
            json!({ "ok": true, "outcome": "ignored", "note": "this is an event of Stripe's test mode" });
        return Ok(Json(body).into_response());
    }
    let limit = limit.map(|Extension(limit)| limit);
    let outcome = webhooks
        .door
        .apply(endpoint, event, limit)
        .await
        .inspect_err(|failure| {
            tracing::error!(
                event.id = id, event.kind = kind, code = %failure.code,
                "failed to apply {kind} {id}: {}; Stripe sends it again", failure.message
            );
        })?;
    let (word, note) = (outcome.word, outcome.note);
    tracing::info!(event.id = id, event.kind = kind, note, "{kind} {id} is {word}");
    if outcome.is_settled {
        return Ok(Json(json!({ "ok": true, "outcome": word, "note": note })).into_response());
    }
    // It is kept. Stripe asks again, and shows to people that it waits.
    let error = json!({
        "code": word,
        "message": note,
        "hint": "it is kept, and applied as soon as what it needs is known; creel billing events shows it",
    });
    let body = json!({ "ok": false, "outcome": word, "note": note, "error": error });
    Ok((StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response())
}

fn unreadable(error: &BytesRejection) -> Failure {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is too large for an event",
            format!("send {EVENT_MAX_BYTES} bytes at most"),
        );
    }
    Failure::bad_request("the body could not be read", "send the whole of it")
}
