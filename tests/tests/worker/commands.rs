//! An agent with a gateway of its own is deployed, started, stopped, restarted, reconfigured and removed by rows.

use std::fs;

use creel_tests::wait::eventually;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::fixture::{SCOUT, SOON, Stage};
use crate::own_gateway::{Agent, pid, runs, steps};

#[tokio::test]
async fn an_agent_lives_by_rows_from_its_deployment_to_its_removal() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let _worker = station.started_with(&station.agents_setup()).await;
    let agent = Agent::new(&stage, &station, "scout").await;

    let deployed = agent.does("deploy", json!({})).await;
    assert_eq!(
        steps(&deployed),
        ["validate", "deploy", "record", "start", "verify"]
    );
    assert_eq!(deployed["state"], json!("running"));
    let row = agent.row().await;
    assert_eq!(
        (&row["status"], &row["provisioned"], &row["port"]),
        (&json!("running"), &json!(true), &deployed["port"])
    );
    let port = deployed["port"].as_u64().expect("a port");
    assert!(agent.answers(port).await && runs(pid(&deployed)));
    assert!(agent.file("SOUL.md").contains("Scout"));

    let stopped = agent.does("stop", json!({})).await;
    assert_eq!(stopped["state"], json!("stopped"));
    assert!(!agent.answers(port).await && !runs(pid(&deployed)));
    agent.is("stopped").await;

    let started = agent.does("start", json!({})).await;
    assert_eq!(
        (&started["state"], &started["port"]),
        (&json!("running"), &json!(port))
    );
    agent.is("running").await;

    let restarted = agent.does("restart", json!({})).await;
    assert_eq!(steps(&restarted), ["validate", "note", "stop", "start", "verify"]);
    assert_ne!(restarted["pid"], started["pid"]);
    assert!(agent.answers(port).await);

    let soul = "# I am Nora now\n";
    let change = json!({ "name": "Nora", "docs": { "soul": soul }, "limits": { "ram_mb": 4_000 } });
    let configured = agent.does("update_config", change).await;
    assert_eq!(configured["changed"], json!(true), "{configured}");
    assert_eq!(agent.file("SOUL.md"), soul);
    let config = fs::read_to_string(agent.folder().join("state/openclaw.json")).expect("read it");
    assert!(config.contains("Nora"), "{config}");
    assert!(agent.answers(port).await);

    let last = pid(&agent.does("start", json!({})).await);
    assert_eq!(agent.starts(), 3, "what runs is not started again");
    let removed = agent.does("undeploy", json!({})).await;
    assert_eq!(removed["state"], json!("removed"));
    assert!(!agent.folder().exists() && !runs(last) && !agent.answers(port).await);
    let archive = removed["archive"].as_str().expect("an archive");
    assert!(
        fs::metadata(archive).is_ok_and(|file| file.len() > 0),
        "{archive}"
    );
    let row = agent.row().await;
    assert_eq!(
        (&row["status"], &row["port"], &row["provisioned"]),
        (&json!("removed"), &Value::Null, &json!(false))
    );
    station.is_quiet().await;
}

#[tokio::test]
async fn a_deployment_of_what_stands_applies_what_changed_meanwhile() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.started_with(&station.agents_setup()).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    let first = agent.does("deploy", json!({})).await;
    // By somebody whose changes send no command.
    stage
        .run(
            "update agents set name = 'Nora', generation = generation + 1,
               config = '{\"thinking\": \"low\", \"channels\": {\"telegram\": {\"dmPolicy\": \"disabled\"}}}'",
        )
        .await;
    let generation = agent.row().await["generation"].clone();
    assert_ne!(first["generation"], generation);
    let again = agent.does("deploy", json!({})).await;
    assert_eq!(
        (&again["generation"], &again["pid"], &again["changed"]),
        (&generation, &first["pid"], &json!(true)),
        "{again:#}"
    );
    let config = fs::read_to_string(agent.folder().join("state/openclaw.json")).expect("read it");
    let config: Value = serde_json::from_str(&config).expect("it is whole");
    let entry = &config["agents"]["entries"]["scout"];
    assert_eq!(
        (&entry["identity"]["name"], &entry["thinkingDefault"]),
        (&json!("Nora"), &json!("low"))
    );
    assert_eq!(config["channels"]["telegram"]["dmPolicy"], json!("disabled"));
    let known = fs::read_to_string(agent.folder().join("agent.json")).expect("read it");
    let known: Value = serde_json::from_str(&known).expect("it is whole");
    assert_eq!(known["spec"]["generation"], generation);
}

#[tokio::test]
async fn a_stop_cancels_a_start_that_hangs_and_is_done_itself() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let setup = station.agents_setup().allow("before its end");
    let _worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    agent.does("deploy", json!({})).await;
    agent.does("stop", json!({})).await;
    agent.set_fault("gateway", &json!({ "mode": "slow_start", "ms": 3_600_000 }));
    let start = agent.send("start", json!({})).await;
    eventually("it is being started", SOON, async || agent.starts() == 2).await;

    let stop = agent.send("stop", json!({})).await;
    assert_eq!(agent.failed(start).await["code"], json!("superseded"));
    agent.acked(stop).await;
    agent.is("stopped").await;
    station.is_quiet().await;
    let dead = stage.count("select count(*) from creel.dead_letters").await;
    assert_eq!(dead, 0, "nobody must look at what was wanted so");
}

