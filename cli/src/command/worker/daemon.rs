//! `creel worker` itself.

use std::path::PathBuf;

use creel_worker::{Fatal, Shutdown, WorkerArgs};

use super::log_file::LogFile;
use crate::error::{CliError, ErrorKind};

/// Runs the daemon until it is told to stop.
pub(super) async fn run(args: WorkerArgs, log_file: Option<PathBuf>) -> anyhow::Result<()> {
    let config = args
        .resolve()
        .map_err(|error| ended(&Fatal::from(error).into()))?;
    match log_file {
        Some(path) => creel_core::telemetry::init_into(&config.log, LogFile::open(&path)?),
        None => creel_core::telemetry::init(&config.log),
    }
    let shutdown = Shutdown::on_signals()?;
    match creel_worker::run(config, shutdown).await {
        Ok(stopped) if stopped.exit_code() == 0 => Ok(()),
        Ok(stopped) => {
            let kind = ErrorKind::Worker(stopped.exit_code());
            Err(CliError::new(kind, "stopped at once by a second signal").into())
        }
        Err(error) => Err(ended(&error).into()),
    }
}

/// The exit codes of a worker, for its supervisor.
pub(super) fn ended(error: &anyhow::Error) -> CliError {
    CliError::new(
        ErrorKind::Worker(creel_worker::exit_code(error)),
        format!("{error:#}"),
    )
}
