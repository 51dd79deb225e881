//! How long it takes from the writing of a row to the start of its handler.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

use super::{Effort, ROUNDS};
use crate::clock::now_ms;
use crate::figure::{Against, Figure, Goal};
use crate::graphile::{Graphile, GraphileSetup};
use crate::queue;
use crate::stage::{Host, PROJECT, Stage};
use crate::statistics::{median, percentile};
use crate::worker::{self, WorkerSetup, next_start_ms};

/// Twenty a second.
const EVERY: Duration = Duration::from_millis(50);

/// A notification on loopback that takes longer is lost.
const HEARD_LIMIT: Duration = Duration::from_secs(5);

/// Agents that the rows are for, in turn.
const AGENT_COUNT: i32 = 100;

/// Measures.
pub async fn measure(stage: &Stage, host: &Host, effort: Effort) -> Result<Vec<Figure>> {
    let sample_count = effort.pick(100, 400);
    let graphile = Graphile::set_up(stage).await?;
    let (mut floor, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floor.push(measure_floor(stage, sample_count).await?);
        ours.push(measure_worker(stage, host, sample_count).await?);
        theirs.push(measure_graphile(stage, &graphile, sample_count).await?);
    }
    let middle = |rounds: &[Vec<f64>], share| {
        let each: Vec<f64> = rounds.iter().map(|round| percentile(round, share)).collect();
        median(&each)
    };
    let figure = |name, what, share, against, goal| Figure {
        name,
        what,
        ours: middle(&ours, share),
        unit: "ms",
        against,
        goal,
        note: None,
    };
    const GRAPHILE: &str = "graphile-worker";
    Ok(vec![
        figure(
            "wake_p50",
            "row written → handler starts, p50 at 20 a second",
            0.5,
            Against::OursByTheirs("insert + notify heard on another connection", middle(&floor, 0.5)),
            Goal::AtMost(1.4),
        ),
        figure(
            "wake_p50_graphile",
            "the same",
            0.5,
            Against::OursByTheirs(GRAPHILE, middle(&theirs, 0.5)),
            Goal::None,
        ),
        figure(
            "wake_p99",
            "row written → handler starts, p99",
            0.99,
            Against::OursByTheirs(GRAPHILE, middle(&theirs, 0.99)),
            Goal::AtMost(0.8),
        ),
    ])
}

async fn measure_floor(stage: &Stage, sample_count: usize) -> Result<Vec<f64>> {
    stage.settle().await?;
    let (listener, mut connection) = stage
        .superuser("postgres")
        .connect(NoTls)
        .await
        .context("connect")?;
    let (heard, mut hears) = mpsc::unbounded_channel();
    let listening = tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if matches!(message, AsyncMessage::Notification(_)) && heard.send(now_ms()).is_err() {
                return;
            }
        }
    });
    listener
        .batch_execute("listen bench_floor")
        .await
        .context("listen")?;
    let writer = stage.session().await?;
    let write = writer
        .prepare(
            "with row as (insert into bench.floor (said) values ($1) returning id)
                  select pg_notify('bench_floor', id::text) from row",
        )
        .await
        .context("prepare")?;
    let mut waits = Vec::new();
    let mut clock = tokio::time::interval(EVERY);
    for _ in 0..sample_count {
        clock.tick().await;
        let written = now_ms();
        writer.query(&write, &[&"x"]).await.context("write a row")?;
        let heard = tokio::time::timeout(HEARD_LIMIT, hears.recv())
            .await
            .context("hear of a row")?;
        waits.push(heard.context("hear of a row")? - written);
    }
    drop(listener);
    listening.abort();
    Ok(waits)
}

async fn measure_worker(stage: &Stage, host: &Host, sample_count: usize) -> Result<Vec<f64>> {
    queue::clear(stage).await?;
    let setup = WorkerSetup {
        finish_batch: None,
        prints_starts: true,
    };
    let mut worker = worker::start_warm(stage, host, setup).await?;
    let writer = stage.session().await?;
    let write = writer
        .prepare("insert into bench.items (project_id, agent_key) values ($1, $2)")
        .await
        .context("prepare")?;
    let mut waits = Vec::new();
    let mut clock = tokio::time::interval(EVERY);
    for sample in 0..sample_count {
        let agent = i32::try_from(sample).unwrap_or_default() % AGENT_COUNT + 1;
        let key = format!("agent:b{agent}:main");
        clock.tick().await;
        let written = now_ms();
        writer
            .query(&write, &[&PROJECT, &key])
            .await
            .context("write a row")?;
        waits.push(next_start_ms(&mut worker).await? - written);
    }
    worker.stop().await?;
    Ok(waits)
}

async fn measure_graphile(stage: &Stage, graphile: &Graphile, sample_count: usize) -> Result<Vec<f64>> {
    graphile.settle().await?;
    let setup = GraphileSetup {
        prints_starts: true,
        ..GraphileSetup::TEN
    };
    let mut worker = graphile.start_warm(stage, setup).await?;
    let write = graphile
        .admin
        .prepare("select graphile_worker.add_job('noop', '{}')")
        .await
        .context("prepare")?;
    let mut waits = Vec::new();
    let mut clock = tokio::time::interval(EVERY);
    for _ in 0..sample_count {
        clock.tick().await;
        let written = now_ms();
        graphile.admin.query(&write, &[]).await.context("write a job")?;
        waits.push(next_start_ms(&mut worker).await? - written);
    }
    worker.stop().await?;
    Ok(waits)
}
