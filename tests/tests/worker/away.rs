//! Ten minutes without the network: work and agents go on as far as they can, and what was done is told once.

use std::fs;
use std::time::{Duration, Instant};

use creel_tests::cut::Cutter;
use creel_tests::wait::eventually;
use creel_tests::worker::WorkerProcess;
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{By, Station, attempts};
use crate::ways::by_login_and_key;

by_login_and_key!(ten_minutes_by_the_databases_clock_cost_nothing_but_the_time);

/// What a worker says of the network.
const SAID: &[&str] = &[
    "lost the connection",
    "failed to connect",
    "failed to tick",
    "failed to claim",
    "failed to finish",
    "gave up to finish",
    "failed to show progress",
    "failed to look after",
    "failed to mirror",
    "stopped work on",
    "was damaged",
];

/// How long the network is away.
const AWAY: Duration = Duration::from_secs(600);

struct Scene {
    stage: Stage,
    station: Station,
    cutter: Cutter,
    worker: WorkerProcess,
    /// Done before.
    made: Uuid,
    /// In the middle of it.
    under_way: Uuid,
}

impl Scene {
    /// One agent is made, another one's files are there and the next step takes a while; then the network goes.
    async fn cut_off(stage: Stage, by: By) -> Self {
        let station = stage.station_by(by).await;
        let cutter = Cutter::start(station.port(&stage.db))
            .await
            .expect("start a proxy");
        let mut setup = station.setup_through(&stage.db, &cutter);
        for said in SAID {
            setup = setup.allow(said);
        }
        let worker = station.started_with(&setup).await;
        let made = stage.request("agent:made:main").await;
        stage.done(made).await;
        station.set_faults(&json!({ "add": { "mode": "delay_ms", "ms": 1_000 } }));
        let under_way = stage.request(SCOUT).await;
        eventually("it is begun", SOON, async || station.calls_of("add") == 2).await;
        cutter.refuse();
        Self {
            stage,
            station,
            cutter,
            worker,
            made,
            under_way,
        }
    }

    /// What happens meanwhile: OpenClaw's step ends, somebody writes a request, something cuts a file.
    async fn go_on_without_the_network(&self) -> Uuid {
        self.station.readyz(503).await;
        eventually("the step ends", SOON, async || {
            self.station.agents().contains_key("scout")
        })
        .await;
        let kept = self.station.home.data().join("openclaw.last-good.json");
        eventually("the worker has a copy with it", SOON, async || {
            fs::read_to_string(&kept).is_ok_and(|text| text.contains("\"scout\""))
        })
        .await;
        let path = self.station.home.openclaw_state().join("openclaw.json");
        let text = fs::read(&path).expect("read the configuration");
        fs::write(&path, &text[..text.len() / 2]).expect("cut it in the middle");
        eventually("it is restored", SOON, async || {
            self.station.agents_if_whole().is_some()
        })
        .await;
        self.stage.request("agent:meanwhile:main").await
    }

    /// All is done, nothing is repeated, and what happened is told once.
    async fn ends_well(mut self, meanwhile: Uuid) {
        for id in [self.made, self.under_way, meanwhile] {
            self.stage.done(id).await;
            assert_eq!(self.stage.provisioned_count(id).await, 1);
        }
        self.station.readyz(200).await;
        assert!(self.worker.is_running(), "it is the same worker");
        let mut added: Vec<_> = self.station.agents().keys().cloned().collect();
        added.sort();
        assert_eq!(added, ["made", "meanwhile", "scout"]);
        assert_eq!(self.station.calls_of("add"), 3, "each is added once");
        assert_eq!(
            attempts(&self.worker)
                .iter()
                .filter(|attempt| **attempt > 1)
                .count(),
            1,
            "only what was under way is begun again"
        );
        eventually("it is told", SOON, async || self.restored_count().await > 0).await;
        // A later tick does not tell it again.
        let ticks = "select extract(epoch from last_seen_at)::bigint from host_heartbeats";
        let seen = self.stage.count(ticks).await;
        eventually("it has ticked again", SOON, async || {
            self.stage.count(ticks).await > seen + 1
        })
        .await;
        assert_eq!(self.restored_count().await, 1);
        assert_eq!(self.stage.count("select count(*) from creel.items").await, 0);
    }

    async fn restored_count(&self) -> i64 {
        self.stage
            .count("select count(*) from events where kind = 'openclaw.config_restored'")
            .await
    }
}

/// The worker's lease is two seconds; for the database ten minutes pass, in which others sweep.
async fn ten_minutes_by_the_databases_clock_cost_nothing_but_the_time(by: By) {
    let stage = Stage::with_short_leases().await;
    let scene = Scene::cut_off(stage, by).await;
    let meanwhile = scene.go_on_without_the_network().await;
    eventually("the worker gives up what it held", SOON, async || {
        let log = scene.worker.log();
        log.contains("stopped work on") || log.contains("gave up to finish")
    })
    .await;
    scene
        .stage
        .run(
            "update creel.lanes set expires_at = expires_at - interval '10 minutes' where expires_at is not null;
             update host_heartbeats set last_seen_at = last_seen_at - interval '10 minutes';
             update agent_provision_requests set requested_at = requested_at - interval '10 minutes';
             select creel.sweep_once(interval '0 seconds')",
        )
        .await;
    let status = scene.stage.row(scene.under_way).await["status"].clone();
    assert_eq!(status, json!("queued"), "the sweep has it back");
    scene.cutter.pass();
    scene.ends_well(meanwhile).await;
}

async fn ten_minutes(by: By) {
    let stage = Stage::new().await;
    let scene = Scene::cut_off(stage, by).await;
    let began = Instant::now();
    let meanwhile = scene.go_on_without_the_network().await;
    let sweeper = scene.stage.db.postgres().await.expect("connect");
    eventually("ten minutes have passed", AWAY + SOON, async || {
        // As pg_cron does, with the only host away.
        sweeper
            .execute("select creel.sweep_once(interval '1 second')", &[])
            .await
            .expect("sweep");
        began.elapsed() >= AWAY
    })
    .await;
    scene.cutter.pass();
    scene.ends_well(meanwhile).await;
}

#[tokio::test]
async fn slow_ten_real_minutes_cost_nothing_but_the_time_with_a_login() {
    ten_minutes(By::Login).await;
}

#[tokio::test]
async fn slow_ten_real_minutes_cost_nothing_but_the_time_with_a_key() {
    ten_minutes(By::Key).await;
}
