//! How long it takes from the writing of a row to the start of its handler on a host that speaks HTTPS and hears by
//! Realtime, and what its listening costs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use uuid::Uuid;

use super::{Effort, ROUNDS};
use crate::clock::now_ms;
use crate::figure::{Against, Figure, Goal};
use crate::queue;
use crate::stage::{KeyHost, PROJECT, Stage};
use crate::statistics::{median, percentile};
use crate::worker::{self, next_start_ms};

/// Slower than the pause between two hints: each is heard by itself.
const EVERY: Duration = Duration::from_millis(250);

/// A first tick, a join and a second tick.
const LISTEN_LIMIT: Duration = Duration::from_secs(30);

/// Agents that the rows are for, in turn.
const AGENT_COUNT: i32 = 20;

/// Measures.
pub async fn measure(stage: &Stage, effort: Effort) -> Result<Vec<Figure>> {
    let sample_count = effort.pick(20, 100);
    let host = stage.host_with_key().await?;
    stage
        .admin
        .execute(
            "insert into public.agents (project_id, agent_key, host_id, openclaw_id)
             select $1::text, 'agent:r' || n || ':main', $2, 'r' || n from generate_series(1, $3) n",
            &[&PROJECT, &host.id, &AGENT_COUNT],
        )
        .await
        .context("make agents of the rented host")?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(measure_once(stage, &host, sample_count).await?);
    }
    let row = stage
        .admin
        .query_one(
            "select lost_hints from public.host_heartbeats where host_id = $1",
            &[&host.id],
        )
        .await
        .context("count lost hints")?;
    let lost: i64 = row.get(0);
    let middle = |share| {
        let each: Vec<f64> = rounds.iter().map(|round| percentile(round, share)).collect();
        median(&each)
    };
    let figure = |name, what, share, goal, note| Figure {
        name,
        what,
        ours: middle(share),
        unit: "ms",
        against: Against::Itself,
        goal,
        note,
    };
    Ok(vec![
        figure(
            "realtime_p50",
            "row written → handler starts on a rented host, p50",
            0.5,
            Goal::AtMost(300.0),
            Some(format!("{lost} hints of {} were lost", sample_count * ROUNDS)),
        ),
        figure("realtime_p99", "the same, p99", 0.99, Goal::None, None),
    ])
}

async fn measure_once(stage: &Stage, host: &KeyHost, sample_count: usize) -> Result<Vec<f64>> {
    queue::clear(stage).await?;
    let mut worker = worker::start_by_key(stage, host)?;
    until_it_listens(stage, host.id).await?;
    let writer = stage.session().await?;
    let write = writer
        .prepare("insert into bench.items (project_id, agent_key) values ($1, $2)")
        .await
        .context("prepare")?;
    let mut waits = Vec::new();
    let mut clock = tokio::time::interval(EVERY);
    for sample in 0..sample_count {
        let agent = i32::try_from(sample).unwrap_or_default() % AGENT_COUNT + 1;
        let key = format!("agent:r{agent}:main");
        clock.tick().await;
        let written = now_ms();
        writer
            .query(&write, &[&PROJECT, &key])
            .await
            .context("write a row")?;
        waits.push(next_start_ms(&mut worker).await? - written);
    }
    worker.stop().await?;
    // The next round waits for a worker that listens, and not for this one.
    stage
        .admin
        .execute(
            "update public.host_heartbeats set listens = false where host_id = $1",
            &[&host.id],
        )
        .await
        .context("forget the worker")?;
    Ok(waits)
}

async fn until_it_listens(stage: &Stage, host: Uuid) -> Result<()> {
    let begin = Instant::now();
    loop {
        let row = stage
            .admin
            .query_one(
                "select exists (select from public.host_heartbeats where host_id = $1 and listens)",
                &[&host],
            )
            .await
            .context("ask whether the host listens")?;
        if row.get(0) {
            return Ok(());
        }
        ensure!(
            begin.elapsed() < LISTEN_LIMIT,
            "the host does not listen by Realtime"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
