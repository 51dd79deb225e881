#![doc = include_str!("../README.md")]

mod args;
mod command;
mod connection;
mod data_api;
mod database;
mod env_file;
mod error;
mod http;
mod output;
mod service;
mod session;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::args::Cli;
use crate::error::CliError;
use crate::output::Output;

/// Nothing here computes for long, and each thread costs an idle worker memory and a wake-up.
const THREADS: usize = 2;

/// What blocks a thread, such as the wait for another process' installation, ends with this process; a file
/// that is being written needs no longer than this.
const BLOCKED_THREADS_LIMIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return output::report_usage(&refusal),
    };
    let out = Output::new(cli.json);
    install_tls_provider();
    match run(cli, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = CliError::from_anyhow(error);
            out.report_error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn run(cli: Cli, out: &Output) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?;
    let result = runtime.block_on(Box::pin(command::run(cli.command, out)));
    // Dropping the runtime would wait for blocked threads for ever.
    runtime.shutdown_timeout(BLOCKED_THREADS_LIMIT);
    result
}

/// Two TLS stacks are linked in, so that rustls cannot choose its cryptography by itself.
fn install_tls_provider() {
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
}
