//! Push is a hint, poll is the truth.

use std::time::Duration;

use serde_json::json;

use crate::fixture::{SCOUT, Stage};

/// Much less than the time between two ticks.
const BY_PUSH: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_notification_wakes_at_once() {
    let stage = Stage::new().await;
    stage.set("tick_secs = 60").await;
    let station = stage.station().await;
    let _worker = station.started().await;
    station.readyz(200).await;
    for key in [SCOUT, "agent:second:main"] {
        let id = stage.request(key).await;
        let row = stage.until(id, "done", BY_PUSH).await;
        assert_eq!(row["woken_by"], json!("push"));
    }
}

#[tokio::test]
async fn a_lost_notification_is_made_up_for_by_the_clock() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let _worker = station.started().await;
    station.readyz(200).await;
    stage
        .run(
            "do $$
             declare
               definition text;
             begin
               for definition in
                 select replace(pg_get_functiondef(p.oid), 'pg_notify(', 'concat(') from pg_proc p
                 where p.pronamespace = 'creel'::regnamespace and p.prosrc like '%pg_notify(%'
               loop
                 execute definition;
               end loop;
             end $$",
        )
        .await;
    let id = stage.request(SCOUT).await;
    let row = stage.done(id).await;
    assert_eq!(row["woken_by"], json!("poll"));
}

#[tokio::test]
async fn what_was_there_before_the_worker_is_found_by_looking() {
    let stage = Stage::new().await;
    stage.set("tick_secs = 60").await;
    let station = stage.station().await;
    let id = stage.request(SCOUT).await;
    let _worker = station.start();
    let row = stage.until(id, "done", BY_PUSH).await;
    assert_eq!(row["woken_by"], json!("poll"));
}

#[tokio::test]
async fn what_waits_behind_full_permits_is_taken_as_soon_as_there_is_room() {
    let stage = Stage::new().await;
    stage.set("tick_secs = 60").await;
    let station = stage.station().await;
    let _worker = station
        .started_with(&station.setup().env("CREEL_PERMITS", "1"))
        .await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(stage.request(&format!("agent:a{n}:main")).await);
    }
    for id in ids {
        stage.until(id, "done", BY_PUSH).await;
    }
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_when_its_pause_is_over_and_not_at_the_next_tick() {
    let stage = Stage::new().await;
    stage.set("tick_secs = 60").await;
    let station = stage.station().await;
    station.set_faults(&json!({ "add": { "mode": "exit_1", "times": 1 } }));
    let _worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    station.readyz(200).await;
    let id = stage.request(SCOUT).await;
    stage.until(id, "done", BY_PUSH).await;
}
