//! A laptop that sleeps: its work is taken over, and it does no harm when it wakes.

use creel_tests::cut::Cutter;
use creel_tests::wait::eventually;
use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::attempts;

/// What a worker may say that was away.
const SAID: &[&str] = &[
    "stopped work on",
    "failed to tick",
    "lost the connection",
    "gave up to finish",
    "failed to finish",
    "failed to mirror",
];

#[tokio::test]
async fn who_wakes_after_a_takeover_starts_no_further_step() {
    let stage = Stage::with_short_leases().await;
    let (sleeper, heir) = (stage.station().await, stage.station().await);
    sleeper.set_faults(&json!({ "add": { "mode": "delay_ms", "ms": 500 } }));
    let id = stage.request(SCOUT).await;
    let mut first = sleeper.start();
    SAID.iter().for_each(|said| first.allow(said));
    sleeper.called("add").await;
    first.stop();

    let second = heir.start();
    stage.done(id).await;
    assert_eq!(attempts(&second), [2]);
    eventually("the sleeper's OpenClaw has done its step", SOON, async || {
        sleeper.agents().contains_key("scout")
    })
    .await;
    let (row, agent, calls) = (stage.row(id).await, stage.agent(id).await, sleeper.calls());

    first.cont();
    first.logged("stopped work on", SOON).await;
    sleeper.readyz(200).await;
    sleeper.is_quiet().await;
    assert_eq!(sleeper.calls(), calls, "it calls OpenClaw no more");
    assert_eq!(
        (stage.row(id).await, stage.agent(id).await),
        (row, agent),
        "it changes nothing"
    );
    assert!(first.is_running());
}

#[tokio::test]
async fn who_wakes_after_a_takeover_kills_what_it_had_started() {
    let stage = Stage::with_short_leases().await;
    let (sleeper, heir) = (stage.station().await, stage.station().await);
    sleeper.set_fault("add", "hang_with_stray");
    let id = stage.request(SCOUT).await;
    let mut first = sleeper.start();
    SAID.iter().for_each(|said| first.allow(said));
    sleeper.called("add").await;
    first.stop();
    let _second = heir.start();
    stage.done(id).await;
    assert!(!sleeper.home.children().is_empty());

    first.cont();
    first.logged("stopped work on", SOON).await;
    sleeper.is_quiet().await;
    assert_eq!(sleeper.calls_of("set-identity"), 0);
}

#[tokio::test]
async fn a_late_finish_changes_nothing() {
    let stage = Stage::with_short_leases().await;
    let (sleeper, heir) = (stage.station().await, stage.station().await);
    let cutter = Cutter::start(stage.db.cluster().port)
        .await
        .expect("start a proxy");
    cutter.hold("\"outcome\"");
    let id = stage.request(SCOUT).await;
    let mut first = sleeper.start_with(&sleeper.setup_through(&stage.db, &cutter));
    SAID.iter().for_each(|said| first.allow(said));
    cutter.sprung(1, SOON).await;
    // Its finish is on its way, and it is asleep.
    first.stop();

    let second = heir.start();
    stage.done(id).await;
    assert_eq!(attempts(&second), [2]);
    let (row, agent, calls) = (stage.row(id).await, stage.agent(id).await, sleeper.calls());
    assert_eq!(agent["host_id"], json!(heir.host.id));

    cutter.let_go();
    first.cont();
    first.logged("no longer ours when it was finished", SOON).await;
    sleeper.readyz(200).await;
    assert_eq!((stage.row(id).await, stage.agent(id).await), (row, agent));
    assert_eq!(stage.provisioned_count(id).await, 1);
    assert_eq!(sleeper.calls(), calls);
}
