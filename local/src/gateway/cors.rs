//! Pages of this machine may read the answers; pages of the internet may not.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// For how long a browser remembers the answer to its question: as long as browsers allow.
const MAX_AGE_SECS: &str = "7200";

/// Answers a browser's question before a request, and marks answers for pages of this machine.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    let origin = loopback_origin(request.headers()).cloned();
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let wanted = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response = if asks {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return response };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Range-Unit"),
    );
    if asks {
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_SECS));
        if let Some(wanted) = wanted {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
    }
    response
}

/// The page's origin, when the page is served by this machine.
pub(crate) fn loopback_origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let uri: Uri = origin.to_str().ok()?.parse().ok()?;
    matches!(uri.host()?, "localhost" | "127.0.0.1" | "[::1]").then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_machine_are_let_in() {
        let allowed = |origin: &str| {
            let headers = HeaderMap::from_iter([(ORIGIN, origin.parse().expect("value"))]);
            loopback_origin(&headers).is_some()
        };
        assert!(allowed("http://localhost:5173"));
        assert!(allowed("http://127.0.0.1:3000"));
        assert!(allowed("http://[::1]:3000"));
        assert!(!allowed("https://localhost.example.com"));
        assert!(!allowed("https://127.0.0.1.example.com"));
        assert!(!allowed("null"));
    }
}
