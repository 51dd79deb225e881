//! Ticks are on time whatever else the worker does.

use std::fs;
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use creel_tests::wait::eventually;
use serde_json::Value;

use crate::fixture::Stage;
use crate::own_gateway::Agent;

/// Jobs at the same time.
const JOB_COUNT: usize = 50;

/// What is between two ticks here; the worker makes it a tenth more or less.
const TICK_SECS: f64 = 2.0;

/// A tick is no later than this.
const LATE_SECS: f64 = 1.0;

/// Fifty starts of a program on two busy processors.
const ALL: Duration = Duration::from_secs(200);

/// What is written, and waited for, again and again.
const CHUNK_BYTES: usize = 16 << 20;

/// Notes in the database when each tick came.
const WATCH: &str = "
    create table public.ticks_seen (at timestamptz not null default clock_timestamp());
    alter table public.ticks_seen enable row level security;
    create function public.see_tick() returns trigger language plpgsql security definer set search_path = '' as
      $$ begin insert into public.ticks_seen default values; return null; end $$;
    create trigger see_tick after insert or update on public.host_heartbeats
      for each row execute function public.see_tick()";

/// Keeps the disk busy until it is dropped.
struct Saturated {
    stop: Arc<AtomicBool>,
    writing: Option<JoinHandle<()>>,
}

impl Saturated {
    fn new(path: PathBuf) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let told = stop.clone();
        let writing = std::thread::spawn(move || {
            let mut file = fs::File::create(path).expect("make a file");
            let chunk = vec![7; CHUNK_BYTES];
            while !told.load(Ordering::Acquire) {
                file.rewind().expect("begin again");
                file.write_all(&chunk).expect("write");
                file.sync_all().expect("wait for the disk");
            }
        });
        Self {
            stop,
            writing: Some(writing),
        }
    }
}

impl Drop for Saturated {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let ended = self.writing.take().map(JoinHandle::join);
        assert!(ended.is_some_and(|ended| ended.is_ok()), "the disk took it all");
    }
}

#[tokio::test]
async fn ticks_are_on_time_while_fifty_jobs_run_and_the_disk_is_busy() {
    let stage = Stage::new().await;
    stage.set("tick_secs = 2").await;
    let station = stage.station().await;
    for n in 0..JOB_COUNT {
        Agent::new(&stage, &station, &format!("a{n}")).await;
    }
    let _worker = station.started_with(&station.agents_setup()).await;
    let _busy = Saturated::new(station.home.path().join("busy"));
    stage.run(WATCH).await;
    for kind in ["deploy", "undeploy"] {
        stage
            .run(&format!(
                "insert into agent_commands (agent_id, type) select id, '{kind}' from agents"
            ))
            .await;
        let open = "select count(*) from agent_commands where status in ('pending', 'sent')";
        eventually("all are done", ALL, async || stage.count(open).await == 0).await;
    }
    let done = "select count(*) from agent_commands where status = 'acked'";
    assert_eq!(stage.count(done).await, 2 * JOB_COUNT as i64);
    let gaps: Value = stage
        .admin
        .query_one(
            "select coalesce(jsonb_agg(gap order by gap desc), '[]') from (
               select extract(epoch from at - lag(at) over (order by at)) as gap from ticks_seen) g
             where gap is not null",
            &[],
        )
        .await
        .expect("read the ticks")
        .get(0);
    let longest = gaps[0].as_f64().expect("there were ticks");
    assert!(
        longest <= TICK_SECS * 1.1 + LATE_SECS,
        "a tick came after {longest} s: {gaps}\n{}",
        station
            .page("/metrics")
            .await
            .map(|(_, text)| text)
            .unwrap_or_default()
    );
}
