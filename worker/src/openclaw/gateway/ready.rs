//! Asks a gateway whether it is ready.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde::Deserialize;

/// A ready gateway on this machine answers in milliseconds.
const READY_WAIT: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Ready {
    ready: bool,
}

/// Whether the gateway on this port says that it is ready. The body counts, not the status: with its page
/// switched on, it answers 200 to whatever is asked.
pub(in crate::openclaw) async fn is_ready(port: u16) -> bool {
    static CLIENT: LazyLock<reqwest::Result<reqwest::Client>> = LazyLock::new(client);
    let Ok(client) = &*CLIENT else { return false };
    let answer = async {
        let reply = client
            .get(format!("http://127.0.0.1:{port}/readyz"))
            .send()
            .await?;
        reply.json::<Ready>().await
    };
    matches!(
        tokio::time::timeout(READY_WAIT, answer).await,
        Ok(Ok(Ready { ready: true }))
    )
}

/// A client that goes nowhere but to this machine: no proxy, no redirect, and no trusted certificate. It keeps
/// no connection: each belongs to the runtime that made it, and a restarted gateway has closed it.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .build()
}
