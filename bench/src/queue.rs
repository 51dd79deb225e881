//! A queue table of the bench's own, which joined by the registry as any other would.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::stage::{PROJECT, Stage};

/// Its name in `creel.queues`.
pub const QUEUE: &str = "bench";

/// Whether nothing of it waits or is at work.
pub const IS_EMPTY: &str = "select not exists (select from creel.items where queue = 'bench')";

/// How often it is looked whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A drain that takes longer has stopped.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);

/// As the role that the functions of the queue run as.
const CREATE: &str = "
grant create on database postgres to postgres;
set role postgres;
create schema if not exists bench;
create table if not exists bench.items (
  id uuid primary key default gen_random_uuid(), project_id text not null, agent_key text not null,
  status text not null default 'queued', result jsonb, waiting_for text, woken_by text,
  deadline_at timestamptz, taken_at timestamptz, done_at timestamptz);
create table if not exists bench.floor (id bigint generated always as identity primary key, said text);
insert into creel.queues
  (queue, tbl, lane_kind, priority, waiting, taken, done, dead, taken_at, done_at)
values ('bench', 'bench.items', 'work', 0, 'queued', 'running', 'done', 'failed', 'taken_at', 'done_at');
select creel.join_queue('bench.items');
reset role;";

/// Makes the table, and this many agents on a host.
pub async fn create(stage: &Stage, host_id: Uuid, agent_count: i32) -> Result<()> {
    stage
        .admin
        .batch_execute(CREATE)
        .await
        .context("make the queue of the bench")?;
    stage
        .admin
        .execute(
            "insert into public.agents (project_id, agent_key, host_id, openclaw_id)
             select $1::text, 'agent:b' || n || ':main', $2, 'b' || n from generate_series(1, $3) n",
            &[&PROJECT, &host_id, &agent_count],
        )
        .await
        .context("make the agents of the bench")?;
    Ok(())
}

/// Writes that many items in one transaction, over all agents in turn.
pub async fn fill(client: &Client, item_count: i32, agent_count: i32) -> Result<()> {
    client
        .execute(
            "insert into bench.items (project_id, agent_key)
             select $1::text, 'agent:b' || 1 + n % $2 || ':main' from generate_series(1, $3) n",
            &[&PROJECT, &agent_count, &item_count],
        )
        .await
        .context("write items")?;
    Ok(())
}

/// Forgets what was done.
pub async fn clear(stage: &Stage) -> Result<()> {
    stage
        .admin
        .batch_execute("delete from bench.items; truncate bench.items")
        .await
        .context("remove the items of the bench")?;
    stage.settle().await
}

/// How many wait or are at work.
pub async fn left(client: &Client) -> Result<i64> {
    let row = client
        .query_one("select count(*) from creel.items where queue = 'bench'", &[])
        .await
        .context("count items")?;
    Ok(row.get(0))
}

/// Waits until a query says that nothing is left. Looks rarely: it shares the machine with what it waits for.
pub async fn until_empty(client: &Client, is_empty: &str) -> Result<()> {
    let begin = Instant::now();
    let statement = client.prepare(is_empty).await.context("look at a queue")?;
    loop {
        let row = client
            .query_one(&statement, &[])
            .await
            .context("look at a queue")?;
        if row.get(0) {
            return Ok(());
        }
        if begin.elapsed() > DRAIN_LIMIT {
            bail!("a queue was not empty after {} s", DRAIN_LIMIT.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
