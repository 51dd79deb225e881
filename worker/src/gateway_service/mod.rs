//! Keeps the host's shared gateway running where nobody else does.
//!
//! The gateway outlives the worker: a restarted worker finds it by its mark and goes on. Each pass looks at the
//! process, its port and the configuration, decides (`plan.rs`) and acts.

pub(crate) mod command;
mod config;
mod keeper;
pub(crate) mod log;
mod news;
mod plan;
pub(crate) mod probe;
mod section;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::keeper::Keeper;
pub use self::plan::GatewayState;
pub(crate) use self::plan::{Answer, EXIT_CONFIG};
use crate::host_events::HostEvents;
use crate::openclaw::Broker;
use crate::process::{Mark, RunningService};
use crate::shutdown::Shutdown;

/// One that has nothing to do ends within three seconds; one that is at work would take minutes.
const END_GRACE: Duration = Duration::from_secs(10);

/// Whose gateway it is, and where.
pub(crate) struct GatewaySettings {
    /// OpenClaw's program.
    pub(crate) program: PathBuf,
    /// OPENCLAW_STATE_DIR.
    pub(crate) state_dir: PathBuf,
    /// OPENCLAW_CONFIG_PATH.
    pub(crate) config_path: PathBuf,
    /// The worker's own folder, in which the gateway's log is.
    pub(crate) data_dir: PathBuf,
    /// By which it is found again.
    pub(crate) mark: Mark,
    /// Who writes the configuration takes turns.
    pub(crate) broker: Broker,
    /// Where it is told what happened.
    pub(crate) events: Arc<HostEvents>,
    /// Whether it ends with the worker.
    pub(crate) ends_with_worker: bool,
}

/// How the gateway is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatewayView {
    /// Where it stands.
    pub(crate) state: GatewayState,
    /// Whether a gateway, be it ours or not, says that it is ready.
    pub(crate) ready: bool,
    /// Its port; none before the configuration has one.
    pub(crate) port: Option<u16>,
    /// Ours, while it runs.
    pub(crate) pid: Option<u32>,
    /// What is wrong, and what to do; none when all is well.
    pub(crate) reason: Option<String>,
}

/// The gateway, kept running by a task of its own.
pub(crate) struct GatewayService {
    view: watch::Receiver<GatewayView>,
    stop: CancellationToken,
    keeping: JoinHandle<Option<RunningService>>,
    ends_with_worker: bool,
}

impl GatewayService {
    /// Begins to keep it running.
    pub(crate) fn start(settings: GatewaySettings) -> Self {
        let (sender, view) = watch::channel(GatewayView {
            state: GatewayState::Absent,
            ready: false,
            port: None,
            pid: None,
            reason: None,
        });
        let stop = CancellationToken::new();
        let ends_with_worker = settings.ends_with_worker;
        let keeping = tokio::spawn(Keeper::new(settings, sender).run(stop.clone()));
        Self {
            view,
            stop,
            keeping,
            ends_with_worker,
        }
    }

    /// How it is.
    pub(crate) fn view(&self) -> watch::Receiver<GatewayView> {
        self.view.clone()
    }

    /// Keeps it no longer. Unless it ends with the worker it goes on, for the next worker to find.
    pub(crate) async fn end(self, shutdown: &Shutdown) {
        self.stop.cancel();
        let ours = match self.keeping.await {
            Ok(ours) => ours,
            Err(error) => {
                tracing::error!(%error, "the keeper of the gateway ended by itself: {error}");
                None
            }
        };
        let Some(ours) = ours else { return };
        if !self.ends_with_worker {
            tracing::info!(pid = ours.pid(), "the gateway goes on; the next worker finds it");
            return;
        }
        let grace = if shutdown.is_stopping_now() {
            Duration::ZERO
        } else {
            END_GRACE
        };
        ours.end(grace).await;
        tracing::info!("stopped the gateway");
    }
}
