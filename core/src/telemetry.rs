//! Log set-up, and the names of metrics.

use std::io::IsTerminal;

use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
/// Work that a tick found and Realtime had not announced.
pub const HINTS_LOST: &str = "creel_hints_lost_total";
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
        builder.finish().with(filter_fn(may_be_told)).try_init()
    } else {
        let subscriber = builder.json().flatten_event(true).finish();
        subscriber.with(filter_fn(may_be_told)).try_init()
    };
}

/// Logs JSON lines to `writer` instead. A second call does nothing.
pub fn init_into<W>(filter: &str, writer: W)
where
    W: std::io::Write + Clone + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .json()
        .flatten_event(true)
        .finish();
    let _already_set = subscriber.with(filter_fn(may_be_told)).try_init();
}

/// The WebSocket library tells each message as it is, those with a token in them, too, and that of file events warns of
/// folders that are removed. No filter asks for that.
fn may_be_told(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    !target.starts_with("tungstenite") && !target.starts_with("notify::")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn messages_to_a_gateway_are_told_at_no_level() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter("trace,tungstenite::protocol=trace")
            .with_writer(move || writer.clone())
            .finish()
            .with(filter_fn(may_be_told));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "tungstenite::protocol", "Sending frame: TOK");
            tracing::trace!("anything else");
        });
        let text = String::from_utf8(written.0.lock().expect("nobody panics").clone()).expect("text");
        assert!(text.contains("anything else") && !text.contains("TOK"), "{text}");
    }
}
