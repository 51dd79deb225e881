//! An agent that is given another backend: its files go with it, it is in one place in the end, and nothing is lost on
//! the way.

use std::fs;
use std::path::PathBuf;

use creel_tests::wait::eventually;
use creel_tests::worker::WorkerSetup;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{SOON, Stage};
use crate::own_gateway::{Agent, steps};
use crate::station::{LEFT_OVERS, Station};

const COMMANDS: &str = "agent_commands";

/// What the agent wrote that nobody else has.
const WORDS: &str = "what nobody else knows";

/// A worker that keeps the host's gateway running, and may start others.
fn setup(station: &Station) -> WorkerSetup {
    let port = creel_local::ports::free_port().expect("a port is free");
    let config = json!({
        "gateway": {
            "mode": "local", "bind": "loopback", "port": port,
            "auth": { "mode": "token", "token": "0123456789abcdef0123456789abcdef" },
        },
        "agents": { "entries": {} },
    });
    let path = station.home.openclaw_state().join("openclaw.json");
    fs::write(path, config.to_string()).expect("write the configuration");
    station
        .agents_setup()
        .env("CREEL_KEEP_GATEWAY", "true")
        .allow(LEFT_OVERS)
}

/// An agent that runs in a backend, and has written something.
async fn at_home<'a>(stage: &'a Stage, station: &'a Station, backend: &str) -> Agent<'a> {
    let agent = Agent::new(stage, station, "scout").await;
    stage
        .run(&format!("update agents set backend = '{backend}'"))
        .await;
    let deployed = agent.does("deploy", json!({})).await;
    assert_eq!(deployed["state"], json!("running"), "{deployed:#}");
    fs::write(workspace(&agent, backend).join("memory/today.md"), WORDS).expect("it writes");
    agent
}

fn workspace(agent: &Agent<'_>, backend: &str) -> PathBuf {
    match backend {
        "shared" => agent.station.workspace("scout"),
        _ => agent.folder().join("workspace"),
    }
}

/// What a member does on the page; answers the command that comes of it.
async fn moves(agent: &Agent<'_>, to: &str) -> Uuid {
    let sql = format!(
        "with moved as (update agents set backend = '{to}' where id = '{}' returning id) select to_jsonb(count(*)) from moved",
        agent.id
    );
    agent.stage.ask_as_owner(&sql).await;
    let newest = "select id from agent_commands where type = 'deploy' order by created_at desc limit 1";
    agent
        .stage
        .admin
        .query_one(newest, &[])
        .await
        .expect("a command")
        .get(0)
}

/// It runs in this backend, with all that it wrote, and in no other.
async fn assert_lives_in(agent: &Agent<'_>, backend: &str) {
    let words = fs::read_to_string(workspace(agent, backend).join("memory/today.md"));
    assert_eq!(words.expect("its words are there"), WORDS);
    let row = agent.row().await;
    assert_eq!(
        (&row["status"], &row["provisioned"]),
        (&json!("running"), &json!(true)),
        "{row:#}"
    );
    let known = workspace(agent, backend).canonicalize().expect("it is there");
    assert_eq!(row["workspace_path"], json!(known), "{row:#}");
    let in_shared = agent.station.agents().contains_key("scout");
    match backend {
        "shared" => {
            assert!(in_shared && !agent.folder().exists());
            assert_eq!(row["port"], Value::Null);
        }
        _ => {
            assert!(!in_shared && !agent.station.workspace("scout").exists());
            assert!(
                agent.answers(row["port"].as_u64().unwrap_or_default()).await,
                "{row:#}"
            );
            assert_eq!(agent.starts(), 1, "it is started once");
        }
    }
}

#[tokio::test]
async fn an_agent_takes_its_files_to_another_backend_and_back() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.started_with(&setup(&station)).await;
    let agent = at_home(&stage, &station, "shared").await;
    for to in ["profile", "shared"] {
        let moved = agent.acked(moves(&agent, to).await).await;
        assert_eq!(
            steps(&moved),
            [
                "validate",
                "stop_previous",
                "take_over",
                "deploy",
                "undeploy_previous",
                "record",
                "start",
                "verify"
            ]
        );
        let archive = moved["previous_archive"].as_str().expect("an archive");
        assert!(
            fs::metadata(archive).is_ok_and(|file| file.len() > 0),
            "{archive}"
        );
        assert_lives_in(&agent, to).await;
    }
}

