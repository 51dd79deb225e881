//! How long it takes from the writing of a row until the real OpenClaw has the agent.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use creel_local::process;

use super::Effort;
use crate::figure::{Against, Figure, Goal};
use crate::openclaw::OpenClaw;
use crate::program::Program;
use crate::say;
use crate::stage::{Host, PROJECT, Stage};
use crate::statistics::median;
use crate::worker;

/// Single rows, as in the table.
const SINGLE_COUNT: usize = 20;

/// Rows of the burst, as in the table.
const BURST_COUNT: usize = 50;

/// The polling way looks this often.
const POLL_EVERY: Duration = Duration::from_secs(10);

/// How often a row is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What takes longer will not happen.
const LIMIT: Duration = Duration::from_secs(180);

/// What the polling way has in place of Creel's tables, whose states only hosts write.
const POLLED_TABLE: &str = "
create table if not exists public.polled_requests (
  id uuid primary key default gen_random_uuid(), agent_id_short text not null, display_name text not null,
  emoji text not null, status text not null default 'queued', error text,
  requested_at timestamptz not null default now());
grant select, update on public.polled_requests to service_role;
notify pgrst, 'reload schema';";

/// Measures.
pub async fn measure(stage: &Stage, host: &Host, effort: Effort) -> Result<Vec<Figure>> {
    let openclaw = OpenClaw::start(stage).await?;
    let measured = measure_with(stage, host, &openclaw, effort).await;
    openclaw.stop().await?;
    measured
}

async fn measure_with(
    stage: &Stage,
    host: &Host,
    openclaw: &OpenClaw,
    effort: Effort,
) -> Result<Vec<Figure>> {
    let worker = Program::start(&mut product(stage, host, openclaw)?)?;
    // The first agent of a new gateway waits for what the gateway does once.
    ready_after(stage, &["warm".to_owned()]).await?;
    let mut single = Vec::new();
    for n in 0..SINGLE_COUNT {
        single.push(ready_after(stage, &[format!("one-{n}")]).await?.as_secs_f64());
    }
    say(&format!("  one row: p50 {:.3} s", median(&single)));
    let burst: Vec<_> = (0..BURST_COUNT).map(|n| format!("burst-{n}")).collect();
    let burst = ready_after(stage, &burst).await?.as_secs_f64();
    say(&format!("  {BURST_COUNT} rows: {burst:.1} s"));
    worker.stop().await?;

    let polled_count = effort.pick(1, 7);
    let polled = measure_polling(stage, openclaw, polled_count).await?;
    let polled = median(&polled);
    say(&format!("  the polling way: p50 {polled:.1} s"));
    let added_count = effort.pick(1, 5);
    let mut added = Vec::new();
    for n in 0..added_count {
        added.push(openclaw.add(&format!("added-{n}")).await?.as_secs_f64());
    }
    let added = median(&added);
    say(&format!("  openclaw agents add: {added:.1} s"));

    let single = median(&single);
    let fifty = u32::try_from(BURST_COUNT).context("count agents")?;
    let figure = |name, what, ours, against, goal, note| Figure {
        name,
        what,
        ours,
        unit: "s",
        against,
        goal,
        note,
    };
    Ok(vec![
        figure(
            "ready",
            "row written → agent ready, gateway up, p50 of 20",
            single,
            Against::TheirsByOurs("polling every 10 s by Node, two CLI runs, p50", polled),
            Goal::AtLeast(40.0),
            Some(format!("the polling way over {polled_count} rows")),
        ),
        figure(
            "ready_secs",
            "the same",
            single,
            Against::Itself,
            Goal::AtMost(0.5),
            None,
        ),
        figure(
            "burst",
            "50 rows at once, all ready",
            burst,
            Against::TheirsByOurs("50 times openclaw agents add", added * f64::from(fifty)),
            Goal::AtLeast(100.0),
            Some(format!("50 times the middle one of {added_count} runs")),
        ),
        figure(
            "burst_secs",
            "the same",
            burst,
            Against::Itself,
            Goal::AtMost(10.0),
            None,
        ),
    ])
}

