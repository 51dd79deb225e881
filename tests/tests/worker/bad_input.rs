//! An OpenClaw that does not work: the row says what is wrong and what to do, and no process is left.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{Station, attempts};

/// What hangs is stopped after this many seconds, in place of the minute and a half of the product.
const TIMEOUT_SECS: &str = "1";

/// Two attempts of the longest kind: the time limit, two seconds between SIGTERM and SIGKILL, and the
/// pause between them; and a machine that does much else.
const TWO_ATTEMPTS: Duration = Duration::from_secs(40);

/// One request with an OpenClaw that fails so each time; answers the error on the row.
async fn error_with(faults: &Value, expected_attempts: &[u64]) -> (Value, Station) {
    let stage = Stage::new().await;
    stage.set_attempts(2).await;
    let station = stage.station().await;
    station.set_faults(faults);
    let mut setup = station.setup().env("CREEL_OPENCLAW_TIMEOUT_SECS", TIMEOUT_SECS);
    for said in [
        "failed agent_provision_requests",
        "failed to find a usable OpenClaw",
    ] {
        setup = setup.allow(said);
    }
    let mut worker = station.start_with(&setup);
    let id = stage.request(SCOUT).await;
    let error = stage.failed(id, TWO_ATTEMPTS).await;
    assert_eq!(attempts(&worker), expected_attempts);
    station.is_quiet().await;
    assert_eq!(stage.count("select count(*) from creel.dead_letters").await, 1);
    let agent = stage.agent(id).await;
    assert_eq!(
        (&agent["status"], &agent["provisioned"]),
        (&json!("error"), &json!(false))
    );
    assert!(worker.is_running());
    (error, station)
}

#[tokio::test]
async fn a_missing_openclaw_is_named() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let mut setup = station.setup();
    setup.openclaw = station.home.path().join("no-such-openclaw");
    for said in [
        "failed agent_provision_requests",
        "failed to find a usable OpenClaw",
    ] {
        setup = setup.allow(said);
    }
    let _worker = station.start_with(&setup);
    let id = stage.request(SCOUT).await;
    let error = stage.failed(id, SOON).await;
    assert_eq!(error["code"], json!("openclaw_missing"));
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("no-such-openclaw"))
            && error["hint"]
                .as_str()
                .is_some_and(|text| text.contains("npm install -g openclaw")),
        "{error}"
    );
}

#[tokio::test]
async fn an_old_openclaw_is_told_from_a_new_one() {
    let (error, station) = error_with(&json!({ "version": { "mode": "too_old" } }), &[1]).await;
    assert_eq!(error["code"], json!("openclaw_too_old"));
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("2025.12.31")),
        "{error}"
    );
    assert_eq!(station.calls_of("add"), 0, "nothing is begun with it");
}

#[tokio::test]
async fn a_hanging_openclaw_is_stopped_within_its_limit() {
    for (command, mode) in [
        ("add", "hang"),
        ("version", "hang"),
        ("set-identity", "hang_with_child"),
    ] {
        let (error, _) = error_with(&json!({ command: { "mode": mode } }), &[1, 2]).await;
        assert_eq!(error["code"], json!("openclaw_timed_out"), "{command} {mode}");
    }
}

#[tokio::test]
async fn a_hanging_openclaw_that_resists_is_killed_with_all_that_it_started() {
    for mode in ["hang_ignoring_term", "hang_with_stray"] {
        let (error, _) = error_with(&json!({ "add": { "mode": mode } }), &[1, 2]).await;
        assert_eq!(error["code"], json!("openclaw_timed_out"), "{mode}");
    }
}

#[tokio::test]
async fn an_openclaw_that_fails_is_quoted() {
    let (error, _) = error_with(&json!({ "add": { "mode": "exit_1" } }), &[1, 2]).await;
    assert_eq!(error["code"], json!("openclaw_failed"));
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("The stand-in was told to fail.")),
        "{error}"
    );
}

#[tokio::test]
async fn a_killed_openclaw_is_told_from_a_failed_one() {
    let (error, _) = error_with(&json!({ "set-identity": { "mode": "kill_self" } }), &[1, 2]).await;
    assert_eq!(error["code"], json!("openclaw_killed"));
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error() {
    let (error, _) = error_with(&json!({ "add": { "mode": "garbage" } }), &[1, 2]).await;
    assert_eq!(error["code"], json!("openclaw_unreadable"));
}

#[tokio::test]
async fn text_before_the_json_does_no_harm() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let noise = json!({ "mode": "noise" });
    station.set_faults(&json!({ "version": noise, "add": noise, "set-identity": noise, "list": noise }));
    let worker = station.start();
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    assert_eq!(attempts(&worker), [1]);
}

#[tokio::test]
async fn an_openclaw_that_is_killed_after_its_work_is_not_asked_for_it_again() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    station.set_faults(&json!({ "add": { "mode": "half_done_then_kill_self", "times": 1 } }));
    let worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    assert_eq!(attempts(&worker), [1, 2]);
    assert_eq!(station.calls_of("add"), 1);
}

#[tokio::test]
async fn an_agent_that_somebody_else_made_is_left_alone() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let config = json!({ "agents": { "entries": { "scout": { "workspace": "/elsewhere", "identity": { "name": "Mine" } } } } });
    let path = station.home.openclaw_state().join("openclaw.json");
    std::fs::write(&path, config.to_string()).expect("write the configuration");
    let _worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    let id = stage.request(SCOUT).await;
    let error = stage.failed(id, SOON).await;
    assert_eq!(error["code"], json!("agent_exists"));
    assert_eq!(
        json!(station.agents()),
        config["agents"]["entries"],
        "it is as it was"
    );
    assert_eq!(station.calls_of("set-identity"), 0);
}
