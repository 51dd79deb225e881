//! Which pages may read the answers.

use std::str::FromStr;

use axum::http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use axum::http::{Method, Uri};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// For how long a browser remembers the answer to its question: as long as browsers allow.
const MAX_AGE: std::time::Duration = std::time::Duration::from_secs(7200);

/// Pages of these origins, and no others: `*` is not possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Pages that this machine serves.
    Loopback,
    /// Exactly these.
    List(Vec<HeaderValue>),
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(parse_origin).collect::<Result<_, _>>().map(Self::List)
    }
}

fn parse_origin(text: &str) -> Result<HeaderValue, String> {
    let wrong =
        || format!("{text:?} is no origin; write scheme and host only, such as https://app.example.com");
    // Browsers send origins in lower case and without a slash at the end.
    let origin = text.trim_end_matches('/').to_ascii_lowercase();
    let uri: Uri = origin.parse().map_err(|_| wrong())?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.host().unwrap_or_default();
    let is_origin = uri.authority().is_some_and(|authority| {
        Some(format!("{}://{authority}", uri.scheme_str().unwrap_or_default())) == Some(origin.clone())
    });
    if !is_web || !is_origin || host.is_empty() || host.contains('*') {
        return Err(wrong());
    }
    HeaderValue::from_str(&origin).map_err(|_| wrong())
}

impl Origins {
    /// Whether a page is of one of them: somebody who paid is to come back to us, and to nobody else.
    pub fn has(&self, page: &str) -> bool {
        let Ok(url) = reqwest::Url::parse(page) else {
            return false;
        };
        let is_plain =
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        let Ok(origin) = HeaderValue::from_str(&url.origin().ascii_serialization()) else {
            return false;
        };
        is_plain
            && match self {
                Self::Loopback => is_loopback(&origin),
                Self::List(list) => list.contains(&origin),
            }
    }

    /// What answers a browser's questions, and marks answers for the pages that may read them.
    pub fn layer(&self) -> CorsLayer {
        let allowed = match self {
            Self::List(list) => AllowOrigin::list(list.iter().cloned()),
            Self::Loopback => AllowOrigin::predicate(|origin, _| is_loopback(origin)),
        };
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers([
                AUTHORIZATION,
                CONTENT_TYPE,
                IF_MATCH,
                IF_NONE_MATCH,
                HeaderName::from_static("apikey"),
                HeaderName::from_static("x-client-info"),
                HeaderName::from_static("idempotency-key"),
                HeaderName::from_static("x-clawdos-project"),
            ])
            .expose_headers([ETAG])
            .max_age(MAX_AGE)
    }
}

fn is_loopback(origin: &HeaderValue) -> bool {
    let uri: Option<Uri> = origin.to_str().ok().and_then(|text| text.parse().ok());
    matches!(
        uri.as_ref().and_then(Uri::host),
        Some("localhost" | "127.0.0.1" | "[::1]")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_exact_origins_and_never_all() {
        let list: Origins = "https://App.example.com/, http://localhost:5173"
            .parse()
            .expect("a list");
        let expected = ["https://app.example.com", "http://localhost:5173"];
        assert_eq!(
            list,
            Origins::List(expected.map(HeaderValue::from_static).to_vec())
        );
        assert_eq!("".parse(), Ok(Origins::List(Vec::new())));
        for wrong in [
            "*",
            "https://*.example.com",
            "app.example.com",
            "https://a.example.com/path",
            "file:///x",
            "null",
            "https://user@",
        ] {
            assert!(wrong.parse::<Origins>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_to_come_back_to_is_of_an_origin_that_is_allowed() {
        let list: Origins = "https://app.example.com,http://localhost:5173"
            .parse()
            .expect("a list");
        for good in [
            "https://app.example.com",
            "https://APP.example.com:443/paid?session={CHECKOUT_SESSION_ID}#x",
            "http://localhost:5173/",
        ] {
            assert!(list.has(good), "{good}");
        }
        for wrong in [
            "",
            "/paid",
            "//app.example.com",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://app.example.com@evil.example",
            "https://me:x@app.example.com",
            "https://evil.example/?https://app.example.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "blob:https://app.example.com/x",
        ] {
            assert!(!list.has(wrong), "{wrong}");
        }
        assert!(Origins::Loopback.has("http://127.0.0.1:3000/x"));
        assert!(!Origins::Loopback.has("https://app.example.com"));
    }

    #[test]
    fn only_pages_of_this_machine_are_loopback() {
        let is = |text: &'static str| is_loopback(&HeaderValue::from_static(text));
        assert!(is("http://localhost:5173") && is("http://127.0.0.1:1") && is("http://[::1]:3000"));
        assert!(!is("https://localhost.example.com") && !is("null") && !is("https://127.0.0.1.example.com"));
    }
}
