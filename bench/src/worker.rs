//! The real worker with a job that does nothing, as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use creel_local::process;
use tokio::process::Command;

use crate::program::Program;
use crate::queue;
use crate::stage::{Host, KeyHost, Stage};

/// Items at a time: as many as a worker may take, as a job that does nothing needs nothing.
const PERMITS: usize = 1_000;

/// What is ready within milliseconds gets a thousand times that.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How `bench-worker` is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerSetup {
    /// Results that are written in one call at most; the worker's own choice if none.
    pub finish_batch: Option<usize>,
    /// Whether it prints when each handler starts.
    pub prints_starts: bool,
}

/// The command; its folder is its own.
pub fn command(stage: &Stage, host: &Host, setup: WorkerSetup) -> Result<Command> {
    let mut command = bare_command(stage)?;
    command.env("DATABASE_URL", host.url.expose());
    if let Some(most) = setup.finish_batch {
        command.arg("--finish-batch").arg(most.to_string());
    }
    if setup.prints_starts {
        command.arg("--starts");
    }
    Ok(command)
}

fn bare_command(stage: &Stage) -> Result<Command> {
    let folder = stage.new_folder("worker")?;
    let mut command = process::command(beside_this_program("bench-worker")?);
    command
        .env_clear()
        .env("HOME", &folder)
        .env("CREEL_DATA_DIR", folder.join("data"))
        .env("CREEL_HTTP_LISTEN", "127.0.0.1:0")
        .env("CREEL_PERMITS", PERMITS.to_string())
        .stderr(Stdio::null());
    Ok(command)
}

/// Starts it on a host that speaks HTTPS; it prints when each handler starts.
pub fn start_by_key(stage: &Stage, host: &KeyHost) -> Result<Program> {
    let mut command = bare_command(stage)?;
    command
        .env("CREEL_DATA_API_URL", stage.stack().supabase_url())
        .env("CREEL_PUBLISHABLE_KEY", stage.stack().publishable_key().expose())
        .env("CREEL_HOST_KEY_FILE", &host.key_file)
        .arg("--starts");
    Program::start(&mut command)
}

/// Starts it, and waits until it has done an item.
pub async fn start_warm(stage: &Stage, host: &Host, setup: WorkerSetup) -> Result<Program> {
    let mut program = Program::start(&mut command(stage, host, setup)?)?;
    queue::fill(&stage.admin, 1, 1).await?;
    if setup.prints_starts {
        program.line(START_LIMIT).await?;
    }
    queue::until_empty(&stage.admin, queue::IS_EMPTY).await?;
    Ok(program)
}

/// When a handler started, from what `bench-worker --starts` prints.
pub async fn next_start_ms(program: &mut Program) -> Result<f64> {
    let line = program.line(START_LIMIT).await?;
    line.strip_prefix("started ")
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("read the start of a handler in {line:?}"))
}

/// A program of this workspace that was built together with this one.
pub fn beside_this_program(name: &str) -> Result<std::path::PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let beside = own.parent().unwrap_or(Path::new(".")).join(name);
    anyhow::ensure!(
        beside.is_file(),
        "{} is not built; run scripts/bench, which builds it",
        beside.display()
    );
    Ok(beside)
}