#[tokio::test]
async fn a_move_that_died_is_made_by_the_next_command() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let setup = setup(&station).allow("failed agent_commands");
    let mut worker = station.started_with(&setup).await;
    let agent = at_home(&stage, &station, "profile").await;
    // Somebody else's folder is in the way.
    let theirs = station.workspace("scout");
    fs::create_dir_all(&theirs).expect("make a folder");
    fs::write(theirs.join("mine.md"), "mine").expect("write");
    let error = agent.failed(moves(&agent, "shared").await).await;
    assert_eq!(error["code"], json!("workspace_not_ours"), "{error}");
    agent.is("error").await;

    // A worker that compares what it has with what it should have leaves the files where they are.
    worker.kill9().expect("kill the worker");
    drop(worker);
    let _second = station.started_with(&setup).await;
    let words = workspace(&agent, "profile").join("memory/today.md");
    fs::rename(&theirs, theirs.with_extension("away")).expect("move it out of the way");
    assert_eq!(fs::read_to_string(&words).expect("its words"), WORDS);
    agent.does("start", json!({})).await;
    assert_lives_in(&agent, "shared").await;
}

#[tokio::test]
async fn one_that_is_removed_on_its_way_is_removed_everywhere() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let setup = setup(&station);
    let mut first = station.started_with(&setup).await;
    let agent = at_home(&stage, &station, "shared").await;
    let gate = stage
        .gate(COMMANDS, "update", &at_phase("undeploy_previous"))
        .await;
    moves(&agent, "profile").await;
    gate.arrived().await;
    first.kill9().expect("kill the worker");
    gate.turn_away().await;
    let undeploy = agent.send("undeploy", json!({})).await;
    gate.open().await;
    let _second = station.started_with(&setup).await;
    let removed = agent.acked(undeploy).await;
    assert!(
        removed["archive"].is_string() || removed["previous_archive"].is_string(),
        "{removed:#}"
    );
    assert!(!agent.folder().exists() && !station.workspace("scout").exists());
    assert!(!station.agents().contains_key("scout"));
}

fn at_phase(phase: &str) -> String {
    match phase {
        "claim" => {
            "new.status = 'sent' and old.status = 'pending' and new.payload ? 'previous_backend'".to_owned()
        }
        "finish" => "new.status = 'acked' and new.payload ? 'previous_backend'".to_owned(),
        step => format!(
            "new.status = 'sent' and new.payload ? 'previous_backend' and new.result ->> 'step' = '{step}'
               and old.result ->> 'step' is distinct from '{step}'"
        ),
    }
}

/// Kills a worker in a phase of a move: before that phase has begun, or (finish) after all of them.
async fn killed_at(from: &str, to: &str, phase: &str) {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let setup = setup(&station);
    let mut first = station.started_with(&setup).await;
    let agent = at_home(&stage, &station, from).await;
    let gate = stage.gate(COMMANDS, "update", &at_phase(phase)).await;
    let id = moves(&agent, to).await;
    gate.arrived().await;
    first.kill9().expect("kill the worker");
    gate.turn_away().await;
    gate.open().await;
    let _second = station.started_with(&setup).await;
    agent.acked(id).await;
    eventually("it says that it runs", SOON, async || {
        agent.row().await["status"] == json!("running")
    })
    .await;
    assert_lives_in(&agent, to).await;
}

macro_rules! killed {
    ($($name:ident: $from:literal to $to:literal)*) => {
        $(mod $name {
            killed!(@phases $from, $to; claim stop_previous take_over deploy undeploy_previous record start verify finish);
        })*
    };
    (@phases $from:literal, $to:literal; $($phase:ident)*) => {
        $(#[tokio::test]
        async fn $phase() {
            super::super::killed_at($from, $to, stringify!($phase)).await;
        })*
    };
}

mod killed_at {
    killed! {
        to_a_gateway_of_its_own: "shared" to "profile"
        to_the_shared_gateway: "profile" to "shared"
    }
}