#[tokio::test]
async fn an_agent_that_ends_by_itself_is_started_again_and_that_is_told() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let setup = station.agents_setup().allow("ended by itself");
    let _worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    let first = pid(&agent.does("deploy", json!({})).await);
    kill_process(first, Signal::KILL).expect("kill the gateway");
    let told = agent.told("agent.crashed").await;
    assert!(
        told["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
        "{told}"
    );
    assert_eq!(agent.told("agent.restarted").await["restarts"], json!(1));
    agent.is("running").await;
    assert_eq!(agent.starts(), 2);
    eventually("what it uses is told", SOON, async || {
        let sql = "select count(*) from agent_metrics where ram_mb > 0 and restarts = 1 and pid > 0";
        stage.count(sql).await == 1
    })
    .await;
}

#[tokio::test]
async fn agents_outlive_their_worker_however_it_ends() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let setup = station.agents_setup();
    let mut worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    let deployed = agent.does("deploy", json!({})).await;
    worker.kill9().expect("kill the worker");
    let mut worker = station.started_with(&setup).await;
    let found = agent.does("start", json!({})).await;
    assert_eq!(found["pid"], deployed["pid"]);
    worker.term();
    worker.wait(SOON).await.expect("it ends");
    assert!(runs(pid(&deployed)));
    let _worker = station.started_with(&setup).await;
    assert_eq!(agent.does("start", json!({})).await["pid"], deployed["pid"]);
    assert_eq!(agent.starts(), 1);
}

#[tokio::test]
async fn what_is_another_hosts_by_now_is_stopped_and_kept_as_an_archive() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let setup = station
        .agents_setup()
        .allow("not this host's any more")
        .allow("is not on this host");
    let mut worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    let stays = Agent::new(&stage, &station, "stays").await;
    let deployed = agent.does("deploy", json!({})).await;
    let other = stays.does("deploy", json!({})).await;
    worker.kill9().expect("kill the worker");
    stage
        .run(&format!(
            "update agents set host_id = null, provisioned = false, desired_state = 'stopped' where id = '{}'",
            agent.id
        ))
        .await;
    let _worker = station.started_with(&setup).await;
    eventually("it is taken away", SOON, async || {
        !runs(pid(&deployed)) && !agent.folder().exists()
    })
    .await;
    let archives = walk(&station.home.data());
    let kept = archives.iter().any(|path| path.ends_with(".tar.gz"));
    assert!(kept, "{archives:?}");
    assert!(runs(pid(&other)), "a neighbour is untouched");
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => walk(&path),
            path => vec![path.to_string_lossy().into_owned()],
        })
        .collect()
}

#[tokio::test]
async fn a_row_that_is_deleted_in_an_editor_of_tables_leaves_its_id_to_the_next() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.started().await;
    for round in 0..2 {
        let id = stage.request(SCOUT).await;
        stage.done(id).await;
        assert_eq!(stage.count("select count(*) from agents").await, 1, "{round}");
        stage.run("delete from agents").await;
        eventually("the row is gone", SOON, async || {
            stage.count("select count(*) from agents").await == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_row_that_is_deleted_is_an_agent_that_is_undeployed() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.started_with(&station.agents_setup()).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    let deployed = agent.does("deploy", json!({})).await;
    let sql = format!(
        "with gone as (delete from agents where id = '{}' returning id) select to_jsonb(count(*)) from gone",
        agent.id
    );
    stage.ask_as_owner(&sql).await;
    eventually("the row is gone", SOON, async || agent.row().await.is_null()).await;
    assert!(!runs(pid(&deployed)) && !agent.folder().exists());
    station.is_quiet().await;
}

#[tokio::test]
async fn a_provision_request_of_such_an_agent_deploys_it() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.started_with(&station.agents_setup()).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    let request = stage.request(&agent.key).await;
    let row = stage.done(request).await;
    assert_eq!(
        (&row["result"]["openclaw_id"], &row["result"]["served"]),
        (&json!("scout"), &json!(true))
    );
    let row = agent.row().await;
    assert_eq!(
        (&row["status"], &row["provisioned"]),
        (&json!("running"), &json!(true))
    );
    let port = row["port"].as_u64().unwrap_or_default();
    assert!(agent.answers(port).await, "{row}");
}

#[tokio::test]
async fn a_start_that_cannot_succeed_is_an_error_and_is_not_tried_behind_the_scenes() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let setup = station
        .agents_setup()
        .env("CREEL_AGENT_MEMORY_MB", "90000000")
        .allow("failed agent_commands");
    let _worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    let deploy = agent.send("deploy", json!({})).await;
    let error = agent.failed(deploy).await;
    assert_eq!(error["code"], json!("host_memory_full"), "{error}");
    agent.is("error").await;
    eventually("it is told what to do", SOON, async || {
        let sql = "select count(*) from agent_status where state = 'error' and note like '%memory%'";
        stage.count(sql).await == 1
    })
    .await;
    assert_eq!(agent.starts(), 0);
    agent.does("undeploy", json!({})).await;
}
