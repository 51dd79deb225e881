//! A configuration that something has cut in the middle.

use std::fs;

use creel_tests::cluster::built_program;
use creel_tests::wait::eventually;
use serde_json::json;

use crate::beside::{Gateway, config, config_path, write_config};
use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::Station;

/// An agent is made, the file is cut, and another is asked for.
async fn is_restored(stage: &Stage, station: &Station) {
    let worker = station.started_with(&station.setup().allow("was damaged")).await;
    let first = stage.request(SCOUT).await;
    stage.done(first).await;
    let before = config(station);
    let text = fs::read(config_path(station)).expect("read the configuration");
    fs::write(config_path(station), &text[..text.len() / 2]).expect("cut it in the middle");

    let second = stage.request("agent:second:main").await;
    stage.done(second).await;
    let mut after = config(station);
    let entries = after["agents"]["entries"].as_object_mut().expect("it has agents");
    assert!(entries.remove("second").is_some(), "the other agent is there");
    assert_eq!(after, before, "nothing else has changed");
    eventually("it is told", SOON, async || {
        stage
            .count("select count(*) from events where kind = 'openclaw.config_restored'")
            .await
            > 0
    })
    .await;
    let told = "select count(*) from events where kind = 'openclaw.config_restored' and host_id is not null";
    assert_eq!(stage.count(told).await, 1, "{}", worker.log());
}

#[tokio::test]
async fn a_truncated_configuration_is_restored_without_a_gateway() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    write_config(&station);
    is_restored(&stage, &station).await;
}

#[tokio::test]
async fn a_truncated_configuration_is_restored_beside_a_gateway() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let program = built_program("openclaw-stand-in").expect("it is built");
    let gateway = Gateway::ready(&station, &program).await;
    is_restored(&stage, &station).await;
    gateway.becomes_ready().await;
    assert_eq!(config(&station)["gateway"]["port"], json!(gateway.port));
}
