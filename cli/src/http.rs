//! The HTTP client for a project: passwords and tokens go to that address and nowhere else.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;

/// A client for the project at `url`. No redirect is followed, as that would hand a password on; and what is
/// on this machine is asked without the proxy of the environment.
pub(crate) fn client(url: &str, limit: Duration) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .timeout(limit)
        .redirect(reqwest::redirect::Policy::none());
    if is_loopback(url) {
        builder.no_proxy().build()
    } else {
        builder.build()
    }
}

/// Whether a URL stays on this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The cause that says most: reqwest's own text only repeats the URL.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_addresses_are_loopback() {
        for url in [
            "http://127.0.0.1:54321",
            "http://localhost/x",
            "http://[::1]:9",
            "http://127.8.8.8",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://127.0.0.1.example.com",
            "https://x.supabase.co",
            "http://127.0.0.1@example.com/",
            "http://192.168.0.2",
            "localhost",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
