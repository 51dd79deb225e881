//! How much of the processors programs use, whatever else the machine does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio_util::task::AbortOnDropHandle;

/// Processes come and go, as Postgres' autovacuum does; one that lives shorter than this costs next to nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What some processes and those that they started use together.
pub struct ProcessorMeter {
    roots: Vec<Pid>,
    before: HashMap<Pid, u64>,
    looking: AbortOnDropHandle<()>,
    seen: Arc<Mutex<HashMap<Pid, u64>>>,
}

impl ProcessorMeter {
    /// Begins to count.
    pub fn start(roots: Vec<Pid>) -> Self {
        let before = used_ms(&roots);
        let seen = Arc::new(Mutex::new(before.clone()));
        let (looks, of) = (seen.clone(), roots.clone());
        let looking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let of = of.clone();
                let now = tokio::task::spawn_blocking(move || used_ms(&of)).await;
                if let (Ok(now), Ok(mut seen)) = (now, looks.lock()) {
                    seen.extend(now);
                }
            }
        });
        Self {
            roots,
            before,
            looking: AbortOnDropHandle::new(looking),
            seen,
        }
    }

    /// Milliseconds since the start.
    pub async fn stop(self) -> Result<f64> {
        drop(self.looking);
        let now = tokio::task::spawn_blocking(move || used_ms(&self.roots)).await?;
        let mut seen = self.seen.lock().map(|seen| seen.clone()).unwrap_or_default();
        seen.extend(now);
        let used = seen
            .iter()
            .map(|(pid, after)| after.saturating_sub(self.before.get(pid).copied().unwrap_or_default()));
        let used: u64 = used.sum();
        #[expect(clippy::cast_precision_loss, reason = "nobody measures for centuries")]
        Ok(used as f64)
    }
}

/// Milliseconds that each of the processes, and each that one of them started, has used.
fn used_ms(roots: &[Pid]) -> HashMap<Pid, u64> {
    let Ok(mut system) = System::new() else {
        return HashMap::new();
    };
    let kind = ProcessRefreshKind::nothing().with_cpu().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let is_root = |pid: &Pid| roots.contains(pid);
    system
        .processes()
        .iter()
        .filter(|(pid, process)| is_root(pid) || process.parent().as_ref().is_some_and(is_root))
        .map(|(pid, process)| (*pid, process.accumulated_cpu_time()))
        .collect()
}
