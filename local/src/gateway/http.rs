//! The HTTP client of the local stack.

use anyhow::{Context, Result};

/// A client for loopback: no proxy of the environment is asked, and no redirect followed.
pub fn client() -> Result<reqwest::Client> {
    // Fails when it is installed already, which is as good.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("make the HTTP client")
}
