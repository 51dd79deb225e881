//! A postmaster that a killed run left behind.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// A fast shutdown writes a checkpoint; on a slow disk that takes its time.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How often the process is looked at while it stops.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Stops the postmaster that runs on `data`, if there is one. A pid file whose process is gone, or is by
/// now somebody else's, is removed.
pub(super) async fn stop_left_behind(data: &Path) -> Result<()> {
    let file = data.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&file) else {
        return Ok(());
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse::<i32>().ok())
        .and_then(Pid::from_raw);
    let Some(pid) = pid.filter(|&pid| runs_on(pid, data)) else {
        return fs::remove_file(&file).context("remove the pid file of a Postgres that is gone");
    };
    tracing::info!("stopping Postgres of an earlier run, process {pid}");
    let _already_gone = kill_process(pid, Signal::INT);
    let limit = Instant::now() + STOP_LIMIT;
    while test_kill_process(pid).is_ok() && runs_on(pid, data) {
        if Instant::now() > limit {
            bail!("Postgres of an earlier run does not stop; end process {pid} and try again");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Whether the process is a Postgres that was started on this data folder.
fn runs_on(pid: Pid, data: &Path) -> bool {
    let id = sysinfo::Pid::from_u32(pid.as_raw_nonzero().get().cast_unsigned());
    // Unknown systems only; there a process is taken for somebody else's.
    let Ok(mut system) = System::new() else {
        return false;
    };
    let wanted = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, wanted);
    system
        .process(id)
        .is_some_and(|process| process.cmd().iter().any(|word| word == data.as_os_str()))
}
