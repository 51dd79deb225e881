//! What the host says of itself.

use std::sync::Arc;
use std::time::Duration;

use creel_core::host_api::HostReport;
use sysinfo::System;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::openclaw::{OpenClaw, OpenClawError};
use crate::runtime::RuntimeNews;

/// An update shows on the page within the hour; each look costs a start of node.
const VERSION_EVERY: Duration = Duration::from_secs(3_600);
/// Somebody who installs OpenClaw because the page said that it is missing waits for this.
const VERSION_RETRY: Duration = Duration::from_secs(60);

/// Looks now and then which OpenClaw the host has. It ends when this is dropped.
pub(crate) struct VersionWatch {
    latest: watch::Receiver<Option<String>>,
    _task: AbortOnDropHandle<()>,
}

impl VersionWatch {
    /// Begins to look, beside everything else: no tick waits for it.
    pub(crate) fn start(openclaw: Arc<dyn OpenClaw>) -> Self {
        let (sender, latest) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut said = false;
            loop {
                let pause = match openclaw.version().await {
                    Ok(version) => {
                        said = false;
                        sender.send_replace(Some(version.to_string()));
                        VERSION_EVERY
                    }
                    // The worker is stopping, and that is no news of OpenClaw.
                    Err(OpenClawError::Cancelled { .. }) => return,
                    Err(error) => {
                        if !std::mem::replace(&mut said, true) {
                            tracing::warn!(%error, "failed to find a usable OpenClaw: {error}");
                        }
                        VERSION_RETRY
                    }
                };
                tokio::time::sleep(pause).await;
            }
        });
        Self {
            latest,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// What was found last.
    pub(crate) fn latest(&self) -> watch::Receiver<Option<String>> {
        self.latest.clone()
    }
}

/// Measures the machine from one tick to the next.
pub(crate) struct HostMeter {
    /// None on a system that cannot be measured: then the host says nothing of its use.
    system: Option<System>,
    /// What of OpenClaw is there, when somebody looks for that.
    runtime: Option<RuntimeNews>,
}

impl HostMeter {
    /// The first sample's CPU use is since now.
    pub(crate) fn new(runtime: Option<RuntimeNews>) -> Self {
        let mut system = System::new()
            .inspect_err(|error| tracing::warn!(%error, "failed to measure this machine: {error}"))
            .ok();
        if let Some(system) = &mut system {
            system.refresh_cpu_usage();
        }
        Self { system, runtime }
    }

    /// What is told with a tick.
    pub(crate) fn report(&mut self) -> HostReport {
        let mut report = HostReport {
            platform: Some(std::env::consts::OS.to_owned()),
            worker_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            runtime: self.runtime.as_ref().and_then(RuntimeNews::next),
            ..HostReport::default()
        };
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory();
            report.cpu_percent = Some(system.global_cpu_usage()).filter(|cpu| cpu.is_finite());
            report.ram_mb = Some(system.used_memory() / (1024 * 1024));
        }
        report
    }

    /// The database has heard this report.
    pub(crate) fn was_told(&mut self, report: HostReport) {
        if let Some(runtime) = &mut self.runtime {
            runtime.was_told(report.runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_what_the_page_shows() {
        let report = HostMeter::new(None).report();
        assert!(report.ram_mb.is_some_and(|mb| mb > 0), "{report:?}");
        assert!(
            report
                .cpu_percent
                .is_some_and(|percent| (0.0..=100.0).contains(&percent))
        );
    }
}
