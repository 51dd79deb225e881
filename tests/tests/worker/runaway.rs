//! In real time: an agent that takes more than it may is stopped after a minute, and its neighbour is not.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use creel_tests::wait::eventually;
use serde_json::json;
use tokio::process::Command;

use crate::fixture::{SOON, Stage};
use crate::own_gateway::{Agent, pid, runs};

/// A minute, two samples, and a busy machine.
const STOPPED: Duration = Duration::from_secs(150);

#[tokio::test]
async fn slow_a_runaway_is_stopped_after_a_minute() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let setup = station.agents_setup().allow("and is stopped");
    let _worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "wild").await;
    let neighbour = Agent::new(&stage, &station, "tame").await;
    let theirs = neighbour.does("deploy", json!({})).await;
    agent.does("deploy", json!({})).await;
    let limits = json!({ "limits": { "cpu_percent": 10 } });
    agent.does("update_config", limits).await;
    let gateway = agent.does("start", json!({})).await;

    let environment = fs::read(format!("/proc/{}/environ", gateway["pid"])).expect("read it");
    let mark = environment
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok())
        .find_map(|entry| entry.strip_prefix("CREEL_MARK="))
        .expect("it is marked");
    let mut child = Command::new("yes")
        .env("CREEL_MARK", mark)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("start it");
    eventually("it is seen", SOON, async || {
        stage
            .count("select count(*) from agent_metrics where cpu_percent > 10")
            .await
            > 0
    })
    .await;
    eventually("it is stopped", STOPPED, async || {
        child.try_wait().is_ok_and(|ended| ended.is_some()) && !runs(pid(&gateway))
    })
    .await;
    let told = agent.told("agent.limit_exceeded").await;
    assert_eq!(told["limit"], json!("cpu_percent"), "{told}");
    assert!(
        told["samples"]
            .as_array()
            .is_some_and(|samples| samples.len() >= 10),
        "{told}"
    );
    agent.is("stopped").await;
    assert!(runs(pid(&theirs)));
    neighbour.is("running").await;
    let again = agent.does("start", json!({})).await;
    assert_eq!(again["state"], json!("running"), "a person said so");
}
