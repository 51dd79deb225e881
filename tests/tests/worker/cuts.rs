//! The way to the database breaks at any point: done once, no attempt charged, and the worker stays.

use std::time::Duration;

use creel_tests::cut::Cutter;
use creel_tests::wait::eventually;
use creel_tests::worker::WorkerProcess;
use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{By, Station, attempts};
use crate::ways::by_login_and_key;

/// Texts of the arguments of the functions, by which the proxy knows them.
const CLAIM: &str = "woken_by";
const TICK: &str = "\"metrics\"";
const FINISH: &str = "\"outcome\"";

/// What a worker says of a broken connection.
const SAID: &[&str] = &[
    "lost the connection",
    "failed to connect",
    "failed to tick",
    "failed to claim",
    "failed to finish items",
    "failed to start",
    "failed to show progress",
    "failed to mirror",
];

/// How many requests there are where the line is cut after each fifth.
const MANY: i64 = 30;

by_login_and_key!(
    a_claim_that_does_not_arrive_is_repeated,
    a_claim_whose_reply_is_lost_comes_back_at_no_attempt,
    a_tick_that_is_cut_ends_no_job,
    a_tick_whose_reply_is_lost_ends_no_job,
    a_finish_that_does_not_arrive_is_repeated,
    a_finish_whose_reply_is_lost_is_done_once,
    a_step_whose_report_is_lost_goes_on,
    a_database_that_is_away_is_waited_for_in_the_middle_of_a_job,
    what_was_written_while_the_database_was_away_is_found_when_it_is_back,
    a_silent_database_is_noticed_and_connected_to_again,
    a_worker_that_starts_before_its_database_waits_for_it,
    a_job_that_outlives_its_lease_without_a_database_is_stopped,
    a_line_that_breaks_again_and_again_costs_no_attempt,
);

struct Scene {
    stage: Stage,
    station: Station,
    cutter: Cutter,
    worker: WorkerProcess,
}

impl Scene {
    async fn new(by: By) -> Self {
        let stage = Stage::new().await;
        stage.set("tick_secs = 1").await;
        let station = stage.station_by(by).await;
        let cutter = Cutter::start(station.port(&stage.db))
            .await
            .expect("start a proxy");
        let mut setup = station.setup_through(&stage.db, &cutter);
        for said in SAID {
            setup = setup.allow(said);
        }
        let worker = station.started_with(&setup).await;
        station.readyz(200).await;
        Self {
            stage,
            station,
            cutter,
            worker,
        }
    }

    /// One request, done once at the first attempt by a worker that still lives.
    async fn ends_well(mut self, id: uuid::Uuid, claims: &[u64]) {
        self.stage.done(id).await;
        self.station.readyz(200).await;
        assert!(self.worker.is_running());
        assert_eq!(attempts(&self.worker), claims, "no attempt is charged");
        for command in ["add", "set-identity"] {
            assert_eq!(self.station.calls_of(command), 1, "{command}");
        }
        assert_eq!(self.stage.provisioned_count(id).await, 1);
        assert_eq!(self.stage.count("select count(*) from creel.items").await, 0);
        // It goes on as before.
        let next = self.stage.request("agent:next:main").await;
        self.stage.done(next).await;
    }
}

async fn a_claim_that_does_not_arrive_is_repeated(by: By) {
    let scene = Scene::new(by).await;
    scene.cutter.cut_before(CLAIM);
    let id = scene.stage.request(SCOUT).await;
    scene.cutter.sprung(1, SOON).await;
    scene.ends_well(id, &[1]).await;
}

async fn a_claim_whose_reply_is_lost_comes_back_at_no_attempt(by: By) {
    let scene = Scene::new(by).await;
    scene.cutter.lose_reply_to(CLAIM);
    let id = scene.stage.request(SCOUT).await;
    scene.cutter.sprung(1, SOON).await;
    scene.ends_well(id, &[1]).await;
}

async fn a_tick_that_is_cut_ends_no_job(by: By) {
    let scene = Scene::new(by).await;
    scene
        .station
        .set_faults(&json!({ "add": { "mode": "delay_ms", "ms": 2_500 } }));
    let id = scene.stage.request(SCOUT).await;
    scene.station.called("add").await;
    scene.cutter.cut_before(TICK);
    scene.cutter.sprung(1, SOON).await;
    scene.ends_well(id, &[1]).await;
}

async fn a_tick_whose_reply_is_lost_ends_no_job(by: By) {
    let scene = Scene::new(by).await;
    scene
        .station
        .set_faults(&json!({ "add": { "mode": "delay_ms", "ms": 2_500 } }));
    let id = scene.stage.request(SCOUT).await;
    scene.station.called("add").await;
    scene.cutter.lose_reply_to(TICK);
    scene.cutter.sprung(1, SOON).await;
    scene.ends_well(id, &[1]).await;
}

async fn a_finish_that_does_not_arrive_is_repeated(by: By) {
    let scene = Scene::new(by).await;
    scene.cutter.cut_before(FINISH);
    let id = scene.stage.request(SCOUT).await;
    scene.cutter.sprung(1, SOON).await;
    scene.ends_well(id, &[1]).await;
}

async fn a_finish_whose_reply_is_lost_is_done_once(by: By) {
    let scene = Scene::new(by).await;
    scene.cutter.lose_reply_to(FINISH);
    let id = scene.stage.request(SCOUT).await;
    scene.cutter.sprung(1, SOON).await;
    scene.ends_well(id, &[1]).await;
}

