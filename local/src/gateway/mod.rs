//! The one port: what supabase-js finds at a project's URL.

pub(crate) mod answer;
pub mod auth;
pub(crate) mod cors;
pub mod http;
mod key;
mod page;
mod rest;
pub mod token;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::serve::ListenerExt;
use creel_functions::data_api::DataApi;
use creel_functions::origins::Origins;
use creel_functions::{agents, hosts, server};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::billing::Billing;
use crate::keys::ApiKeys;
use crate::realtime::{Realtime, RealtimeConfig};

/// The functions' routes, for who has taken another one.
const ROUTES: &str = "there are /agents/provision, /agents/runtime, /agents/{agentKey}, \
     /agents/{agentId}/deploy-config, /hosts/enroll and /hosts/heartbeat; with STRIPE_API_KEY also /stripe and /checkout";

/// What the gateway needs to know.
#[derive(Debug)]
pub struct GatewayConfig {
    /// Where PostgREST answers, without a slash at the end.
    pub rest_url: String,
    /// The keys that it accepts and signs with.
    pub keys: ApiKeys,
    /// Who signs people in.
    pub users: auth::Users,
    /// For the calls to PostgREST.
    pub http: reqwest::Client,
    /// The functions that speak to Stripe; none where there is no Stripe.
    pub billing: Option<Billing>,
    /// How Realtime reaches the database.
    pub realtime: RealtimeConfig,
}

/// A listening gateway. It ends when it is dropped or stopped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    realtime: Realtime,
}

impl Gateway {
    /// Listens on a port of loopback: `port`, or any free one.
    pub async fn start(port: Option<u16>, config: GatewayConfig) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))
            .await
            .with_context(|| match port {
                Some(port) => {
                    format!("listen on port {port}; another program has it: stop that, or give another port")
                }
                None => "listen on a free port".to_owned(),
            })?;
        let address = listener.local_addr().context("read the gateway's address")?;
        // The end of an answer would wait 40 ms for the caller to have acknowledged its beginning.
        let listener = listener.tap_io(|stream| {
            let _gone = stream.set_nodelay(true);
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let realtime = Realtime::start(config.realtime.clone(), config.keys.clone());
        let router = router(config, &realtime);
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(stopped.cancelled_owned());
            if let Err(error) = serving.await {
                tracing::error!(%error, "the gateway ended");
            }
        });
        Ok(Self {
            address,
            stop,
            task,
            realtime,
        })
    }

    /// Where it answers, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What answers at `/realtime/v1`.
    pub fn realtime(&self) -> &Realtime {
        &self.realtime
    }

    /// Takes no new request and ends the ones at work.
    pub fn stop(self) {
        self.realtime.stop();
        self.stop.cancel();
        self.task.abort();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All routes.
fn router(config: GatewayConfig, realtime: &Realtime) -> Router {
    let functions = functions(&config);
    Router::new()
        .route("/rest/v1", any(rest::proxy))
        .route("/rest/v1/", any(rest::proxy))
        .route("/rest/v1/{*path}", any(rest::proxy))
        .route("/auth/v1/health", get(auth::routes::health))
        .route("/auth/v1/token", post(auth::routes::token))
        .route("/auth/v1/user", get(auth::routes::user))
        .route("/auth/v1/logout", post(auth::routes::logout))
        .route("/config.json", get(page::config))
        .fallback(page::serve)
        .with_state(Arc::new(config))
        .nest("/functions/v1", functions)
        .merge(realtime.routes())
        .layer(middleware::from_fn(cors::layer))
}

/// What AWS Lambda runs elsewhere. It asks PostgREST itself, as a function does that has a project's URL.
fn functions(config: &GatewayConfig) -> Router {
    let api = DataApi::new(&config.rest_url, config.keys.publishable.clone(), None);
    let routes = agents::routes(api.clone()).merge(hosts::routes(api));
    let routes = match &config.billing {
        Some(billing) => routes.merge(billing.routes()),
        None => routes,
    };
    server::router(routes, ROUTES, &Origins::Loopback)
}

async fn not_found() -> Response {
    answer::error(
        StatusCode::NOT_FOUND,
        "the local stack does not serve this path",
        "it has /rest/v1, /realtime/v1, /functions/v1 and the password sign-in of /auth/v1",
    )
}
