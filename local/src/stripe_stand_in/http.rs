//! The way in: the key, the version, faults, and keys by which a call is made once.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use creel_core::secret::Secret;
use creel_functions::stripe::api::VERSION;
use serde_json::Value;

use super::fault::Fault;
use super::idempotency::{find, fingerprint, save};
use super::params::{Answered, Refusal, parse};
use super::state::State;
use super::{calls, objects};

/// More than any call has.
const BODY_MAX_BYTES: usize = 1024 * 1024;

#[derive(Clone)]
struct Context {
    state: Arc<Mutex<State>>,
    keys: Keys,
}

/// The keys that there are.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    /// May do everything that the stand-in has.
    pub(super) whole: Secret,
    /// May do what people ask for on pages, and nothing with money that was paid.
    pub(super) of_pages: Secret,
}

/// What the key of pages may make or read.
const PAGE_PATHS: [&str; 5] = [
    "/v1/checkout/sessions",
    "/v1/billing_portal/sessions",
    "/v1/accounts",
    "/v1/account_links",
    "/v1/customers",
];

pub(super) fn router(state: Arc<Mutex<State>>, keys: Keys) -> Router {
    Router::new()
        .route("/v1/{*path}", any(call))
        .route("/c/pay/{session}", any(page))
        .route("/p/session/{session}", any(page))
        .route("/setup/e/{account}", any(page))
        .with_state(Context { state, keys })
}

/// What people would see in a browser.
async fn page(Path(id): Path<String>) -> String {
    format!("This is a page of the stand-in of Stripe, for {id}. What people do here is done by its calls.\n")
}

async fn call(Shared(context): Shared<Context>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let fault = {
        let mut state = context.state.lock().unwrap_or_else(PoisonError::into_inner);
        let call = format!("{} {path}", parts.method);
        let fault = state.faults.take(&call);
        state.calls.push(call);
        fault
    };
    match fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Cut) => cut(),
        Some(Fault::Answer(status)) => failed(&context, &parts.method, &path, &parts.headers, &body, status),
        Some(Fault::LoseReply) => {
            answer(
                &context,
                &parts.method,
                &path,
                parts.uri.query(),
                &parts.headers,
                &body,
            );
            cut()
        }
        None => answer(
            &context,
            &parts.method,
            &path,
            parts.uri.query(),
            &parts.headers,
            &body,
        ),
    }
}

fn answer(
    context: &Context,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let mut state = context.state.lock().unwrap_or_else(PoisonError::into_inner);
    let now = state.now_secs();
    let mut is_replayed = false;
    let (status, answer) = match admit(context, path, headers) {
        Err(refusal) => (refusal.status, refusal.body()),
        Ok(()) if method == Method::GET => {
            settled(calls::get(&state, path, &parse(query.unwrap_or_default())))
        }
        Ok(()) if method == Method::DELETE => settled(calls::delete(&mut state, path)),
        Ok(()) if method == Method::POST => {
            let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
            let asked = fingerprint(path, body);
            match key.map_or(Ok(None), |key| find(&state, key, &asked)) {
                Err(refusal) => (refusal.status, refusal.body()),
                Ok(Some(saved)) => {
                    is_replayed = true;
                    (saved.status, saved.body)
                }
                Ok(None) => {
                    let params = parse(&String::from_utf8_lossy(body));
                    let (status, made) = settled(calls::post(&mut state, path, &params));
                    if let Some(key) = key {
                        save(&mut state, key, asked, status, &made);
                    }
                    (status, made)
                }
            }
        }
        Ok(()) => (405, Value::Null),
    };
    let mut response = (
        StatusCode::from_u16(status).unwrap_or_default(),
        axum::Json(answer),
    )
        .into_response();
    let headers = response.headers_mut();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(now).unwrap_or_default());
    for (name, value) in [
        (header::DATE.as_str(), httpdate::fmt_http_date(at)),
        ("request-id", objects::id("req")),
        ("stripe-version", VERSION.to_owned()),
        ("idempotent-replayed", is_replayed.to_string()),
    ] {
        if let (Ok(name), Ok(value)) = (header::HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    response
}

/// The key that there is, and the version that the objects have.
fn admit(context: &Context, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let Keys { whole, of_pages } = &context.keys;
    let is = |key: &Secret| text("authorization") == format!("Bearer {}", key.expose());
    if is(of_pages) && !PAGE_PATHS.iter().any(|may| path.starts_with(may)) {
        return Err(Refusal::new(
            403,
            "invalid_request_error",
            None,
            "The provided key does not have the required permissions for this endpoint.",
        ));
    }
    if !is(whole) && !is(of_pages) {
        return Err(Refusal::new(
            401,
            "invalid_request_error",
            None,
            "Invalid API Key provided",
        ));
    }
    if text("stripe-version") != VERSION {
        return Err(Refusal::new(
            400,
            "invalid_request_error",
            None,
            format!("Invalid Stripe API version: {}", text("stripe-version")),
        ));
    }
    Ok(())
}

fn settled(answered: Answered) -> (u16, Value) {
    match answered {
        Ok(mut object) => {
            objects::without_own(&mut object);
            (200, object)
        }
        Err(refusal) => (refusal.status, refusal.body()),
    }
}

/// A fault of Stripe's own is what its key is answered for a day, too.
fn failed(
    context: &Context,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
    status: u16,
) -> Response {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.filter(|_| method == Method::POST);
    let mut state = context.state.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = fingerprint(path, body);
    let key = key.filter(|key| matches!(find(&state, key, &asked), Ok(None)));

    let (kind, code) = match status {
        429 => ("invalid_request_error", Some("rate_limit")),
        409 => ("invalid_request_error", Some("lock_timeout")),
        _ => ("api_error", None),
    };
    let refusal = Refusal::new(status, kind, code, "The stand-in was told to fail.");
    if let Some(key) = key {
        save(&mut state, key, asked, status, &refusal.body());
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(refusal.body())).into_response()
}

fn cut() -> Response {
    let cut = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
    Response::new(Body::from_stream(cut))
}
