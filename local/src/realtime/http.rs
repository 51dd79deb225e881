//! `/realtime/v1`: where sockets begin, and broadcasts of clients that have none.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::access::Right;
use super::claims::Claims;
use super::control::{Heard, Mode};
use super::frame::{Body, Broadcast, Vsn};
use super::hub::Hub;
use super::socket;
use crate::gateway::{answer, cors};

/// A broadcast has this at most, as on Supabase's larger plans.
const MAX_MESSAGE_BYTES: usize = 3 * 1024 * 1024;

/// The routes, under the gateway's.
pub(super) fn routes(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/realtime/v1/websocket", any(websocket))
        .route("/realtime/v1/api/broadcast", post(broadcast_many))
        .route(
            "/realtime/v1/api/broadcast/{topic}/events/{event}",
            post(broadcast_one),
        )
        .layer(DefaultBodyLimit::max(MAX_MESSAGE_BYTES))
        .with_state(hub)
}

/// What stands in a socket's address.
#[derive(Debug, Deserialize)]
struct Address {
    apikey: Option<String>,
    vsn: Option<String>,
}

async fn websocket(
    State(hub): State<Arc<Hub>>,
    Query(address): Query<Address>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Some(response) = cut(&hub) {
        return response;
    }
    // A browser asks nobody before it opens a socket.
    if headers.contains_key(ORIGIN) && cors::loopback_origin(&headers).is_none() {
        return answer::error(
            StatusCode::FORBIDDEN,
            "only pages of this machine may open a socket here",
            "open the page by localhost or 127.0.0.1",
        );
    }
    let key = address
        .apikey
        .as_deref()
        .or_else(|| header(&headers, "x-api-key"));
    let claims = match claims_of_key(&hub, key) {
        Ok(claims) => claims,
        Err(response) => return *response,
    };
    let Some(vsn) = Vsn::parse(address.vsn.as_deref()) else {
        return answer::error(
            StatusCode::FORBIDDEN,
            "this vsn is not spoken here",
            "ask for vsn=1.0.0 or vsn=2.0.0",
        );
    };
    upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(move |stream| socket::serve(hub, vsn, claims, stream))
}

/// The answer while Realtime is cut for a test.
fn cut(hub: &Hub) -> Option<Response> {
    (*hub.mode.borrow() == Mode::Cut).then(|| StatusCode::SERVICE_UNAVAILABLE.into_response())
}

fn header<'headers>(headers: &'headers HeaderMap, name: &str) -> Option<&'headers str> {
    headers.get(name)?.to_str().ok()
}

/// What a key or token of the project stands for.
fn claims_of_key(hub: &Hub, key: Option<&str>) -> Result<Claims, Box<Response>> {
    let refuse = |message: &str| {
        Box::new(answer::error(
            StatusCode::UNAUTHORIZED,
            message,
            "send the publishable key as apikey; creel up prints it",
        ))
    };
    let key = key.ok_or_else(|| refuse("no API key found in the request"))?;
    // Equal hashes instead of equal texts: how long that takes says nothing about the key.
    let hash = Sha256::digest(key);
    let is = |text: &str| Sha256::digest(text) == hash;
    if is(hub.keys.publishable.expose()) {
        return Ok(Claims::of_role("anon"));
    }
    if is(hub.keys.secret.expose()) {
        return Ok(Claims::of_role("service_role"));
    }
    if key.starts_with("sb_") {
        return Err(refuse("the API key is not one of this project"));
    }
    Claims::of_token(&hub.keys.jwt_secret, key).map_err(|error| refuse(&error.to_string()))
}

/// Who sends a broadcast by a request: the person, or else the key.
fn claims_of_request(hub: &Hub, headers: &HeaderMap) -> Result<Claims, Box<Response>> {
    let of_key = claims_of_key(hub, header(headers, "apikey"))?;
    let bearer = header(headers, AUTHORIZATION.as_str())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.starts_with("sb_"));
    match bearer {
        None => Ok(of_key),
        Some(token) => claims_of_key(hub, Some(token)),
    }
}

#[derive(Debug, Deserialize)]
struct Messages {
    messages: Vec<OneMessage>,
}

#[derive(Debug, Deserialize)]
struct OneMessage {
    topic: String,
    event: String,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    private: bool,
}

async fn broadcast_many(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(response) = cut(&hub) {
        return response;
    }
    let claims = match claims_of_request(&hub, &headers) {
        Ok(claims) => claims,
        Err(response) => return *response,
    };
    let Ok(Messages { messages }) = serde_json::from_slice(&body) else {
        return answer::error(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the body has no list of messages",
            "send {\"messages\": [{\"topic\", \"event\", \"payload\"}]}",
        );
    };
    for message in messages {
        heard(&hub, "/api/broadcast", &message.topic, &message.event);
        // As on Supabase: what may not be sent is not, and the others are.
        if message.private && !may_write(&hub, &claims, &message.topic).await {
            continue;
        }
        let broadcast = Broadcast {
            event: message.event,
            body: Body::Json(message.payload),
            meta: None,
        };
        hub.broadcast(&message.topic, message.private, &broadcast, None);
    }
    StatusCode::ACCEPTED.into_response()
}

#[derive(Debug, Deserialize)]
struct Privacy {
    #[serde(default)]
    private: bool,
}

async fn broadcast_one(
    State(hub): State<Arc<Hub>>,
    Path((topic, event)): Path<(String, String)>,
    Query(Privacy { private }): Query<Privacy>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(response) = cut(&hub) {
        return response;
    }
    let claims = match claims_of_request(&hub, &headers) {
        Ok(claims) => claims,
        Err(response) => return *response,
    };
    heard(&hub, "/api/broadcast/{topic}/events/{event}", &topic, &event);
    let is_bytes = header(&headers, CONTENT_TYPE.as_str()) == Some("application/octet-stream");
    let body = if is_bytes {
        Body::Bytes(body)
    } else {
        match serde_json::from_slice(&body) {
            Ok(json) => Body::Json(json),
            Err(_) => {
                return answer::error(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "the body is no JSON",
                    "send JSON, or bytes as application/octet-stream",
                );
            }
        }
    };
    if private && !may_write(&hub, &claims, &topic).await {
        return answer::error(
            StatusCode::FORBIDDEN,
            "the policies of realtime.messages do not let you send to this topic",
            "sign in as somebody who may, or add a policy for insert",
        );
    }
    let broadcast = Broadcast {
        event,
        body,
        meta: None,
    };
    hub.broadcast(&topic, private, &broadcast, None);
    StatusCode::ACCEPTED.into_response()
}

async fn may_write(hub: &Hub, claims: &Claims, topic: &str) -> bool {
    hub.may(Right::Write, claims, topic).await == Some(true)
}

fn heard(hub: &Hub, path: &str, topic: &str, event: &str) {
    hub.heard(|| Heard {
        form: "http".to_owned(),
        event: path.to_owned(),
        topic: topic.to_owned(),
        payload: json!({ "event": event }),
    });
}
