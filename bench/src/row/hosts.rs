//! What a fleet costs that only tells that it is there: 1,000 hosts that tick every ten seconds, while the publication is
//! decoded as Realtime does.
//!
//! Each tick is the very function that workers call, as the login role of its host, with the metrics that a worker tells:
//! of each agent once a minute. A few connections take turns, as the machine under measure is not to be busy with a
//! thousand processes of which 990 wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::Effort;
use crate::figure::{Against, Figure, Goal};
use crate::processor::ProcessorMeter;
use crate::stage::Stage;
use crate::statistics::percentile;

/// How often a host ticks, as the database wishes.
const TICK_EVERY: Duration = Duration::from_secs(10);

/// Every how manieth tick tells what an agent uses that uses the same as before.
const METRICS_EVERY_TICKS: usize = 6;

/// Enough that no tick waits for another one's connection.
const CONNECTIONS: usize = 16;

/// Hosts of one project: a fleet is that of many.
const HOSTS_A_PROJECT: usize = 10;

/// As often as Supabase's Realtime asks for changes.
const DECODE_EVERY: Duration = Duration::from_millis(100);

/// What the goal speaks of.
const CORES: f64 = 2.0;

/// What is decoded, and how much of it anybody would be told of.
const SLOT: &str = "bench_hosts";

/// A host of the fleet.
#[derive(Debug, Clone)]
struct Member {
    role: String,
    session: Uuid,
    agents: Vec<Uuid>,
}

/// What a fleet cost.
#[derive(Debug)]
struct Cost {
    /// Part of a machine with two cores.
    cpu_percent: f64,
    /// Milliseconds of processor time for each tick.
    cpu_ms_a_tick: f64,
    wal_bytes_a_tick: f64,
    messages_a_tick: f64,
    p99_ms: f64,
    tick_count: usize,
}

/// Measures the fleet with few agents, and with ten times as many.
pub async fn measure(stage: &Stage, effort: Effort) -> Result<Vec<Figure>> {
    let (host_count, period) = (effort.pick(200, 1_000), Duration::from_secs(effort.pick(20, 60)));
    let (few, many) = (10, effort.pick(50, 100));
    stage
        .admin
        .batch_execute("update creel.settings set max_agents_per_project = 1000000")
        .await
        .context("let a project have many agents")?;
    let mut fleet = enrol(stage, host_count).await?;
    add_agents(stage, &mut fleet, few).await?;
    let small = run(stage, &fleet, period).await?;
    add_agents(stage, &mut fleet, many - few).await?;
    let large = run(stage, &fleet, period).await?;
    // What has nothing to do with hosts is the same for both.
    stage
        .admin
        .execute("select pg_drop_replication_slot($1)", &[&SLOT])
        .await
        .context("end the decoding")?;

    let note = |agents: usize, cost: &Cost| {
        let secs = period.as_secs();
        Some(format!(
            "{host_count} hosts with {agents} agents each, {} ticks in {secs} s",
            cost.tick_count
        ))
    };
    let figure = |name, what, unit, ours, goal, note| Figure {
        name,
        what,
        ours,
        unit,
        against: Against::Itself,
        goal,
        note,
    };
    let a_host = |cost: &Cost, agents: f64| cost.cpu_ms_a_tick / agents;
    #[expect(clippy::cast_precision_loss, reason = "they are few")]
    let (few_each, many_each) = (few as f64, many as f64);
    #[expect(clippy::cast_precision_loss, reason = "they are few")]
    let part_of_goal = host_count as f64 / 1_000.0;
    Ok(vec![
        figure(
            "hosts_cpu",
            "a fleet that ticks: processor of the database",
            "% of 2 cores",
            small.cpu_percent,
            Goal::AtMost(20.0 * part_of_goal),
            note(few, &small),
        ),
        figure(
            "hosts_wal",
            "the same: WAL a tick",
            "bytes",
            small.wal_bytes_a_tick,
            Goal::None,
            None,
        ),
        figure(
            "hosts_messages",
            "the same: changes published a tick",
            "",
            small.messages_a_tick,
            Goal::AtMost(0.01),
            None,
        ),
        figure(
            "hosts_p99",
            "the same: tick, p99",
            "ms",
            small.p99_ms,
            Goal::None,
            None,
        ),
        figure(
            "hosts_cpu_many",
            "the same with many agents",
            "% of 2 cores",
            large.cpu_percent,
            Goal::None,
            note(many, &large),
        ),
        figure(
            "hosts_p99_many",
            "the same: tick, p99",
            "ms",
            large.p99_ms,
            Goal::None,
            None,
        ),
        Figure {
            against: Against::OursByTheirs("few agents", a_host(&small, few_each)),
            ..figure(
                "hosts_flat",
                "processor time an agent and tick, many agents a host",
                "ms",
                a_host(&large, many_each),
                Goal::AtMost(1.0),
                None,
            )
        },
    ])
}

