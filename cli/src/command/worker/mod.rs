//! `creel worker`: the daemon, and the service that runs it.

mod daemon;
mod drain;
mod install;
mod log_file;
pub(super) mod rotate_key;
mod status;
mod uninstall;

use std::path::PathBuf;

use creel_worker::{WorkerArgs, WorkerConfig};

use crate::error::{CliError, ErrorKind};
use crate::output::Output;
use crate::service::{Account, Domain, ManagerKind};

/// What `creel worker` takes: the settings of the daemon, or a command about it.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct WorkerCommand {
    #[command(flatten)]
    settings: WorkerArgs,

    /// Tell the worker that runs here to take no new work and to end when it is idle, and wait for that.
    #[arg(long)]
    drain: bool,

    /// Log to this file instead of standard error; it and one older file are kept, of 8 MB each.
    #[arg(long, value_name = "FILE", env = "CREEL_LOG_FILE")]
    log_file: Option<PathBuf>,

    /// In place of running it.
    #[command(subcommand)]
    action: Option<WorkerAction>,
}

/// What can be done about the worker's service.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum WorkerAction {
    /// Have this system run the worker, now and after every start: by systemd, on a Mac by launchd.
    Install(install::InstallArgs),
    /// Drain the worker and have this system forget it. Agents go on running.
    Uninstall(PlaceArgs),
    /// Replace the key of a host that was enrolled by a code. The worker does so by itself before a key ends: this is
    /// for a key that somebody may have seen.
    RotateKey(Box<rotate_key::RotateKeyArgs>),
    /// Say how the service and its worker are doing.
    Status(status::StatusArgs),
}

/// Which service is meant.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlaceArgs {
    /// A service of the machine, run as this user. It takes root.
    #[arg(long, value_name = "USER")]
    run_as: Option<String>,

    /// Who keeps services running [default: this system's].
    #[arg(long, value_enum)]
    manager: Option<ManagerKind>,
}

/// Which service is meant, found out.
struct Place {
    domain: Domain,
    account: Account,
    manager: ManagerKind,
}

impl PlaceArgs {
    fn resolve(&self) -> Result<Place, CliError> {
        let manager = self.manager.unwrap_or(ManagerKind::of_this_system());
        let (domain, account) = match &self.run_as {
            Some(name) => (Domain::System, Account::named(name)?),
            None => (Domain::User, Account::current()?),
        };
        Ok(Place {
            domain,
            account,
            manager,
        })
    }
}

/// What the service's worker will read: the file alone, as no shell's environment is there.
fn read_config(config: Option<PathBuf>, account: &Account) -> Result<(PathBuf, WorkerConfig), CliError> {
    let under_home = account.home.join(".config/creel/worker.toml");
    let path = match config {
        Some(path) => std::path::absolute(&path)
            .map_err(|error| CliError::new(ErrorKind::Usage, format!("{}: {error}", path.display())))?,
        None => WorkerConfig::default_file()
            .filter(|file| file.exists())
            .unwrap_or(under_home),
    };
    let settings = WorkerArgs {
        config: Some(path.clone()),
        ..WorkerArgs::default()
    };
    let config = settings.resolve().map_err(|error| {
        CliError::new(ErrorKind::Failed, error.to_string())
            .code("configuration")
            .hint(
                "a service reads the file only: let `creel host enroll --out ~/.config/creel/worker.toml` write it, \
                 or give another one by --config",
            )
    })?;
    Ok((path, config))
}

/// Runs the command.
pub(super) async fn run(command: WorkerCommand, out: Output) -> anyhow::Result<()> {
    match command.action {
        None if command.drain => drain::run(command.settings, out).await,
        None => daemon::run(command.settings, command.log_file).await,
        Some(action) => {
            creel_core::telemetry::init(super::QUIET);
            match action {
                WorkerAction::Install(args) => install::run(args, out).await,
                WorkerAction::Uninstall(place) => uninstall::run(&place, out).await,
                WorkerAction::RotateKey(args) => rotate_key::run(*args, out).await,
                WorkerAction::Status(args) => status::run(args, out).await,
            }
        }
    }
}
