//! A canary on the real OpenClaw: its turn goes through the agent's own gateway to a stand-in for a model, and nothing of it
//! stays with the agent.
//! CREEL_TEST_OPENCLAW names OpenClaw's executable; without it this says so and passes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_local::model::{Manner, StandInModel};
use creel_local::process;
use creel_tests::wait::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::canaries::ASK_STOPPED;
use crate::fixture::Stage;
use crate::mirror::say;
use crate::own_gateway::Agent;

/// A start takes half a minute on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(240);

/// A first turn takes ten seconds.
const TURN_LIMIT: Duration = Duration::from_secs(120);

/// What OpenClaw knows of the conversation in which a canary was asked; null when it is forgotten.
async fn conversation(program: &Path, state: &Path, canary: &Value) -> Value {
    let id: Uuid = canary["id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    let key = format!("agent:scout:dashboard:incognito-creel-canary-{}-1", id.simple());
    let mut command = process::command(program);
    command
        .args(["gateway", "call", "sessions.describe", "--json", "--params"])
        .arg(json!({ "key": key }).to_string())
        .env("OPENCLAW_STATE_DIR", state)
        .env("OPENCLAW_CONFIG_PATH", state.join("openclaw.json"));
    let said = process::run(&mut command, TURN_LIMIT)
        .await
        .expect("describe a conversation");
    let begin = said.find('{').expect("an object");
    let described: Value = serde_json::from_str(&said[begin..]).expect("read what it said");
    described.get("session").expect("a conversation or none").clone()
}

/// The files below a folder that name a canary, or that OpenClaw keeps as the archive of a conversation.
fn files_of_conversations(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What was never needed is not there.
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("list a folder").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = fs::read(&path).expect("read a file");
            let content = String::from_utf8_lossy(&content);
            if path.to_string_lossy().contains(".jsonl")
                || content.contains("creel-canary")
                || content.contains("This is an automatic check")
            {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn the_real_gateway_answers_a_canary_and_keeps_nothing_of_it() {
    let Some(program) = std::env::var_os("CREEL_TEST_OPENCLAW").map(PathBuf::from) else {
        say("skipped: CREEL_TEST_OPENCLAW does not name an OpenClaw");
        return;
    };
    let model = StandInModel::start_as(Manner::WordsReversed)
        .await
        .expect("a model");
    let stage = Stage::new().await;
    let station = stage.station().await;
    let base = station.home.path().join("base.json");
    fs::write(&base, model.profile_base().to_string()).expect("write");
    let mut setup = station
        .agents_setup()
        .env("CREEL_PROFILE_BASE", base.to_string_lossy())
        .allow("failed agent_canaries");
    setup.openclaw = program.clone();
    let _worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    let deploy = agent.send("deploy", json!({})).await;
    eventually("it is deployed", START_LIMIT, async || {
        let row = agent.command(deploy).await;
        assert_ne!(row["status"], json!("failed"), "{row:#}");
        row["status"] == json!("acked")
    })
    .await;
    stage.run("update agents set billing = 'paid'").await;
    let folder = station.home.data().join("agents").join(agent.id.to_string());

    let answered = stage.asks_within(TURN_LIMIT).await;
    assert_eq!(answered["status"], json!("done"), "{answered:#}");
    let challenge = answered["challenge"].as_str().expect("a challenge");
    assert!(model.was_told(challenge), "the agent's own model was asked");
    assert_eq!(stage.outages().await, json!([]));

    // A good answer, and a bill that nobody paid: nothing of either stays in the agent's conversations and memory.
    model.behave(Manner::Failing(402));
    let failed = stage.asks_within(TURN_LIMIT).await;
    assert_eq!(failed["fault"], json!("model"), "{failed:#}");
    assert_eq!(failed["result"]["error"]["code"], json!("model_failed"));
    assert_eq!(stage.outages().await, json!([]), "it is a doubt");
    let doubts = "select doubts::bigint from creel.canary_plans";
    assert_eq!(stage.count(doubts).await, 1);
    for canary in [&answered, &failed] {
        eventually(
            "OpenClaw has forgotten the conversation",
            TURN_LIMIT,
            async || {
                conversation(&program, &folder.join("state"), canary)
                    .await
                    .is_null()
            },
        )
        .await;
    }
    let kept: Vec<PathBuf> = [folder.join("state/agents"), folder.join("workspace")]
        .iter()
        .flat_map(|folder| files_of_conversations(folder))
        .collect();
    assert_eq!(kept, Vec::<PathBuf>::new());

    // Asked all the same, the host says that it is not there.
    let stop = agent.send("stop", json!({})).await;
    eventually("it is stopped", START_LIMIT, async || {
        agent.command(stop).await["status"] == json!("acked")
    })
    .await;
    stage.run(ASK_STOPPED).await;
    let failed = stage.asks_within(TURN_LIMIT).await;
    assert_eq!(failed["fault"], json!("error"), "{failed:#}");
    assert_eq!(failed["result"]["error"]["code"], json!("gateway_unavailable"));

    let undeployed = agent.send("undeploy", json!({})).await;
    eventually("it is undeployed", START_LIMIT, async || {
        agent.command(undeployed).await["status"] == json!("acked")
    })
    .await;
}