/// Makes the hosts, each with a login role and ten to a project.
async fn enrol(stage: &Stage, host_count: usize) -> Result<Vec<Member>> {
    let mut fleet = Vec::with_capacity(host_count);
    for n in 0..host_count {
        let project = format!("fleet-{}", n / HOSTS_A_PROJECT);
        stage
            .admin
            .execute(
                "insert into public.projects (id, name) values ($1, $1) on conflict do nothing",
                &[&project],
            )
            .await
            .context("make a project")?;
        let args = json!({
            "name": format!("fleet-{n}"), "project_ids": [project], "capacity": 1_000,
            "login": { "verifier": Uuid::new_v4().simple().to_string() },
        });
        let made: Value = stage
            .admin
            .query_one("select creel.enroll_host($1)", &[&args])
            .await
            .context("enrol a host")?
            .get(0);
        fleet.push(Member {
            role: made["role"].as_str().context("read the host's role")?.to_owned(),
            session: Uuid::new_v4(),
            agents: Vec::new(),
        });
    }
    Ok(fleet)
}

/// Gives each host more agents that run there.
async fn add_agents(stage: &Stage, fleet: &mut [Member], each: usize) -> Result<()> {
    let each = i64::try_from(each).context("count agents")?;
    for member in fleet.iter_mut() {
        let rows = stage
            .admin
            .query(
                "insert into public.agents
                   (project_id, agent_key, host_id, openclaw_id, workspace_path, provisioned, status)
                 select p.project_id, 'agent:' || s.short || ':main', l.host_id, s.short, '/w/' || s.short, true, 'running'
                 from creel.host_logins l join public.project_hosts p on p.host_id = l.host_id
                 cross join lateral (
                   select 'a' || replace(gen_random_uuid()::text, '-', '') as short from generate_series(1, $2::bigint)) s
                 where l.role_name = $1::text
                 returning id",
                &[&member.role, &each],
            )
            .await
            .context("make agents")?;
        member.agents.extend(rows.iter().map(|row| row.get::<_, Uuid>(0)));
    }
    stage.settle().await
}

/// Lets all hosts tick for a while.
async fn run(stage: &Stage, fleet: &[Member], period: Duration) -> Result<Cost> {
    let postmaster = stage.postmaster().await?;
    let connections = CONNECTIONS.min(fleet.len());
    let mut turns = Vec::new();
    for n in 0..connections {
        let members: Vec<_> = fleet
            .iter()
            .cloned()
            .enumerate()
            .skip(n)
            .step_by(connections)
            .collect();
        turns.push((stage.session().await?, members));
    }
    // A first round makes heartbeats and metrics; what is measured is what comes every ten seconds.
    for (client, members) in &turns {
        for (_, member) in members {
            for round in 0..METRICS_EVERY_TICKS {
                tick(client, member, round).await?;
            }
        }
    }
    stage.settle().await?;
    let decoder = Decoder::start(stage).await?;
    let meter = ProcessorMeter::start(vec![postmaster]);
    let wal_before = wal_position(stage).await?;
    let begin = Instant::now();
    let host_count = fleet.len();
    let driving = turns.into_iter().map(|(client, members)| {
        tokio::spawn(async move { drive(&client, &members, host_count, begin, period).await })
    });
    let mut took_ms = Vec::new();
    for driven in driving.collect::<Vec<_>>() {
        took_ms.extend(driven.await.context("tick")??);
    }
    let lasted = begin.elapsed();
    let wal_bytes = wal_position(stage).await? - wal_before;
    let cpu_ms = meter.stop().await?;
    let messages = decoder.stop().await?;
    #[expect(clippy::cast_precision_loss, reason = "nobody measures for centuries")]
    let (ticks, messages, lasted_ms) = (took_ms.len() as f64, messages as f64, lasted.as_millis() as f64);
    Ok(Cost {
        cpu_percent: 100.0 * cpu_ms / (lasted_ms * CORES),
        cpu_ms_a_tick: cpu_ms / ticks,
        wal_bytes_a_tick: wal_bytes / ticks,
        messages_a_tick: messages / ticks,
        p99_ms: percentile(&took_ms, 0.99),
        tick_count: took_ms.len(),
    })
}

