//! A gateway that is killed in the middle of a batch: every agent ends ready, once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_tests::cluster::built_program;
use creel_tests::wait::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::beside::Gateway;
use crate::fixture::{SOON, Stage};
use crate::station::Station;

/// So many agents at once.
const BATCH: usize = 20;

/// Each agent that is made by the command line takes seconds with the real OpenClaw, and half a minute on a
/// busy machine.
const REAL_LIMIT: Duration = Duration::from_secs(400);

/// What a worker says when it takes the command line after all.
const NO_GATEWAY: &str = "failed to use the gateway";

/// When some of them are made, others are not.
const SOME: usize = 3;

fn stand_in() -> PathBuf {
    built_program("openclaw-stand-in").expect("it is built")
}

async fn write_batch(stage: &Stage) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for n in 0..BATCH {
        let row = json!({
            "agent_key": format!("agent:a{n}:main"), "display_name": format!("Agent \"{n}\" סייר"), "emoji": "🦞",
        });
        ids.push(stage.write(&row).await);
    }
    ids
}

/// Waits until all are done, and looks at each.
async fn all_are_ready_once(stage: &Stage, station: &Station, ids: &[Uuid], limit: Duration) {
    for id in ids {
        stage.until(*id, "done", limit).await;
    }
    let agents = station.agents();
    assert_eq!(agents.len(), BATCH, "{:?}", agents.keys());
    for (n, id) in ids.iter().enumerate() {
        let name = format!("a{n}");
        let entry = &agents[&name];
        let workspace = station
            .workspace(&name)
            .canonicalize()
            .expect("the workspace is there");
        assert_eq!(entry["workspace"], json!(workspace));
        assert_eq!(
            (&entry["identity"]["name"], &entry["identity"]["emoji"]),
            (&json!(format!("Agent \"{n}\" סייר")), &json!("🦞"))
        );
        assert_eq!(stage.provisioned_count(*id).await, 1, "{name} is told once");
        assert_eq!(station.marker(&name)["agent_id"], stage.agent(*id).await["id"]);
        assert!(
            station
                .file(&name, "IDENTITY.md")
                .contains(&format!("Agent \"{n}\""))
        );
    }
}

/// The gateway is killed by this, whichever way the worker makes its agents.
fn killed_by(station: &Station, mode: &str) {
    station.set_faults(&json!({
        "agents.create": { "mode": mode, "skip": BATCH / 2, "times": 1 },
        "config.patch": { "mode": mode, "times": 1 },
    }));
}

#[tokio::test]
async fn killed_in_the_middle_of_a_batch_and_started_again() {
    for mode in ["kill_self", "half_done_then_kill_self"] {
        let stage = Stage::new().await;
        let station = stage.station().await;
        let mut gateway = Gateway::ready(&station, &stand_in()).await;
        let _worker = station.started_with(&station.setup().allow(NO_GATEWAY)).await;
        killed_by(&station, mode);
        let ids = write_batch(&stage).await;
        gateway.ended(SOON).await;
        gateway.start_again();
        gateway.becomes_ready().await;
        all_are_ready_once(&stage, &station, &ids, SOON).await;
        station.is_quiet().await;
    }
}

#[tokio::test]
async fn killed_in_the_middle_of_a_batch_and_never_started_again() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let mut gateway = Gateway::ready(&station, &stand_in()).await;
    let _worker = station.started_with(&station.setup().allow(NO_GATEWAY)).await;
    killed_by(&station, "half_done_then_kill_self");
    let ids = write_batch(&stage).await;
    gateway.ended(SOON).await;
    all_are_ready_once(&stage, &station, &ids, SOON * 2).await;
    assert!(
        station.calls_of("add") > 0,
        "the command line makes what the gateway did not"
    );
    station.is_quiet().await;
}

#[tokio::test]
async fn a_gateway_that_restarts_by_itself_in_the_middle_of_a_batch() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _gateway = Gateway::ready(&station, &stand_in()).await;
    let _worker = station.started_with(&station.setup().allow(NO_GATEWAY)).await;
    station.set_faults(&json!({
        "agents.create": { "mode": "restart_after", "ms": 1_000, "skip": BATCH / 2, "times": 1 },
        "config.patch": { "mode": "restart_after", "ms": 1_000, "times": 1 },
        "gateway": { "mode": "slow_start", "ms": 500 },
    }));
    let ids = write_batch(&stage).await;
    all_are_ready_once(&stage, &station, &ids, SOON).await;
}

#[tokio::test]
async fn the_gateway_that_the_worker_keeps_is_killed_in_the_middle_of_a_batch() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    crate::beside::write_config(&station);
    let setup = station
        .setup()
        .env("CREEL_KEEP_GATEWAY", "true")
        .allow("the gateway failed")
        .allow(NO_GATEWAY);
    let _worker = station.started_with(&setup).await;
    let ready = async || {
        let page = station.page("/readyz").await;
        page.is_some_and(|(_, text)| {
            serde_json::from_str::<Value>(&text).is_ok_and(|body| body["gateway"]["state"] == "ready")
        })
    };
    eventually("the gateway is ready", SOON, ready).await;
    killed_by(&station, "half_done_then_kill_self");
    let ids = write_batch(&stage).await;
    all_are_ready_once(&stage, &station, &ids, SOON).await;
    eventually("the gateway is ready again", SOON, ready).await;
    assert_eq!(station.calls_of("gateway"), 2);
}

#[tokio::test]
async fn real_openclaw_gateway_is_killed_in_the_middle_of_a_batch() {
    let Some(program) = real_openclaw() else { return };
    let stage = Stage::new().await;
    let station = stage.station().await;
    let mut gateway = Gateway::ready(&station, Path::new(&program)).await;
    // On a busy machine the gateway takes minutes to start, and the command line waits for it in vain: the next
    // attempt succeeds.
    let mut setup = station
        .setup()
        .allow(NO_GATEWAY)
        .allow("failed agent_provision_requests");
    setup.openclaw = program;
    let _worker = station.started_with(&setup).await;
    let ids = write_batch(&stage).await;
    eventually("some agents are there", REAL_LIMIT, async || {
        station.agents().len() >= SOME
    })
    .await;
    gateway.kill9();
    gateway.start_again();
    all_are_ready_once(&stage, &station, &ids, REAL_LIMIT).await;
    gateway.becomes_ready().await;
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
fn real_openclaw() -> Option<PathBuf> {
    let program = std::env::var_os("CREEL_TEST_OPENCLAW").map(PathBuf::from);
    if program.is_none() {
        eprintln!("skipped: CREEL_TEST_OPENCLAW does not name an OpenClaw");
    }
    program
}
