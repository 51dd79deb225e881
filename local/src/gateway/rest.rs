//! `/rest/v1`: handed on to PostgREST.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::{GatewayConfig, answer, key};

/// What is stripped from the path.
const PREFIX: &str = "/rest/v1";

/// Headers that concern one connection only and are not handed on.
static PER_CONNECTION: [HeaderName; 8] = [
    CONNECTION,
    TRANSFER_ENCODING,
    TE,
    TRAILER,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// Hands a request on, with the key swapped for the role's token and the prefix stripped.
pub(super) async fn proxy(State(gateway): State<Arc<GatewayConfig>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(path) = plan_path(parts.uri.path()) else {
        return answer::error(
            StatusCode::BAD_REQUEST,
            "the path has an encoded slash, a backslash, or a segment of dots",
            "ask for /rest/v1/<table> or /rest/v1/rpc/<function>",
        );
    };
    let role = match key::key_role(&gateway.keys, &parts.headers) {
        Ok(role) => role,
        Err(error) => return error.answer(),
    };
    let authorization = match key::authorization(&gateway.keys, &parts.headers, role) {
        Ok(authorization) => authorization,
        Err(error) => {
            tracing::error!(error = %format_args!("{error:#}"), "failed to make a role's token");
            return answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "no token could be made",
                "see the log",
            );
        }
    };
    let query = parts
        .uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let url = format!("{}{path}{query}", gateway.rest_url);
    let mut headers = forwarded(&parts.headers);
    headers.insert(AUTHORIZATION, authorization);
    let mut call = gateway.http.request(parts.method.clone(), url).headers(headers);
    if carries_body(&parts.method, &parts.headers) {
        call = call.body(reqwest::Body::wrap_stream(body.into_data_stream()));
    }
    match call.send().await {
        Ok(answer) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = answer.status();
            *response.headers_mut() = returned(answer.headers());
            *response.body_mut() = Body::from_stream(answer.bytes_stream());
            response
        }
        Err(error) => {
            tracing::warn!(%error, "failed to reach PostgREST");
            answer::error(
                StatusCode::BAD_GATEWAY,
                "PostgREST cannot be reached",
                "try again; if it stays so, restart creel up",
            )
        }
    }
}

/// The path at PostgREST; none for a path that another program could read as one outside of the prefix.
fn plan_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(PREFIX)?;
    let lower = rest.to_ascii_lowercase();
    let decoded = lower.replace("%2e", ".");
    let outside = lower.contains("%2f")
        || lower.contains("%5c")
        || lower.contains('\\')
        || rest.contains("//")
        || decoded
            .split('/')
            .any(|segment| segment == "." || segment == "..");
    match rest {
        _ if outside => None,
        "" => Some("/"),
        rest => Some(rest),
    }
}

/// A body without a length is sent in chunks, which PostgREST would also read from a GET.
fn carries_body(method: &Method, headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_LENGTH)
        || headers.contains_key(TRANSFER_ENCODING)
        || !matches!(
            *method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE
        )
}

fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in PER_CONNECTION.iter().chain([&HOST, &AUTHORIZATION]) {
        kept.remove(name);
    }
    kept
}

fn returned(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in &PER_CONNECTION {
        kept.remove(name);
    }
    // Which pages may read the answer is the gateway's decision.
    let own: Vec<_> = kept
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in own {
        kept.remove(name);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_stripped() {
        assert_eq!(plan_path("/rest/v1"), Some("/"));
        assert_eq!(plan_path("/rest/v1/"), Some("/"));
        assert_eq!(plan_path("/rest/v1/rpc/claim"), Some("/rpc/claim"));
        assert_eq!(plan_path("/rest/v1/a.b%20c"), Some("/a.b%20c"));
    }

    #[test]
    fn no_path_leads_out_of_the_prefix() {
        for path in [
            "/rest/v1/../auth/v1/user",
            "/rest/v1/%2e%2E/x",
            "/rest/v1/.%2e/x",
            "/rest/v1/a%2f..%2fb",
            "/rest/v1/a%5Cb",
            "/rest/v1//evil.example/x",
            "/rest/v1/./x",
            "/auth/v1/user",
        ] {
            assert_eq!(plan_path(path), None, "{path}");
        }
    }
}