/// Ticks for these hosts in turn, each in its own moment of the ten seconds; answers how long each tick took.
async fn drive(
    client: &Client,
    members: &[(usize, Member)],
    host_count: usize,
    begin: Instant,
    period: Duration,
) -> Result<Vec<f64>> {
    let mut took_ms = Vec::new();
    for round in 0.. {
        for (n, member) in members {
            let share = u32::try_from(*n).context("count hosts")?;
            let of = u32::try_from(host_count).context("count hosts")?;
            let due = TICK_EVERY * round + TICK_EVERY * share / of;
            if due >= period {
                return Ok(took_ms);
            }
            tokio::time::sleep_until((begin + due).into()).await;
            let rotation = usize::try_from(round).context("count rounds")?;
            took_ms.push(tick(client, member, rotation).await?);
        }
    }
    Ok(took_ms)
}

/// One tick of one host, in milliseconds.
async fn tick(client: &Client, member: &Member, round: usize) -> Result<f64> {
    let metrics: Vec<Value> = member
        .agents
        .iter()
        .enumerate()
        .filter(|(n, _)| (n + round).is_multiple_of(METRICS_EVERY_TICKS))
        .map(|(n, id)| {
            json!({ "agent_id": id, "cpu_percent": n % 100, "ram_mb": 700 + round, "disk_mb": 12, "uptime_secs": 3600 })
        })
        .collect();
    let request = json!({
        "api": 1, "session": member.session, "tokens": [], "metrics": metrics,
        "host": { "worker_version": "bench", "cpu_percent": 10, "ram_mb": 8_000 },
    });
    client
        .batch_execute(&format!("set session authorization '{}'", member.role))
        .await
        .context("become a host")?;
    let begin = Instant::now();
    let reply: Value = client
        .query_one("select public.tick($1)", &[&request])
        .await
        .context("tick")?
        .get(0);
    let took = begin.elapsed();
    ensure!(reply["host_id"].is_string(), "a tick was answered by {reply}");
    Ok(took.as_secs_f64() * 1_000.0)
}

async fn wal_position(stage: &Stage) -> Result<f64> {
    let row = stage
        .admin
        .query_one("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8", &[])
        .await;
    Ok(row.context("ask how much was written")?.get(0))
}

/// Whoever asks for changes, as Realtime does.
struct Decoder {
    client: Arc<Client>,
    asking: AbortOnDropHandle<Result<()>>,
}

/// Changes of rows, without the words around them: insert, update, delete.
const CHANGES: &str = "
select count(*) filter (where get_byte(c.data, 0) in (73, 85, 68))
from pg_logical_slot_get_binary_changes(
  $1, null, null, 'proto_version', '1', 'publication_names', 'supabase_realtime') c";

impl Decoder {
    async fn start(stage: &Stage) -> Result<Self> {
        let client = Arc::new(stage.session().await?);
        client
            .execute(
                "select pg_create_logical_replication_slot($1, 'pgoutput')
                 where not exists (select from pg_replication_slots where slot_name = $1)",
                &[&SLOT],
            )
            .await
            .context("begin to decode")?;
        client
            .execute("create temp table seen (n bigint)", &[])
            .await
            .context("count changes")?;
        // What came before is nobody's.
        client.query_one(CHANGES, &[&SLOT]).await.context("decode")?;
        let asks = client.clone();
        let asking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(DECODE_EVERY).await;
                count(&asks).await?;
            }
        });
        Ok(Self {
            client,
            asking: AbortOnDropHandle::new(asking),
        })
    }

    /// How many changes there were.
    async fn stop(self) -> Result<i64> {
        ensure!(!self.asking.is_finished(), "the decoding ended by itself");
        drop(self.asking);
        count(&self.client).await?;
        let row = self
            .client
            .query_one("select coalesce(sum(n), 0)::bigint from seen", &[])
            .await;
        Ok(row.context("count changes")?.get(0))
    }
}

async fn count(client: &Client) -> Result<()> {
    let seen: i64 = client
        .query_one(CHANGES, &[&SLOT])
        .await
        .context("decode")?
        .get(0);
    if seen > 0 {
        client
            .execute("insert into seen values ($1)", &[&seen])
            .await
            .context("count changes")?;
    }
    Ok(())
}
