//! The whole way on the real OpenClaw: what another process writes into MEMORY.md is a version soon, what a page writes is
//! on the disk soon, and the agent's next turn has it in its prompt, as a stand-in for a model receives it.
//! CREEL_TEST_OPENCLAW names OpenClaw's executable; without it this says so and passes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use creel_local::model::StandInModel;
use creel_local::process;
use creel_tests::postgrest::Rest;
use creel_tests::wait::{eventually, eventually_some};
use serde_json::{Value, json};

use crate::fixture::Stage;
use crate::mirror::say;
use crate::own_gateway::Agent;

/// A start takes half a minute on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(240);

/// A first turn takes ten seconds.
const TURN_LIMIT: Duration = Duration::from_secs(120);

/// A run of Node that only talks to loopback is done long before.
const NODE_LIMIT: Duration = Duration::from_secs(60);

/// What is promised is a second; a machine that runs other tests besides takes longer.
const SYNC_LIMIT: Duration = Duration::from_secs(10);

async fn doc(agent: &Agent<'_>, doc_type: &str) -> Value {
    let row = agent
        .stage
        .admin
        .query_opt(
            "select to_jsonb(d) from brain_docs d where agent_key = $1 and doc_type = $2",
            &[&agent.key, &doc_type],
        )
        .await
        .expect("read a row");
    row.map_or(Value::Null, |row| row.get(0))
}

/// Adds a line to the page's MEMORY.md, as the owner's page does by the published supabase-js.
async fn edit_as_page(rest: &Rest, agent: &Agent<'_>, line: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/js");
    let mut command = process::command(format!("{folder}/node_modules/node/bin/node"));
    command
        .arg(format!("{folder}/edit.mjs"))
        .env("SUPABASE_URL", rest.url())
        .env("SUPABASE_PUBLISHABLE_KEY", rest.publishable_key())
        .env("TOKEN", &agent.stage.owner.jwt)
        .env("PROJECT", &agent.stage.project)
        .env("AGENT_KEY", &agent.key)
        .env("LINE", line);
    let said = process::run(&mut command, NODE_LIMIT)
        .await
        .expect("edit the page");
    serde_json::from_str(said.trim()).expect("read what came of it")
}

/// Lets the agent answer once.
async fn turn(agent: &Agent<'_>, state: &Path, port: u64) {
    let text = fs::read_to_string(state).expect("read the agent's configuration");
    let config: Value = serde_json::from_str(&text).expect("it is JSON");
    let token = config["gateway"]["auth"]["token"].as_str().expect("a token");
    let short = agent.key.trim_start_matches("agent:").trim_end_matches(":main");
    let request = json!({
        "model": format!("openclaw/{short}"), "messages": [{ "role": "user", "content": "Are you there?" }],
    });
    let asked = creel_local::gateway::http::client()
        .expect("a client")
        .post(format!("http://127.0.0.1:{port}/v1/chat/completions"))
        .bearer_auth(token)
        .timeout(TURN_LIMIT)
        .json(&request)
        .send()
        .await
        .expect("ask the agent");
    assert!(asked.status().is_success(), "{:?}", asked.text().await);
}

#[tokio::test]
async fn words_go_both_ways_and_the_next_turn_has_them() {
    let Some(program) = std::env::var_os("CREEL_TEST_OPENCLAW").map(PathBuf::from) else {
        say("skipped: CREEL_TEST_OPENCLAW does not name an OpenClaw");
        return;
    };
    let model = StandInModel::start().await.expect("a model");
    let stage = Stage::new().await;
    let station = stage.station().await;
    let base = station.home.path().join("base.json");
    fs::write(&base, model.profile_base().to_string()).expect("write");
    let mut setup = station
        .agents_setup()
        .env("CREEL_PROFILE_BASE", base.to_string_lossy());
    setup.openclaw = program;
    let _worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    let deploy = agent.send("deploy", json!({})).await;
    let deployed = eventually_some("it is deployed", START_LIMIT, async || {
        let row = agent.command(deploy).await;
        assert_ne!(row["status"], json!("failed"), "{row:#}");
        (row["status"] == json!("acked")).then(|| row["result"].clone())
    })
    .await;
    let port = deployed["port"].as_u64().expect("a port");
    let workspace = PathBuf::from(deployed["workspace"].as_str().expect("a workspace"));
    let folder = station.home.data().join("agents").join(agent.id.to_string());
    let state = folder.join("state/openclaw.json");
    eventually("all documents are on both sides", START_LIMIT, async || {
        let waiting = "select count(*) from brain_docs where sync_state <> 'synced' or disk_at is null";
        stage.count(waiting).await == 0 && doc(&agent, "memory_long").await["version"].is_number()
    })
    .await;

    // Another process appends a line.
    let memory = workspace.join("MEMORY.md");
    let before = doc(&agent, "memory_long").await["version"]
        .as_i64()
        .expect("a version");
    let began = Instant::now();
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().append(true).open(&memory).expect("open");
    file.write_all(b"\n- The lighthouse blinks thrice.\n")
        .expect("append");
    drop(file);
    eventually("the line is a version", SYNC_LIMIT, async || {
        let row = doc(&agent, "memory_long").await;
        row["content"]
            .as_str()
            .is_some_and(|text| text.contains("blinks thrice"))
            && row["version"].as_i64() == Some(before + 1)
    })
    .await;
    let to_row = began.elapsed();
    turn(&agent, &state, port).await;
    assert!(model.was_told("The lighthouse blinks thrice."));

    // A person edits the page.
    let rest = stage.db.rest().await.expect("start the Data API");
    let written = edit_as_page(&rest, &agent, "- The harbour master is called Ada.").await;
    assert_eq!(written["ok"], json!(true), "{written}");
    let text = written["content"].as_str().expect("what was written");
    eventually("the line is on the disk", SYNC_LIMIT, async || {
        fs::read_to_string(&memory).is_ok_and(|on_disk| on_disk == text)
    })
    .await;
    let began = Duration::from_millis(written["began"].as_u64().expect("when it began"));
    let to_disk = SystemTime::now()
        .duration_since(UNIX_EPOCH + began)
        .expect("a clock that goes forward");
    turn(&agent, &state, port).await;
    assert!(model.was_told("The harbour master is called Ada."));
    say(&format!("to the row {to_row:?}, to the disk {to_disk:?}"));
    // OpenClaw makes the files that it misses with the first turn. Its own words are a template's and nobody's.
    eventually("what OpenClaw made is mirrored", SYNC_LIMIT, async || {
        doc(&agent, "agents").await["sync_state"] == json!("synced") || !workspace.join("AGENTS.md").exists()
    })
    .await;
    let held = "select count(*) from events where kind in ('doc.held', 'doc.conflict', 'doc.blocked')";
    assert_eq!(stage.count(held).await, 0);
    let undeployed = agent.send("undeploy", json!({})).await;
    eventually("it is undeployed", START_LIMIT, async || {
        agent.command(undeployed).await["status"] == json!("acked")
    })
    .await;
}
