//! Waiting is not failing; and who may not serve, does not.

use std::time::Duration;

use creel_tests::wait::eventually;
use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::attempts;

#[tokio::test]
async fn a_request_waits_for_an_offline_host_and_says_so() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let id = stage.request(SCOUT).await;
    stage
        .run("update creel.items set enqueued_at = enqueued_at - interval '1 hour'; select sweep('{\"api\": 1}')")
        .await;
    let (row, why) = (stage.row(id).await, stage.why_pending(id).await);
    assert_eq!(row["status"], json!("queued"), "an hour is no reason to fail");
    assert_eq!(why["code"], json!("offline"), "{why}");
    assert_eq!(row["waiting_for"], why["message"]);

    let worker = station.start();
    let row = stage.done(id).await;
    assert_eq!(row["waiting_for"], json!(null));
    assert_eq!(attempts(&worker), [1]);
    assert_eq!(stage.why_pending(id).await["code"], json!("not_waiting"));
}

#[tokio::test]
async fn an_agent_whose_host_went_offline_waits_for_that_host() {
    let stage = Stage::with_short_leases().await;
    stage.set("offline_after_secs = 2").await;
    let (station, other) = (stage.station().await, stage.station().await);
    let mut worker = station.start();
    let first = stage.request(SCOUT).await;
    stage.done(first).await;
    worker.term();
    worker.wait(SOON).await.expect("wait");
    let _other = other.started().await;

    let again = stage.request(SCOUT).await;
    eventually("the host is offline", SOON, async || {
        stage.why_pending(again).await["code"] == json!("offline")
    })
    .await;
    eventually("the row says so", SOON, async || {
        stage.row(again).await["waiting_for"]
            .as_str()
            .is_some_and(|text| text.contains("is offline"))
    })
    .await;
    assert_eq!(
        other.calls_of("add"),
        0,
        "its files are where it lives, and nowhere else"
    );
    let _back = station.start();
    stage.done(again).await;
    assert_eq!(station.calls_of("add"), 1);
}

#[tokio::test]
async fn two_projects_with_the_same_key_share_neither_id_nor_workspace() {
    let stage = Stage::new().await;
    let second = stage.db.project(&stage.owner).await.expect("make a project");
    let station = stage.station_for(&[&stage.project, &second]).await;
    let _worker = station.start();
    let ours = stage.request(SCOUT).await;
    let theirs = stage
        .write(&json!({ "project_id": second, "agent_key": SCOUT, "display_name": "Other" }))
        .await;
    let (ours, theirs) = (stage.done(ours).await, stage.done(theirs).await);
    assert_ne!(ours["result"]["openclaw_id"], theirs["result"]["openclaw_id"]);
    assert_ne!(ours["result"]["workspace"], theirs["result"]["workspace"]);
    assert_eq!(station.agents().len(), 2);
    for row in [&ours, &theirs] {
        let id = row["result"]["openclaw_id"].as_str().expect("an id");
        assert_eq!(station.marker(id)["project_id"], row["project_id"]);
        assert_eq!(
            station.agents()[id]["identity"]["name"],
            row["display_name"],
            "each has its own name"
        );
    }
}

#[tokio::test]
async fn a_host_that_serves_no_project_claims_nothing() {
    let stage = Stage::with_short_leases().await;
    let stranger = stage.station_for(&[]).await;
    let idle = stranger.start();
    let id = stage.request(SCOUT).await;
    stranger.readyz(200).await;
    let ticks = async || {
        stage
            .count("select coalesce(extract(epoch from max(last_seen_at)), 0)::bigint from host_heartbeats")
            .await
    };
    let seen = ticks().await;
    eventually("it has looked again", SOON, async || ticks().await > seen + 1).await;
    assert_eq!(stage.row(id).await["status"], json!("queued"));
    assert_eq!(stage.why_pending(id).await["code"], json!("no_host"));

    let station = stage.station().await;
    let _worker = station.start();
    stage.done(id).await;
    assert_eq!(stage.agent(id).await["host_id"], json!(station.host.id));
    assert_eq!(attempts(&idle), [] as [u64; 0]);
    assert_eq!(stranger.calls_of("add"), 0);
}

#[tokio::test]
async fn no_host_at_all_is_an_error_with_its_reason() {
    let stage = Stage::with_short_leases().await;
    stage.set("queue_ttl_secs = 1").await;
    // It serves another project, and sweeps for all.
    let other = stage.db.project(&stage.owner).await.expect("make a project");
    let station = stage.station_for(&[&other]).await;
    let _worker = station.start();
    let id = stage.request(SCOUT).await;
    let error = stage.failed(id, SOON).await;
    assert_eq!(error["code"], json!("no_host"));
    assert!(
        error["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("creel host enroll")),
        "{error}"
    );
}

#[tokio::test]
async fn a_job_that_passes_its_deadline_is_stopped_and_an_error() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    station.set_fault("add", "hang_with_stray");
    let worker = station.start_with(&station.setup().allow("stopped work on"));
    let id = stage.request(SCOUT).await;
    station.called("add").await;
    stage
        .run("update creel.items set deadline_at = now() + interval '1 second'")
        .await;
    let error = stage.failed(id, SOON).await;
    assert_eq!(error["code"], json!("deadline_passed"));
    worker.logged("stopped work on", SOON).await;
    station.is_quiet().await;
}

#[tokio::test]
async fn what_used_up_its_attempts_is_a_dead_letter_that_can_be_redriven() {
    let stage = Stage::new().await;
    stage.set_attempts(2).await;
    let station = stage.station().await;
    station.set_fault("add", "exit_1");
    let worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    let id = stage.request(SCOUT).await;
    stage.failed(id, SOON).await;
    assert_eq!(attempts(&worker), [1, 2]);
    let why = stage.why_pending(id).await;
    assert_eq!(
        (&why["code"], &why["reason"]),
        (&json!("dead"), &json!("attempts"))
    );
    assert_eq!(stage.agent(id).await["status"], json!("error"));

    station.clear_faults();
    let redriven = stage.ask_as_owner(&format!("select redrive('{id}')")).await;
    assert_eq!(redriven["status"], json!("queued"));
    stage.until(id, "done", Duration::from_secs(15)).await;
    assert_eq!(attempts(&worker), [1, 2, 1]);
    assert_eq!(stage.count("select count(*) from creel.dead_letters").await, 0);
}
