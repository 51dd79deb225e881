//! The dashboard at `/`: the files of `dashboard/dist`, and where their project is.
//!
//! A release has the files within; a build for development reads them from the folder when they are asked for.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::State;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::EmbeddedFile;
use serde_json::json;

use super::{GatewayConfig, not_found};

/// What a browser may do on the page: nothing but to ask the origin that the page came from.
const POLICY: &str = include_str!("../../../dashboard/policy.txt");

/// The names of such files change with what is in them.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// What is kept has to be asked for again: it may be another one after an update.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// The page itself and its configuration: an old one would look for files that are there no more.
const NEVER: HeaderValue = HeaderValue::from_static("no-store");

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// What is served by others, and never is a page.
const OTHERS: [&str; 4] = ["rest", "auth", "functions", "realtime"];

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Creel</title>\
    <h1>The dashboard is not built</h1>\
    <p>The stack runs; only its page is missing. Build it in the folder of the project, then load this page again:</p>\
    <pre>npm ci --prefix dashboard &amp;&amp; npm run build --prefix dashboard</pre>\
    <p>scripts/up does so by itself. A release of creel has the page within if it was there at its build.</p></html>";

// `Dist`, the built page: build.rs knows where it is.
include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What answers a request that nobody else takes.
#[derive(Debug, PartialEq, Eq)]
enum Plan<'a> {
    /// A file of the build; there may be none of that name.
    File(&'a str),
    /// The page, which finds out itself what to show.
    Page,
    /// Nothing.
    NotFound,
}

/// Serves a file of the page, or the page itself wherever a person goes.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return not_found().await;
    }
    let wants_page = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    match plan(uri.path(), wants_page, |name| Dist::get(name).is_some()) {
        Plan::File(name) => match Dist::get(name) {
            Some(file) => guarded(file_answer(name, file)),
            None => not_found().await,
        },
        Plan::Page => guarded(page()),
        Plan::NotFound => not_found().await,
    }
}

/// Tells the page where its project is: on the port that it came from.
pub(super) async fn config(State(config): State<Arc<GatewayConfig>>) -> Response {
    let told = json!({ "supabaseUrl": "/", "publishableKey": config.keys.publishable.expose() });
    guarded(([(CACHE_CONTROL, NEVER)], Json(told)).into_response())
}

fn plan(path: &str, wants_page: bool, is_file: impl Fn(&str) -> bool) -> Plan<'_> {
    let name = path.trim_start_matches('/');
    let first = name.split('/').next().unwrap_or_default();
    if OTHERS.contains(&first) || name.split('/').any(|part| part.starts_with('.')) {
        return Plan::NotFound;
    }
    if matches!(name, "" | "index.html") {
        return Plan::Page;
    }
    if is_file(name) {
        return Plan::File(name);
    }
    // Who asks for a script that an update took away must not get a page instead.
    if wants_page && first != "assets" {
        Plan::Page
    } else {
        Plan::NotFound
    }
}

fn file_answer(name: &str, file: EmbeddedFile) -> Response {
    let keep = if name.starts_with("assets/") {
        FOREVER
    } else {
        ASK_AGAIN
    };
    let kind = HeaderValue::from_str(file.metadata.mimetype());
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, keep)], file.data).into_response()
}

fn page() -> Response {
    match Dist::get("index.html") {
        Some(file) => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            ([(CONTENT_TYPE, html), (CACHE_CONTROL, NEVER)], file.data).into_response()
        }
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(CACHE_CONTROL, NEVER)],
            Html(NOT_BUILT),
        )
            .into_response(),
    }
}

/// Text from agents is shown on the page: whatever became of it, nothing of it may run.
fn guarded(mut response: Response) -> Response {
    static HEADER: LazyLock<HeaderValue> = LazyLock::new(|| {
        let policy = POLICY.lines().collect::<Vec<_>>().join("; ");
        HeaderValue::from_str(&policy).expect("the policy is plain ASCII")
    });
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HEADER.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(path: &str, wants_page: bool) -> Plan<'_> {
        plan(path, wants_page, |name| {
            ["icon.svg", "assets/a.js", ".vite/manifest.json", "index.html"].contains(&name)
        })
    }

    #[test]
    fn every_address_of_the_page_is_the_page() {
        for path in ["/", "/index.html", "/p/local/agents/scout", "/p/a.b/queue"] {
            assert_eq!(planned(path, true), Plan::Page, "{path}");
        }
        assert_eq!(planned("/", false), Plan::Page);
    }

    #[test]
    fn files_are_files() {
        assert_eq!(planned("/assets/a.js", false), Plan::File("assets/a.js"));
        assert_eq!(planned("/icon.svg", true), Plan::File("icon.svg"));
    }

    #[test]
    fn what_is_no_page_never_becomes_one() {
        for path in [
            "/assets/old.js",
            "/rest/v2/agents",
            "/auth/v1/signup",
            "/realtime/v1/x",
            "/.vite/manifest.json",
            "/p/../secret",
        ] {
            assert_eq!(planned(path, true), Plan::NotFound, "{path}");
        }
        assert_eq!(planned("/p/local/agents", false), Plan::NotFound, "no browser");
    }

    #[test]
    fn the_policy_lets_nothing_in_from_elsewhere() {
        let response = guarded(page());
        let policy = response.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("text");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; "),
            "{policy}"
        );
        for loose in ["unsafe", "http", "*", "data:", "blob:"] {
            assert!(!policy.contains(loose), "{loose} in {policy}");
        }
    }
}
