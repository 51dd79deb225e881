//! Log set-up, and the names of metrics.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Items claimed, by queue.
pub const CLAIMED: &str = "creel_items_claimed_total";
/// Items finished, by queue and outcome.
pub const FINISHED: &str = "creel_items_finished_total";
/// Leases lost, by queue.
pub const LEASE_LOST: &str = "creel_leases_lost_total";
/// Jobs at work now.
pub const RUNNING: &str = "creel_items_running";
/// Seconds from claim to finish, by queue.
pub const JOB_SECONDS: &str = "creel_job_seconds";
/// Seconds of a tick's round trip.
pub const TICK_SECONDS: &str = "creel_tick_seconds";
/// Ticks that failed.
pub const TICK_FAILED: &str = "creel_ticks_failed_total";
/// Connections to the database that had to be made again.
pub const RECONNECTED: &str = "creel_reconnects_total";

/// 1 while the gateway that the worker keeps is ready, else 0.
pub const GATEWAY_READY: &str = "creel_gateway_ready";
/// How often the worker started the gateway.
pub const GATEWAY_STARTS: &str = "creel_gateway_starts_total";

/// Logs to standard error: text on a terminal, JSON lines otherwise. `filter` is in the syntax of
/// `RUST_LOG`. A second call does nothing.
pub fn init(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let _already_set = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
