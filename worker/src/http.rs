//! `/healthz`, `/readyz` and `/metrics`, on loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use creel_core::telemetry::{
    CLAIMED, FINISHED, GATEWAY_READY, GATEWAY_STARTS, HINTS_LOST, JOB_SECONDS, LEASE_LOST, RECONNECTED,
    RUNNING, TICK_FAILED, TICK_SECONDS,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::exit::Fatal;
use crate::gateway_service::GatewayView;
use crate::health::Health;
use crate::held::Held;
use crate::transport::Connector;

/// The name of the file in the data directory that holds the bound address.
const ADDRESS_FILE: &str = "http.addr";
/// A tick takes milliseconds, a job up to minutes.
const TICK_BUCKETS: [f64; 8] = [0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];
/// See [`TICK_BUCKETS`].
const JOB_BUCKETS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 3600.0];

/// One for each process: the recorder of metrics is global, and workers may share a process.
static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// The pages' server, bound and not yet serving.
pub(crate) struct Pages {
    listener: TcpListener,
    address_file: PathBuf,
}

/// What the pages are made from.
#[derive(Clone)]
pub(crate) struct PageState {
    /// State of the connections.
    pub(crate) health: Arc<Health>,
    /// What is at work.
    pub(crate) held: Arc<Held>,
    /// Who knows whether the worker hears of work at once.
    pub(crate) connector: Connector,
    /// The gateway, where the worker keeps it.
    pub(crate) gateway: Option<watch::Receiver<GatewayView>>,
}

impl Pages {
    /// Binds, and writes the bound address where a script finds it.
    pub(crate) async fn bind(address: SocketAddr, data_dir: &Path) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| Fatal::Listen { address, source })?;
        let bound = listener.local_addr().context("read the bound address")?;
        let address_file = data_dir.join(ADDRESS_FILE);
        std::fs::write(&address_file, format!("{bound}\n"))
            .with_context(|| format!("write {}", address_file.display()))?;
        tracing::info!(address = %bound, "http://{bound} has /healthz, /readyz and /metrics");
        Ok(Self {
            listener,
            address_file,
        })
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self, state: PageState) -> Option<String> {
        let _removed = RemovedAtEnd(self.address_file);
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(async || metrics_text()))
            .with_state(state);
        axum::serve(self.listener, router)
            .await
            .err()
            .map(|error| error.to_string())
    }
}

/// A stale address would send a script to somebody else's port.
struct RemovedAtEnd(PathBuf);

impl Drop for RemovedAtEnd {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_file(&self.0);
    }
}

/// Starts to record metrics. A second call in the same process does nothing.
pub(crate) fn record_metrics() {
    METRICS.get_or_init(|| {
        let full = |name: &str| Matcher::Full(name.to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(full(TICK_SECONDS), &TICK_BUCKETS)
            .and_then(|builder| builder.set_buckets_for_metric(full(JOB_SECONDS), &JOB_BUCKETS))
            .expect("the buckets are not empty")
            .build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("this program records metrics elsewhere; /metrics stays empty");
        }
        describe();
        handle
    });
}

/// Folds what was recorded since the last time. Without it, and without anybody who reads `/metrics`, each
/// recorded duration would stay in memory.
pub(crate) fn fold_metrics() {
    if let Some(handle) = METRICS.get() {
        handle.run_upkeep();
    }
}

fn metrics_text() -> String {
    METRICS.get().map(PrometheusHandle::render).unwrap_or_default()
}

fn describe() {
    metrics::describe_counter!(CLAIMED, "Items claimed, by queue");
    metrics::describe_counter!(FINISHED, "Items finished, by queue and outcome");
    metrics::describe_counter!(LEASE_LOST, "Leases lost, by queue");
    metrics::describe_gauge!(RUNNING, "Jobs at work now");
    metrics::describe_histogram!(JOB_SECONDS, "Seconds from claim to finish, by queue");
    metrics::describe_histogram!(TICK_SECONDS, "Seconds of a tick's round trip");
    metrics::describe_counter!(TICK_FAILED, "Ticks that failed");
    metrics::describe_gauge!(
        GATEWAY_READY,
        "1 while the gateway that the worker keeps is ready"
    );
    metrics::describe_counter!(GATEWAY_STARTS, "Starts of the gateway by the worker");
    metrics::describe_counter!(
        HINTS_LOST,
        "Work that a tick found and Realtime had not announced"
    );
    metrics::describe_counter!(RECONNECTED, "Connections to the database that were made again");
}

async fn ready(State(state): State<PageState>) -> (StatusCode, Json<Value>) {
    let reasons = state.health.reasons();
    let code = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let gateway = state.gateway.map(|view| {
        let view = view.borrow().clone();
        json!({
            "state": view.state.as_str(), "ready": view.ready, "port": view.port, "pid": view.pid,
            "reason": view.reason,
        })
    });
    let body = json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "running": state.held.count(),
        "gateway": gateway,
        "hears_at_once": state.connector.is_told(),
        "host_id": state.health.host_id(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    (code, Json(body))
}
