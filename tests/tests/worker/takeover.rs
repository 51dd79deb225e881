//! A dead worker is noticed, and its work goes on elsewhere.

use std::time::{Duration, Instant};

use creel_tests::wait::eventually;
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{LEFT_OVERS, Station, attempts};

/// What is promised for the settings that the product comes with.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

/// Kills the worker of one host in the middle of a job; answers how long the other host's took to begin.
async fn taken_over(stage: &Stage, dying: &Station, heir: &Station) -> (Uuid, Duration) {
    dying.set_fault("add", "hang");
    let id = stage.request(SCOUT).await;
    let mut first = dying.start();
    dying.called("add").await;
    let second = heir.started().await;
    heir.readyz(200).await;
    first.kill9().expect("kill");
    let killed = Instant::now();
    eventually("the other host takes it", NOTICED_WITHIN + SOON, async || {
        !attempts(&second).is_empty()
    })
    .await;
    let took = killed.elapsed();
    stage.done(id).await;
    let agent = stage.agent(id).await;
    assert_eq!(agent["host_id"], json!(heir.host.id), "{agent:#}");
    assert_eq!(attempts(&second), [2]);
    assert_eq!(heir.agents().len(), 1);
    (id, took)
}

#[tokio::test]
async fn another_host_takes_what_a_killed_worker_held() {
    let stage = Stage::with_short_leases().await;
    let (dying, heir) = (stage.station().await, stage.station().await);
    let (id, _) = taken_over(&stage, &dying, &heir).await;

    // What hangs on the first host goes with its next worker, which touches nothing that is not its own.
    assert!(!dying.home.children().is_empty());
    dying.clear_faults();
    let row = stage.row(id).await;
    let mut back = dying.start();
    back.allow(LEFT_OVERS);
    dying.readyz(200).await;
    dying.is_quiet().await;
    assert_eq!(stage.row(id).await, row);
    assert_eq!(dying.calls_of("add"), 1);
}

#[tokio::test]
async fn a_tick_just_after_the_claim_does_not_keep_the_work_on_a_dead_host() {
    let stage = Stage::with_short_leases().await;
    let (dying, heir) = (stage.station().await, stage.station().await);
    dying.set_fault("add", "hang");
    let id = stage.request(SCOUT).await;
    let mut first = dying.start();
    dying.called("add").await;
    first.kill9().expect("kill");
    // As it is when the tick did not know yet of what was claimed, and did not renew it.
    stage
        .run("update host_heartbeats set last_seen_at = last_seen_at + interval '0.5 seconds'")
        .await;
    let _second = heir.start();
    stage.done(id).await;
    assert_eq!(stage.agent(id).await["host_id"], json!(heir.host.id));
}

#[tokio::test]
async fn slow_a_dead_worker_is_noticed_and_taken_over_within_thirty_seconds() {
    let stage = Stage::new().await;
    let (dying, heir) = (stage.station().await, stage.station().await);
    let (_, took) = taken_over(&stage, &dying, &heir).await;
    assert!(took <= NOTICED_WITHIN, "it took {} ms", took.as_millis());
}

#[tokio::test]
async fn a_restarted_worker_gives_back_at_once_what_its_dead_self_held() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    station.set_fault("add", "hang");
    let id = stage.request(SCOUT).await;
    let mut first = station.start();
    station.called("add").await;
    let held = lane(&stage).await;
    first.kill9().expect("kill");

    let mut second = station.start();
    second.allow(LEFT_OVERS);
    second
        .logged("that an earlier worker on this host left", SOON)
        .await;
    // Long before the lease ends by itself.
    eventually("it is claimed anew", Duration::from_secs(15), async || {
        attempts(&second) == [2]
    })
    .await;
    let now = lane(&stage).await;
    assert_ne!(held["session_id"], now["session_id"]);
    assert_ne!(held["token"], now["token"]);
    station.clear_faults();
    drop(second);
    let mut third = station.start();
    third.allow(LEFT_OVERS);
    stage.done(id).await;
}

#[tokio::test]
async fn a_restarted_worker_does_not_keep_its_dead_selfs_leases_alive() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    station.set_fault("add", "hang");
    let id = stage.request(SCOUT).await;
    let mut first = station.start();
    station.called("add").await;
    let held = lane(&stage).await;
    first.kill9().expect("kill");
    // Its next self is kept from giving back, so that only time can free the lease.
    stage
        .run(
            "create or replace function public.release(jsonb) returns jsonb language sql security definer
               as $$ select '{\"released\": 0}'::jsonb $$",
        )
        .await;
    station.clear_faults();
    let mut second = station.start();
    second.allow(LEFT_OVERS);
    stage.done(id).await;
    assert_eq!(attempts(&second), [2], "its own lease is a new one");
    let expired = stage
        .count("select count(*) from events where kind = 'lease.expired'")
        .await;
    assert_eq!(expired, 1, "the lease ended by time");
    assert_ne!(held["session_id"], lane(&stage).await["session_id"]);
}

/// The lane of the one agent.
async fn lane(stage: &Stage) -> serde_json::Value {
    let lane = stage
        .admin
        .query_one("select to_jsonb(l) from creel.lanes l", &[])
        .await;
    lane.expect("read the lane").get(0)
}
