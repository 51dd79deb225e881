//! The worker keeps the host's gateway running, and a gateway outlives its worker.

use std::fs;
use std::time::Duration;

use creel_tests::wait::{eventually, eventually_some};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};

use crate::fixture::{SOON, Stage};
use crate::station::Station;

/// Three starts that fail by their configuration, and the pauses between them.
const GIVING_UP: Duration = Duration::from_secs(60);

/// The real gateway starts within half a minute, unless the machine does much else.
const REAL: Duration = Duration::from_secs(240);

/// Gives the host's configuration a gateway on a port of its own, as tests run side by side.
pub fn give_gateway(station: &Station, gateway: &Value) -> u16 {
    let port = creel_local::ports::free_port().expect("a port is free");
    let mut config = json!({ "gateway": gateway, "agents": { "entries": {} } });
    config["gateway"]["port"] = json!(port);
    let path = station.home.openclaw_state().join("openclaw.json");
    fs::write(path, config.to_string()).expect("write the configuration");
    port
}

pub fn whole() -> Value {
    json!({ "mode": "local", "bind": "loopback", "auth": { "mode": "token", "token": "t0ken" } })
}

/// What `/readyz` says of the gateway.
async fn gateway(station: &Station) -> Value {
    let page = station.page("/readyz").await;
    let text = page.map(|(_, text)| text).unwrap_or_default();
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    body["gateway"].clone()
}

/// Waits until the gateway stands so.
pub async fn until(station: &Station, state: &str, limit: Duration) -> Value {
    eventually_some(&format!("the gateway is {state}"), limit, async || {
        Some(gateway(station).await).filter(|view| view["state"] == state)
    })
    .await
}

pub fn pid(view: &Value) -> Pid {
    let pid = view["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    pid.and_then(Pid::from_raw)
        .unwrap_or_else(|| panic!("a process: {view}"))
}

async fn events(stage: &Stage) -> Vec<String> {
    let rows = stage
        .admin
        .query(
            "select kind from events where project_id is null order by id",
            &[],
        )
        .await;
    rows.expect("read the events")
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[tokio::test]
async fn the_gateway_is_restarted_when_it_dies_and_found_when_the_worker_dies() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let port = give_gateway(&station, &whole());
    let setup = station
        .setup()
        .env("CREEL_KEEP_GATEWAY", "true")
        .allow("the gateway failed: it was ended by signal 9");
    let mut worker = station.started_with(&setup).await;
    let first = until(&station, "ready", SOON).await;
    assert_eq!(first["port"], json!(port));
    kill_process(pid(&first), Signal::KILL).expect("kill the gateway");
    let second = eventually_some("another gateway is ready", SOON, async || {
        Some(gateway(&station).await).filter(|view| view["state"] == "ready" && view["pid"] != first["pid"])
    })
    .await;

    eventually("what happened is told", SOON, async || {
        events(&stage).await == ["gateway.started", "gateway.failed", "gateway.started"]
    })
    .await;

    worker.kill9().expect("kill the worker");
    assert!(test_kill_process(pid(&second)).is_ok(), "it outlives the worker");
    let mut worker = station.started_with(&setup).await;
    assert_eq!(until(&station, "ready", SOON).await["pid"], second["pid"]);
    worker.term();
    worker.wait(SOON).await.expect("it ends");
    assert!(
        test_kill_process(pid(&second)).is_ok(),
        "it outlives a worker that is stopped, too"
    );
    let worker = station.started_with(&setup).await;
    assert_eq!(until(&station, "ready", SOON).await["pid"], second["pid"]);

    // A page sees it, and its agents are served.
    let request = stage.request("agent:scout:main").await;
    assert_eq!(stage.done(request).await["result"]["served"], json!(true));
    eventually("the host tells of its gateway", SOON, async || {
        let told = "select count(*) from hosts where runtime #>> '{openclaw,gateway,state}' = 'ready'";
        stage.count(told).await == 1
    })
    .await;
    let (_, metrics) = station.page("/metrics").await.expect("it answers");
    assert!(metrics.contains("creel_gateway_ready 1"), "{metrics}");
    drop(worker);
}

#[tokio::test]
async fn agents_are_told_down_and_up_with_their_gateway() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    give_gateway(&station, &whole());
    let setup = station
        .setup()
        .env("CREEL_KEEP_GATEWAY", "true")
        .allow("the gateway failed");
    let _worker = station.started_with(&setup).await;
    let view = until(&station, "ready", SOON).await;
    let request = stage.request(crate::fixture::SCOUT).await;
    stage.done(request).await;
    assert_eq!(stage.agent(request).await["status"], json!("running"));
    station.set_faults(&json!({ "gateway": { "mode": "exit", "code": 1, "times": 3 } }));
    kill_process(pid(&view), Signal::KILL).expect("kill the gateway");
    for status in ["stopped", "running"] {
        eventually(&format!("the agent is {status}"), SOON, async || {
            stage.agent(request).await["status"] == json!(status)
        })
        .await;
    }
}