/// `creel worker` as it comes, on this OpenClaw.
fn product(stage: &Stage, host: &Host, openclaw: &OpenClaw) -> Result<tokio::process::Command> {
    let folder = stage.new_folder("product")?;
    let mut command = process::command(worker::beside_this_program("creel")?);
    openclaw.give_environment(&mut command);
    command
        .arg("worker")
        .env("DATABASE_URL", host.url.expose())
        .env("CREEL_DATA_DIR", folder.join("data"))
        .env("CREEL_OPENCLAW", &openclaw.program)
        .env("CREEL_OPENCLAW_STATE_DIR", openclaw.state())
        .env("CREEL_WORKSPACE_ROOT", openclaw.workspaces("creel"))
        .env("CREEL_HTTP_LISTEN", "127.0.0.1:0")
        .stderr(std::fs::File::create(folder.join("log")).context("make the worker's log")?);
    Ok(command)
}

/// Writes rows in one statement, and waits until all their agents are ready.
async fn ready_after(stage: &Stage, names: &[String]) -> Result<Duration> {
    let begin = Instant::now();
    let rows = stage
        .admin
        .query(
            "insert into public.agent_provision_requests (project_id, agent_key, display_name, emoji, role_short)
             select $1::text, 'agent:' || n || ':main', n, '🦞', 'scout' from unnest($2::text[]) n returning id",
            &[&PROJECT, &names],
        )
        .await
        .context("ask for agents")?;
    let ids: Vec<uuid::Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let look = stage
        .admin
        .prepare(
            "select count(*) filter (where r.status = 'done' and (r.result ->> 'served')::boolean),
                    count(*) filter (where r.status = 'error'),
                    (array_agg(r.result::text) filter (where r.status = 'error'))[1]
             from public.agent_provision_requests r where r.id = any ($1)",
        )
        .await
        .context("look at requests")?;
    loop {
        let row = stage
            .admin
            .query_one(&look, &[&ids])
            .await
            .context("look at requests")?;
        let (ready, failed): (i64, i64) = (row.get(0), row.get(1));
        if failed > 0 {
            bail!("an agent was not made: {}", row.get::<_, String>(2));
        }
        if usize::try_from(ready) == Ok(ids.len()) {
            return Ok(begin.elapsed());
        }
        if begin.elapsed() > LIMIT {
            bail!(
                "{ready} of {} agents were ready after {} s",
                ids.len(),
                LIMIT.as_secs()
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Seconds of single rows, written at all phases of the poll.
async fn measure_polling(stage: &Stage, openclaw: &OpenClaw, count: u32) -> Result<Vec<f64>> {
    stage
        .admin
        .batch_execute(POLLED_TABLE)
        .await
        .context("make a table")?;
    let mut command = process::command(&stage.node);
    openclaw.give_environment(&mut command);
    command
        .arg(stage.js.join("polling.mjs"))
        .env("SUPABASE_URL", stage.stack().supabase_url())
        .env("SUPABASE_SECRET_KEY", stage.stack().secret_key().expose())
        .env("OPENCLAW", &openclaw.program)
        .env("WORKSPACES", openclaw.workspaces("polled"))
        .current_dir(&stage.js)
        .stderr(Stdio::null());
    let mut script = Program::start(&mut command)?;
    script.line(LIMIT).await?;
    let mut clock = tokio::time::interval(POLL_EVERY);
    let mut waits = Vec::new();
    for n in 0..count {
        clock.tick().await;
        tokio::time::sleep(POLL_EVERY * (2 * n + 1) / (2 * count)).await;
        waits.push(polled_after(stage, &format!("polled-{n}")).await?.as_secs_f64());
    }
    script.stop().await?;
    Ok(waits)
}

async fn polled_after(stage: &Stage, name: &str) -> Result<Duration> {
    let begin = Instant::now();
    let id: uuid::Uuid = stage
        .admin
        .query_one(
            "insert into public.polled_requests (agent_id_short, display_name, emoji)
             values ($1, $1, '🦞') returning id",
            &[&name],
        )
        .await
        .context("ask for an agent")?
        .get(0);
    loop {
        let row = stage
            .admin
            .query_one(
                "select status, error from public.polled_requests where id = $1",
                &[&id],
            )
            .await
            .context("look at a request")?;
        match row.get::<_, &str>(0) {
            "done" => return Ok(begin.elapsed()),
            "error" => bail!("the polling way failed: {}", row.get::<_, String>(1)),
            _ if begin.elapsed() > LIMIT => bail!("the polling way did nothing within {} s", LIMIT.as_secs()),
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
