//! A worker that is told to stop finishes what it can, and gives back the rest.

use std::time::Duration;

use creel_tests::cluster::built_program;
use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{LEFT_OVERS, attempts};

/// "At once", on a machine that does much else.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_running_job_is_finished_within_the_grace() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    station.set_faults(&json!({ "add": { "mode": "delay_ms", "ms": 1_000 } }));
    let id = stage.request(SCOUT).await;
    let mut worker = station.start();
    station.called("add").await;
    worker.term();
    worker.logged("stopping", SOON).await;
    let late = stage.request("agent:late:main").await;
    assert_eq!(worker.wait(SOON).await.expect("wait").code(), Some(0));
    assert_eq!(stage.row(id).await["status"], json!("done"));
    assert_eq!(
        stage.row(late).await["status"],
        json!("queued"),
        "it takes nothing new"
    );
    station.is_quiet().await;
    assert!(
        !station.home.data().join("http.addr").exists(),
        "no address that nobody listens at"
    );
}

#[tokio::test]
async fn a_job_that_outlasts_the_grace_is_given_back_at_no_attempt() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    station.set_fault("add", "hang_with_stray");
    let id = stage.request(SCOUT).await;
    let mut worker = station.start_with(
        &station
            .setup()
            .env("CREEL_DRAIN_GRACE_SECS", "1")
            .allow("stopped work on"),
    );
    station.called("add").await;
    worker.term();
    assert_eq!(worker.wait(SOON).await.expect("wait").code(), Some(0));
    assert_eq!(stage.row(id).await["status"], json!("queued"));
    assert_eq!(
        stage.count("select attempts::bigint from creel.lanes").await,
        0,
        "the attempt is not charged"
    );
    assert!(
        station.home.children().is_empty(),
        "its OpenClaw is gone with it, and what that had started"
    );

    station.clear_faults();
    let next = station.start();
    stage.done(id).await;
    assert_eq!(attempts(&next), [1]);
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    station.set_fault("add", "hang_ignoring_term");
    let id = stage.request(SCOUT).await;
    let mut worker = station.start();
    for said in [
        "stopping at once",
        "stopped work on",
        "killing what did not stop",
        "failed to give back",
        "could not stop everything",
    ] {
        worker.allow(said);
    }
    station.called("add").await;
    worker.term();
    worker.logged("stopping", SOON).await;
    worker.term();
    assert_eq!(worker.wait(AT_ONCE).await.expect("wait").code(), Some(143));
    station.is_quiet().await;
    station.clear_faults();
    let mut next = station.start();
    next.allow(LEFT_OVERS);
    stage.done(id).await;
}

#[tokio::test]
async fn a_worker_that_is_to_finish_ends_when_it_is_idle_and_no_sooner() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    station.set_faults(&json!({ "add": { "mode": "delay_ms", "ms": 1_500 } }));
    let id = stage.request(SCOUT).await;
    // The grace is not asked.
    let mut worker = station.start_with(&station.setup().env("CREEL_DRAIN_GRACE_SECS", "0"));
    station.called("add").await;
    let drained = tokio::process::Command::new(built_program("creel").expect("it is built"))
        .args(["worker", "--drain"])
        .env("DATABASE_URL", &station.setup().database_url)
        .env("CREEL_DATA_DIR", station.home.data())
        .output()
        .await
        .expect("run creel");
    assert!(
        drained.status.success(),
        "{}",
        String::from_utf8_lossy(&drained.stderr)
    );
    assert_eq!(worker.wait(SOON).await.expect("wait").code(), Some(0));
    assert!(worker.log().contains("finishing: 1 jobs"), "{}", worker.log());
    assert_eq!(stage.row(id).await["status"], json!("done"));
}

#[tokio::test]
async fn an_idle_worker_stops_at_once() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let mut worker = station.started().await;
    worker.term();
    assert_eq!(worker.wait(AT_ONCE).await.expect("wait").code(), Some(0));
}

#[tokio::test]
async fn a_second_worker_in_the_same_folder_is_refused() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    station.set_faults(&json!({ "add": { "mode": "delay_ms", "ms": 1_000 } }));
    let id = stage.request(SCOUT).await;
    let mut first = station.start();
    station.called("add").await;
    let mut second = station.start();
    assert_eq!(second.wait(SOON).await.expect("wait").code(), Some(75));
    let said = second.log();
    second.allow("");
    for part in [
        "another worker runs on this host",
        &first.pid().to_string(),
        "worker.lock",
        "stop it first",
    ] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    stage.done(id).await;
    assert!(first.is_running());
    assert_eq!(attempts(&first), [1], "the first is not disturbed");
    station.readyz(200).await;
}