#[tokio::test]
async fn the_gateway_of_somebody_else_is_left_alone() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    give_gateway(&station, &whole());
    let other = stage.station().await;
    let config = fs::read(station.home.openclaw_state().join("openclaw.json")).expect("read it");
    fs::write(other.home.openclaw_state().join("openclaw.json"), config).expect("write it");
    let keeps = |station: &Station| station.setup().env("CREEL_KEEP_GATEWAY", "true");
    let _theirs = station.started_with(&keeps(&station)).await;
    until(&station, "ready", SOON).await;

    let ours = keeps(&other).allow("works with another configuration");
    let _ours = other.started_with(&ours).await;
    let view = until(&other, "somebody_elses", SOON).await;
    assert_eq!((&view["ready"], &view["pid"]), (&json!(true), &Value::Null));
    assert_eq!(other.calls_of("gateway"), 0);
}

#[tokio::test]
async fn a_worker_that_is_not_asked_keeps_no_gateway() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    give_gateway(&station, &whole());
    let _worker = station.started().await;
    let body = station.readyz(200).await;
    assert_eq!(body["gateway"], Value::Null);
    assert_eq!(station.calls_of("gateway"), 0);
}

#[tokio::test]
async fn a_gateway_that_cannot_start_is_given_up_visibly_until_its_configuration_changes() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    give_gateway(&station, &json!({ "auth": { "token": "t0ken" } }));
    let setup = station
        .setup()
        .env("CREEL_KEEP_GATEWAY", "true")
        .allow("the gateway failed");
    let _worker = station.started_with(&setup).await;
    let view = until(&station, "given_up", GIVING_UP).await;
    assert!(view["reason"].to_string().contains("gateway.log"), "{view}");
    let log = fs::read_to_string(station.home.data().join("gateway.log")).expect("there is a log");
    assert!(log.contains("missing gateway.mode"), "{log}");
    eventually("it is told", SOON, async || {
        events(&stage)
            .await
            .last()
            .is_some_and(|kind| kind == "gateway.given_up")
    })
    .await;
    let starts = station.calls_of("gateway");

    give_gateway(&station, &whole());
    until(&station, "ready", SOON).await;
    assert_eq!(station.calls_of("gateway"), starts + 1);
}

#[tokio::test]
async fn real_openclaw_gateway_outlives_its_worker_and_is_restarted_when_it_dies() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let mut setup = station
        .setup()
        .env("CREEL_KEEP_GATEWAY", "true")
        .allow("the gateway failed: it");
    setup.openclaw = creel_tests::cluster::tools()
        .own_openclaw()
        .await
        .expect("find OpenClaw");
    // There is no configuration yet: the worker makes one with a gateway.
    let mut worker = station.started_with(&setup).await;
    let first = until(&station, "ready", REAL).await;
    worker.kill9().expect("kill the worker");
    let worker = station.started_with(&setup).await;
    assert_eq!(until(&station, "ready", REAL).await["pid"], first["pid"]);
    kill_process(pid(&first), Signal::KILL).expect("kill the gateway");
    let second = eventually_some("another gateway is ready", REAL, async || {
        Some(gateway(&station).await).filter(|view| view["state"] == "ready" && view["pid"] != first["pid"])
    })
    .await;
    assert_eq!(second["port"], first["port"]);
    drop(worker);
}
