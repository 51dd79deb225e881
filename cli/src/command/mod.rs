//! One file a command.

pub(crate) mod agent;
pub(crate) mod billing;
mod completions;
pub(crate) mod docs;
pub(crate) mod doctor;
pub(crate) mod host;
pub(crate) mod key;
pub(crate) mod login;
pub(crate) mod project;
pub(crate) mod request;
pub(crate) mod up;
pub(crate) mod webhook;
pub(crate) mod worker;

use crate::args::Command;
use crate::output::Output;

/// What commands log when nobody asks for more: what went wrong.
const QUIET: &str = "warn";

/// Runs a command.
pub(crate) async fn run(command: Command, out: &Output) -> anyhow::Result<()> {
    // These two decide by themselves what they log.
    if !matches!(command, Command::Worker(_) | Command::Up(_)) {
        creel_core::telemetry::init(QUIET);
    }
    match command {
        Command::Up(args) => Box::pin(up::run(args, *out)).await,
        Command::Worker(command) => Box::pin(worker::run(*command, *out)).await,
        Command::Login(args) => login::login(args, *out).await,
        Command::Logout(args) => login::logout(&args, *out).await,
        Command::Project(command) => project::run(command, *out).await,
        Command::Host(command) => host::run(command, *out).await,
        Command::Billing(command) => billing::run(command, *out).await,
        Command::Key(command) => key::run(command, *out).await,
        Command::Agent(command) => agent::run(command, *out).await,
        Command::Docs(command) => docs::run(command, *out).await,
        Command::Request(command) => request::run(command, *out).await,
        Command::Doctor(args) => doctor::run(args, *out).await,
        Command::Completions { shell } => {
            completions::print(shell, *out);
            Ok(())
        }
    }
}
