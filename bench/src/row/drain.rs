//! How many items a second go through, and how many transactions that takes.

use std::time::Instant;

use anyhow::{Context, Result};

use super::{Effort, ROUNDS};
use crate::figure::{Against, Figure, Goal};
use crate::graphile::{self, Graphile, GraphileSetup};
use crate::pgbench::{self, BARE, BATCH, CLIENT_COUNT, PAIR};
use crate::queue;
use crate::say;
use crate::stage::{Host, Stage, Whose};
use crate::statistics::median;
use crate::worker::{self, WorkerSetup};

/// As in the table.
const AGENT_COUNT: i32 = 1_000;

/// Items of one call in the batched comparison.
const BATCH_SIZE: i32 = 100;

/// One item a finish.
const SINGLE: WorkerSetup = WorkerSetup {
    finish_batch: Some(1),
    prints_starts: false,
};

/// As the worker comes.
const BATCHED: WorkerSetup = WorkerSetup {
    finish_batch: None,
    prints_starts: false,
};

/// Items a second of each contender, round by round.
#[derive(Debug, Default)]
struct Rates {
    single: Vec<f64>,
    pair: Vec<f64>,
    graphile: Vec<f64>,
    graphile_ten: Vec<f64>,
    batched: Vec<f64>,
    batch: Vec<f64>,
    graphile_batched: Vec<f64>,
    bare: Vec<f64>,
    single_statements: Vec<f64>,
    batched_statements: Vec<f64>,
}

/// Measures.
pub async fn measure(stage: &Stage, host: &Host, effort: Effort) -> Result<Vec<Figure>> {
    let item_count = effort.pick(5_000, 20_000);
    let graphile = Graphile::set_up(stage).await?;
    let mut rates = Rates::default();
    for _ in 0..ROUNDS {
        let (rate, statements) = drain(stage, host, SINGLE, item_count).await?;
        rates.single.push(told("one finish each", rate));
        rates.single_statements.push(statements);
        let rate = generate(stage, host, PAIR, 1, item_count).await?;
        rates.pair.push(told("pair", rate));
        // One at a time it is slow, and its rate does not depend on how many there are.
        let rate = drain_graphile(stage, &graphile, GraphileSetup::DEFAULT, item_count / 4).await?;
        rates.graphile.push(told("graphile-worker", rate));
        let rate = drain_graphile(stage, &graphile, GraphileSetup::TEN, item_count).await?;
        rates
            .graphile_ten
            .push(told("graphile-worker, ten at a time", rate));

        let (rate, statements) = drain(stage, host, BATCHED, item_count).await?;
        rates.batched.push(told("batched", rate));
        rates.batched_statements.push(statements);
        let rate = generate(stage, host, BATCH, BATCH_SIZE, item_count).await?;
        rates.batch.push(told("batch", rate));
        let rate = drain_graphile(stage, &graphile, GraphileSetup::BATCHED, item_count).await?;
        rates
            .graphile_batched
            .push(told("graphile-worker, batched", rate));
        let rate = generate_bare(stage, item_count).await?;
        rates.bare.push(told("bare", rate));
    }
    Ok(figures(&rates))
}

/// Whoever waits for the table sees that it goes on.
fn told(who: &str, rate: f64) -> f64 {
    say(&format!("  {who}: {rate:.0} items/s"));
    rate
}