async fn a_step_whose_report_is_lost_goes_on(by: By) {
    for (step, reply_is_lost) in [("add", false), ("record", true)] {
        let scene = Scene::new(by).await;
        let text = format!("\"step\":\"{step}\"");
        if reply_is_lost {
            scene.cutter.lose_reply_to(&text);
        } else {
            scene.cutter.cut_before(&text);
        }
        let id = scene.stage.request(SCOUT).await;
        scene.cutter.sprung(1, SOON).await;
        scene.ends_well(id, &[1]).await;
    }
}

#[tokio::test]
async fn a_database_that_ends_its_sessions_is_connected_to_again() {
    let scene = Scene::new(By::Login).await;
    scene
        .station
        .set_faults(&json!({ "add": { "mode": "delay_ms", "ms": 1_000 } }));
    let id = scene.stage.request(SCOUT).await;
    scene.station.called("add").await;
    let ended = scene.stage.db.superuser().await.expect("connect");
    let ended = ended
        .execute(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name like 'creel-worker%'",
            &[],
        )
        .await
        .expect("end the sessions");
    assert_eq!(ended, 2, "two connections a host are enough");
    scene.ends_well(id, &[1]).await;
}

async fn a_database_that_is_away_is_waited_for_in_the_middle_of_a_job(by: By) {
    let scene = Scene::new(by).await;
    scene
        .station
        .set_faults(&json!({ "add": { "mode": "delay_ms", "ms": 1_000 } }));
    let id = scene.stage.request(SCOUT).await;
    scene.station.called("add").await;
    scene.cutter.refuse();
    let said = scene.station.readyz(503).await;
    assert!(
        said["reasons"]
            .as_array()
            .is_some_and(|reasons| !reasons.is_empty()),
        "{said}"
    );
    // The job goes on as far as it can without the database.
    eventually("the agent is added", SOON, async || {
        scene.station.agents().contains_key("scout")
    })
    .await;
    assert_eq!(scene.stage.row(id).await["status"], json!("running"));
    scene.cutter.pass();
    scene.ends_well(id, &[1]).await;
}

async fn what_was_written_while_the_database_was_away_is_found_when_it_is_back(by: By) {
    let scene = Scene::new(by).await;
    scene.cutter.refuse();
    scene.station.readyz(503).await;
    let id = scene.stage.request(SCOUT).await;
    scene.cutter.pass();
    let row = scene.stage.done(id).await;
    assert_eq!(row["woken_by"], json!("poll"));
    scene.ends_well(id, &[1]).await;
}

async fn a_silent_database_is_noticed_and_connected_to_again(by: By) {
    let scene = Scene::new(by).await;
    scene.cutter.blackhole();
    let id = scene.stage.request(SCOUT).await;
    scene.worker.logged("did not answer within", SOON).await;
    scene.station.readyz(503).await;
    scene.cutter.cut();
    scene.cutter.pass();
    scene.ends_well(id, &[1]).await;
}

async fn a_worker_that_starts_before_its_database_waits_for_it(by: By) {
    let stage = Stage::new().await;
    let station = stage.station_by(by).await;
    let cutter = Cutter::start(station.port(&stage.db))
        .await
        .expect("start a proxy");
    cutter.refuse();
    let mut setup = station.setup_through(&stage.db, &cutter);
    for said in SAID {
        setup = setup.allow(said);
    }
    let mut worker = station.start_with(&setup);
    worker.logged("failed to connect", SOON).await;
    station.readyz(503).await;
    let id = stage.request(SCOUT).await;
    assert!(worker.is_running());
    cutter.pass();
    stage.done(id).await;
    station.readyz(200).await;
}

async fn a_job_that_outlives_its_lease_without_a_database_is_stopped(by: By) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(by).await;
    let cutter = Cutter::start(station.port(&stage.db))
        .await
        .expect("start a proxy");
    let mut setup = station.setup_through(&stage.db, &cutter);
    for said in SAID {
        setup = setup.allow(said);
    }
    let worker = station.started_with(&setup.allow("stopped work on")).await;
    station.set_fault("add", "hang");
    let id = stage.request(SCOUT).await;
    station.called("add").await;
    cutter.refuse();
    worker.logged("stopped work on", SOON).await;
    station.is_quiet().await;
    assert_eq!(station.calls_of("set-identity"), 0, "no further step");
    station.clear_faults();
    cutter.pass();
    stage.until(id, "done", SOON + Duration::from_secs(10)).await;
    assert_eq!(
        attempts(&worker),
        [1, 2],
        "nobody knows how far it came: the attempt counts"
    );
}

async fn a_line_that_breaks_again_and_again_costs_no_attempt(by: By) {
    let mut scene = Scene::new(by).await;
    scene
        .stage
        .admin
        .execute(
            "insert into agent_provision_requests (project_id, agent_key, display_name)
             select $1, 'agent:a' || n || ':main', 'Agent' from generate_series(1, $2::bigint) n",
            &[&scene.stage.project, &MANY],
        )
        .await
        .expect("write requests");
    let done = "select count(*) from agent_provision_requests where status = 'done'";
    for cut in 1..=MANY / 5 {
        eventually("the next ones are done", SOON, async || {
            scene.stage.count(done).await >= cut * 5 - 4
        })
        .await;
        scene.cutter.cut();
    }
    eventually("all are done", SOON, async || {
        scene.stage.count(done).await == MANY
    })
    .await;
    assert!(scene.worker.is_running());
    assert!(attempts(&scene.worker).iter().all(|attempt| *attempt == 1));
    assert_eq!(scene.station.calls_of("add") as i64, MANY);
    let told = "select count(distinct item_id) from events where kind = 'agent.provisioned'";
    assert_eq!(scene.stage.count(told).await, MANY);
}
