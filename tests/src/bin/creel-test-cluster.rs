//! Starts the Postgres cluster of a test run, and stops it in every case.
//!
//! `run -- <command>` runs a command with `CREEL_TEST_CLUSTER` set and ends with its exit code.
//! `serve` prints the value on a line and serves until its input ends.
//! `openclaw` installs the real OpenClaw where it is missing, and prints its executable.

use std::ffi::OsString;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use creel_tests::cluster::{CLUSTER_VARIABLE, RunCluster, tools};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Ctrl-C in a terminal reaches the command too; one that it did not reach is told after this time.
const OWN_END: Duration = Duration::from_secs(2);

/// What a command that was told to end is given for that.
const END_LIMIT: Duration = Duration::from_secs(30);

/// The exit code of a command that a signal ended is this and the signal's number, as in a shell.
const SIGNALLED: i32 = 128;

#[derive(Parser)]
#[command(about = "Starts the Postgres cluster of a test run, and stops it in every case")]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run a command with the cluster, then stop the cluster and end with the command's exit code
    Run {
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Print where the cluster is and serve until the input ends
    Serve,
    /// Install the real OpenClaw where it is missing, and print its executable
    Openclaw,
}

fn main() -> Result<ExitCode> {
    creel_core::telemetry::init("warn,creel_local=info");
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let outcome = runtime.block_on(act(args.action));
    // A read of standard input cannot be given up, and is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn act(action: Action) -> Result<ExitCode> {
    // Listened to before the cluster starts, so that no signal finds nobody.
    let mut ends = Ends {
        terminate: signal(SignalKind::terminate()).context("listen to SIGTERM")?,
        interrupt: signal(SignalKind::interrupt()).context("listen to SIGINT")?,
    };
    let command = match action {
        Action::Run { command } => Some(command),
        Action::Serve => None,
        Action::Openclaw => return openclaw().await,
    };
    let cluster = RunCluster::start().await?;
    let outcome = match command {
        Some(command) => run(&cluster, command, &mut ends).await,
        None => serve(&cluster, &mut ends).await,
    };
    cluster.stop().await?;
    outcome
}

struct Ends {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

async fn run(cluster: &RunCluster, command: Vec<OsString>, ends: &mut Ends) -> Result<ExitCode> {
    let mut words = command.into_iter();
    let program = words.next().context("read the command to run")?;
    let mut child = Command::new(&program)
        .args(words)
        .env(CLUSTER_VARIABLE, cluster.file())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let status = tokio::select! {
        status = child.wait() => status.context("wait for the command")?,
        _ = ends.terminate.recv() => end(&mut child).await?,
        _ = ends.interrupt.recv() => match tokio::time::timeout(OWN_END, child.wait()).await {
            Ok(status) => status.context("wait for the command")?,
            Err(_) => end(&mut child).await?,
        },
    };
    Ok(exit_code(status))
}

/// Tells the command to end, and kills it at the limit.
async fn end(child: &mut Child) -> Result<ExitStatus> {
    if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        let _already_gone = kill_process(pid, Signal::TERM);
    }
    if let Ok(status) = tokio::time::timeout(END_LIMIT, child.wait()).await {
        return status.context("wait for the command");
    }
    child.kill().await.context("kill the command")?;
    child.wait().await.context("wait for the command")
}

fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status
        .code()
        .or_else(|| Some(SIGNALLED + status.signal()?))
        .unwrap_or(1);
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

async fn openclaw() -> Result<ExitCode> {
    let program = tools().own_openclaw().await?;
    let mut out = tokio::io::stdout();
    out.write_all(format!("{}\n", program.display()).as_bytes())
        .await
        .context("say where it is")?;
    out.flush().await.context("say where it is")?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(cluster: &RunCluster, ends: &mut Ends) -> Result<ExitCode> {
    let mut out = tokio::io::stdout();
    out.write_all(format!("{}\n", cluster.file().display()).as_bytes())
        .await
        .context("say where it is")?;
    out.flush().await.context("say where it is")?;
    let (mut stdin, mut input) = (tokio::io::stdin(), Vec::new());
    tokio::select! {
        _ = stdin.read_to_end(&mut input) => {}
        _ = ends.terminate.recv() => {}
        _ = ends.interrupt.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}