fn figures(rates: &Rates) -> Vec<Figure> {
    let rate = |name, what, ours: &[f64], theirs, theirs_rates: &[f64], goal| Figure {
        name,
        what,
        ours: median(ours),
        unit: "items/s",
        against: Against::OursByTheirs(theirs, median(theirs_rates)),
        goal,
        note: None,
    };
    let statements = |name, what, counts: &[f64], goal| Figure {
        name,
        what,
        ours: median(counts),
        unit: "transactions",
        against: Against::Itself,
        goal,
        note: None,
    };
    const SINGLE: &str = "draining no-op items over 1,000 agents, one finish each";
    const BATCHED: &str = "the same, batched";
    vec![
        rate(
            "drain_single_pair",
            SINGLE,
            &rates.single,
            "pgbench -c 10: our claim, our finish",
            &rates.pair,
            Goal::AtLeast(0.9),
        ),
        rate(
            "drain_single_graphile",
            SINGLE,
            &rates.single,
            "graphile-worker, its default (1 at a time)",
            &rates.graphile,
            Goal::AtLeast(1.0),
        ),
        rate(
            "drain_single_graphile_ten",
            SINGLE,
            &rates.single,
            "graphile-worker, 10 at a time",
            &rates.graphile_ten,
            Goal::AtLeast(1.0),
        ),
        rate(
            "drain_batched_batch",
            BATCHED,
            &rates.batched,
            "pgbench -c 10: our claim and finish of 100",
            &rates.batch,
            Goal::AtLeast(0.9),
        ),
        rate(
            "drain_batched_graphile",
            BATCHED,
            &rates.batched,
            "graphile-worker, batched",
            &rates.graphile_batched,
            Goal::AtLeast(0.5),
        ),
        rate(
            "drain_batched_bare",
            BATCHED,
            &rates.batched,
            "pgbench -c 10: bare SQL by 100, no fence, order, identity",
            &rates.bare,
            Goal::None,
        ),
        statements(
            "transactions_single",
            "transactions an item, one finish each",
            &rates.single_statements,
            Goal::AtMost(1.25),
        ),
        statements(
            "transactions_batched",
            "transactions an item, batched",
            &rates.batched_statements,
            Goal::AtMost(0.02),
        ),
    ]
}

/// From the moment that the items are there until none is left; answers items a second and statements an item.
async fn drain(stage: &Stage, host: &Host, setup: WorkerSetup, item_count: i32) -> Result<(f64, f64)> {
    queue::clear(stage).await?;
    let worker = worker::start_warm(stage, host, setup).await?;
    let before = stage.statements(Whose::Role(&host.role)).await?;
    queue::fill(&stage.admin, item_count, AGENT_COUNT).await?;
    let begin = Instant::now();
    queue::until_empty(&stage.admin, queue::IS_EMPTY).await?;
    let elapsed = begin.elapsed();
    let after = stage.statements(Whose::Role(&host.role)).await?;
    worker.stop().await?;
    let statements = u32::try_from(after - before).context("count statements")?;
    Ok((
        f64::from(item_count) / elapsed.as_secs_f64(),
        f64::from(statements) / f64::from(item_count),
    ))
}

/// The same by pgbench calling our own functions.
async fn generate(stage: &Stage, host: &Host, script: &str, each: i32, item_count: i32) -> Result<f64> {
    queue::clear(stage).await?;
    queue::fill(&stage.admin, item_count, AGENT_COUNT).await?;
    let times_each = times_each(item_count, each)?;
    let rate = pgbench::run(stage, Some(host), script, times_each).await?;
    // Two clients may look at the same lanes at once, and one of them then gets less.
    let left = u32::try_from(queue::left(&stage.admin).await?).context("count items")?;
    let done = f64::from(item_count) - f64::from(left);
    Ok(rate * f64::from(each) * done / f64::from(item_count))
}

async fn generate_bare(stage: &Stage, item_count: i32) -> Result<f64> {
    stage
        .admin
        .batch_execute(&format!(
            "drop table if exists bench.bare;
             create table bench.bare (
               id bigint generated always as identity primary key, agent int not null, taken_at timestamptz);
             insert into bench.bare (agent) select n % {AGENT_COUNT} from generate_series(1, {item_count}) n;
             create index on bench.bare (id) where taken_at is null"
        ))
        .await
        .context("make a bare queue")?;
    stage.settle().await?;
    let rate = pgbench::run(stage, None, BARE, times_each(item_count, BATCH_SIZE)?).await?;
    Ok(rate * f64::from(BATCH_SIZE))
}

async fn drain_graphile(
    stage: &Stage,
    graphile: &Graphile,
    setup: GraphileSetup,
    item_count: i32,
) -> Result<f64> {
    graphile.settle().await?;
    let worker = graphile.start_warm(stage, setup).await?;
    graphile.fill(item_count).await?;
    let begin = Instant::now();
    queue::until_empty(&graphile.admin, graphile::IS_EMPTY).await?;
    let elapsed = begin.elapsed();
    worker.stop().await?;
    Ok(f64::from(item_count) / elapsed.as_secs_f64())
}

fn times_each(item_count: i32, each: i32) -> Result<usize> {
    let all = usize::try_from(item_count / each).context("count calls")?;
    Ok(all / CLIENT_COUNT)
}
