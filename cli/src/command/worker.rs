//! `creel worker`.

use creel_worker::{Fatal, Shutdown, WorkerArgs};

use crate::error::{CliError, ErrorKind};

/// Runs the daemon until it is told to stop.
pub(super) async fn run(args: WorkerArgs) -> anyhow::Result<()> {
    let config = args
        .resolve()
        .map_err(|error| ended(&Fatal::from(error).into()))?;
    creel_core::telemetry::init(&config.log);
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

fn ended(error: &anyhow::Error) -> CliError {
    CliError::new(
        ErrorKind::Worker(creel_worker::exit_code(error)),
        format!("{error:#}"),
    )
}
