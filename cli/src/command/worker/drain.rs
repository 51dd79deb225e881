//! `creel worker --drain`.

use std::time::Duration;

use creel_worker::{WorkerArgs, running_worker};
use rustix::process::{Pid, kill_process};
use serde_json::json;

use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// How often it is looked whether the worker is gone; there is no event for it.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Tells the worker to finish, and waits until it has.
pub(super) async fn run(settings: WorkerArgs, out: Output) -> anyhow::Result<()> {
    creel_core::telemetry::init(crate::command::QUIET);
    let config = settings.resolve()?;
    let running = || running_worker(&config.data_dir);
    let Some(pid) = running()? else {
        let message = format!(
            "no worker runs with the data directory {}",
            config.data_dir.display()
        );
        return Err(CliError::new(ErrorKind::NotFound, message)
            .code("no_worker")
            .hint("name the worker's configuration by --config; creel worker status shows the service's")
            .into());
    };
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let told = process.ok_or(rustix::io::Errno::SRCH);
    told.and_then(|process| kill_process(process, creel_worker::shutdown::FINISH_SIGNAL))
        .map_err(|error| {
            let message = format!("the worker (process {pid}) cannot be told: {error}");
            CliError::new(ErrorKind::Auth, message).hint("run this as the worker's user, or as root")
        })?;
    let progress = out.progress(None);
    progress.doing(&format!(
        "the worker (process {pid}) finishes what it has; Ctrl-C only ends this waiting"
    ));
    while running()? == Some(pid) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    drop(progress);
    out.value(&json!({ "ok": true, "pid": pid }));
    out.line(format!(
        "The worker (process {pid}) has ended. Its agents go on running."
    ));
    Ok(())
}
