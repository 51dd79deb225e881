//! What a worker costs that has nothing to do, and how soon a new one is at work.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use creel_local::process;

use super::{Effort, ROUNDS};
use crate::clock::now_ms;
use crate::figure::{Against, Figure, Goal};
use crate::graphile::{self, Graphile, GraphileSetup};
use crate::program::{Program, Usage};
use crate::queue;
use crate::stage::{Host, Stage, Whose};
use crate::statistics::median;
use crate::worker::{self, WorkerSetup, next_start_ms};

/// What a start is followed by is not idleness; its threads end within ten seconds.
const WARM_UP: Duration = Duration::from_secs(12);

/// What one of them used while it did nothing.
#[derive(Debug)]
struct Idle {
    statements_per_sec: f64,
    cpu_ms_per_sec: f64,
    memory_mib: f64,
}

/// Measures the whole product, `creel worker`, beside graphile-worker, at the same time.
pub async fn measure_idle(
    stage: &Stage,
    host: &Host,
    openclaw: Option<PathBuf>,
    effort: Effort,
) -> Result<Vec<Figure>> {
    queue::clear(stage).await?;
    let graphile = Graphile::set_up(stage).await?;
    let worker = Program::start(&mut product(stage, host, openclaw)?)?;
    let peer = graphile.start_warm(stage, GraphileSetup::DEFAULT).await?;
    tokio::time::sleep(WARM_UP).await;
    let period = Duration::from_secs(effort.pick(20, 60));
    let (ours, theirs) = tokio::try_join!(
        watch(stage, &worker, Whose::Role(&host.role), period),
        watch(stage, &peer, Whose::Database(graphile::DATABASE), period),
    )?;
    worker.stop().await?;
    peer.stop().await?;
    let figure = |name, what, unit, ours, against, goal| Figure {
        name,
        what,
        ours,
        unit,
        against,
        goal,
        note: None,
    };
    const GRAPHILE: &str = "graphile-worker";
    Ok(vec![
        figure(
            "idle_statements",
            "idle statements, tick included",
            "/s",
            ours.statements_per_sec,
            Against::Itself,
            Goal::AtMost(0.2),
        ),
        figure(
            "idle_statements_graphile",
            "the same",
            "/s",
            ours.statements_per_sec,
            Against::OursByTheirs(GRAPHILE, theirs.statements_per_sec),
            Goal::None,
        ),
        figure(
            "idle_cpu",
            "idle worker, processor time",
            "ms/s",
            ours.cpu_ms_per_sec,
            Against::OursByTheirs(GRAPHILE, theirs.cpu_ms_per_sec),
            Goal::AtMost(1.0 / 20.0),
        ),
        figure(
            "idle_memory",
            "idle worker, memory",
            "MiB",
            ours.memory_mib,
            Against::OursByTheirs(GRAPHILE, theirs.memory_mib),
            Goal::AtMost(1.0 / 6.0),
        ),
    ])
}

/// `creel worker` as it comes.
fn product(stage: &Stage, host: &Host, openclaw: Option<PathBuf>) -> Result<tokio::process::Command> {
    let folder = stage.new_folder("product")?;
    let mut command = process::command(worker::beside_this_program("creel")?);
    command
        .arg("worker")
        .env_clear()
        .env("DATABASE_URL", host.url.expose())
        .env("HOME", &folder)
        .env("CREEL_DATA_DIR", folder.join("data"))
        .env("CREEL_OPENCLAW_STATE_DIR", folder.join("openclaw"))
        .env("CREEL_HTTP_LISTEN", "127.0.0.1:0")
        .stderr(Stdio::null());
    if let Some(openclaw) = openclaw {
        command.env("CREEL_OPENCLAW", openclaw);
    }
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    Ok(command)
}

async fn watch(stage: &Stage, program: &Program, whose: Whose<'_>, period: Duration) -> Result<Idle> {
    let pid = program.pid()?;
    let (statements, usage) = (stage.statements(whose).await?, Usage::of(pid)?);
    tokio::time::sleep(period).await;
    let (statements_after, usage_after) = (stage.statements(whose).await?, Usage::of(pid)?);
    let secs = period.as_secs_f64();
    let statements = u32::try_from(statements_after - statements).context("count statements")?;
    Ok(Idle {
        statements_per_sec: f64::from(statements) / secs,
        cpu_ms_per_sec: usage_after.cpu_ms_since(&usage) / secs,
        memory_mib: usage_after.memory_mib,
    })
}

/// Measures how soon a new process has started on what waits.
pub async fn measure_start(stage: &Stage, host: &Host, effort: Effort) -> Result<Vec<Figure>> {
    let times = effort.pick(ROUNDS, 3 * ROUNDS);
    let graphile = Graphile::set_up(stage).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let setup = WorkerSetup {
        finish_batch: None,
        prints_starts: true,
    };
    let peer = GraphileSetup {
        prints_starts: true,
        ..GraphileSetup::DEFAULT
    };
    for _ in 0..times {
        queue::clear(stage).await?;
        queue::fill(&stage.admin, 1, 1).await?;
        let begin = now_ms();
        let mut worker = Program::start(&mut worker::command(stage, host, setup)?)?;
        ours.push(next_start_ms(&mut worker).await? - begin);
        queue::until_empty(&stage.admin, queue::IS_EMPTY).await?;
        worker.stop().await?;

        graphile.settle().await?;
        graphile.fill(1).await?;
        let begin = now_ms();
        let mut worker = Program::start(&mut graphile.command(stage, peer))?;
        theirs.push(next_start_ms(&mut worker).await? - begin);
        queue::until_empty(&graphile.admin, graphile::IS_EMPTY).await?;
        worker.stop().await?;
    }
    Ok(vec![Figure {
        name: "start",
        what: "spawn → first handler",
        ours: median(&ours),
        unit: "ms",
        against: Against::OursByTheirs("graphile-worker", median(&theirs)),
        goal: Goal::AtMost(1.0 / 8.0),
        note: None,
    }])
}
