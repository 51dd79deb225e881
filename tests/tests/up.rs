//! `creel up` on the real parts, OpenClaw among them: the README's first command.
#![allow(missing_docs, reason = "tests are promises; their names say what they hold")]

use std::path::Path;

use creel_local::process;
use creel_tests::cluster::tools;
use creel_tests::up::{ONE_AGENT, START, STOP, Up, agents_in, creel, ready_gateway, state_folder};
use creel_tests::wait::eventually;
use rustix::process::Signal;
use serde_json::{Value, json};

fn assert_files_are_there(workspace: &str) {
    for file in ["SOUL.md", "USER.md", "MEMORY.md"] {
        let text = std::fs::read_to_string(Path::new(workspace).join(file)).expect(file);
        assert!(!text.trim().is_empty(), "{file} says something");
    }
    assert!(Path::new(workspace).join("memory").is_dir());
}

/// What still runs with something of this folder on its command line, in its environment or its working directory.
fn left_over(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy();
    let mut system = sysinfo::System::new().expect("read the process table");
    let everything = sysinfo::ProcessRefreshKind::everything();
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::All, true, everything);
    let runs = system.processes().values().filter(|p| {
        let mut words = p.cmd().iter().chain(p.environ());
        words.any(|word| word.to_string_lossy().contains(&*folder))
            || p.cwd()
                .is_some_and(|cwd| cwd.to_string_lossy().contains(&*folder))
    });
    runs.map(|p| format!("{} {:?}", p.pid(), p.cmd())).collect()
}

#[tokio::test]
async fn real_openclaw_once_makes_one_agent_and_leaves_nothing_running() {
    let state = state_folder().await;
    let mut once = creel();
    once.args(["up", "--once", "--json", "--state-dir"])
        .arg(state.path());
    let said = process::run(&mut once, ONE_AGENT + START)
        .await
        .expect("creel up --once --json");
    let last: Value = serde_json::from_str(said.lines().last().expect("a last line")).expect("an object");
    let text = |key: &str| {
        last[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key} in {last}"))
            .to_owned()
    };
    assert!(
        last["steps"]
            .as_array()
            .expect("steps")
            .iter()
            .all(|s| s["name"].is_string() && s["ms"].is_number())
    );

    let agents = agents_in(&text("openclaw"), &text("state_dir")).await;
    let agent = agents
        .as_array()
        .expect("agents")
        .iter()
        .find(|a| a["id"] == last["agent_id"]);
    let agent = agent.unwrap_or_else(|| panic!("{} in {agents}", last["agent_id"]));
    assert_eq!(agent["workspace"], last["workspace"]);
    assert_eq!(
        (&agent["identityName"], &agent["identityEmoji"]),
        (&json!("Scout"), &json!("🦞"))
    );
    assert_files_are_there(&text("workspace"));
    assert_eq!(left_over(state.path()), Vec::<String>::new());
}

#[tokio::test]
async fn real_openclaw_once_paid_runs_what_is_paid_for_and_leaves_nothing_running() {
    let state = state_folder().await;
    let mut once = creel();
    once.args(["up", "--once", "--paid", "--json", "--state-dir"])
        .arg(state.path());
    let said = process::run(&mut once, 2 * ONE_AGENT + START)
        .await
        .expect("creel up --once --paid --json");
    let last: Value = serde_json::from_str(said.lines().last().expect("a last line")).expect("an object");
    let names: Vec<&str> = last["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "let the host",
            "checkout",
            "pay",
            "paid to running",
            "turn",
            "earned",
            "renew",
            "cancel",
            "stopped",
            "undeployed"
        ],
        "{last}"
    );
    assert_eq!(last["paid_to_running"]["gap"], Value::Null, "{last}");
    assert!(
        last["paid_to_running"]["received_to_running"].is_string(),
        "{last}"
    );
    assert_eq!(left_over(state.path()), Vec::<String>::new());
}

#[tokio::test]
async fn real_openclaw_up_serves_the_command_line_and_stops_everything_on_ctrl_c() {
    let state = state_folder().await;
    let mut up = Up::start(state.path()).await;
    let home = tempfile::tempdir().expect("make a home");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(state.path().join("env"))
            .expect("look at the environment file")
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "the keys are for their owner's eyes only");

    up.creel(home.path(), &["login"]).await;
    let name = r#"Ada "the 🦉" שלום"#;
    let made = up
        .creel(
            home.path(),
            &[
                "agent",
                "create",
                "ada",
                "--name",
                name,
                "--emoji",
                "🦉",
                "--role",
                "keeps watch",
                "--wait",
            ],
        )
        .await;
    assert_eq!(made["ok"], json!(true), "{made}");

    let (url, secret) = (up.value("SUPABASE_URL"), up.value("SUPABASE_SECRET_KEY"));
    let http = creel_local::gateway::http::client().expect("make a client");
    let read = async |path: &str| -> Value {
        let asked = http
            .get(format!("{url}/rest/v1/{path}"))
            .header("apikey", &secret)
            .send()
            .await;
        asked
            .expect("ask the Data API")
            .json()
            .await
            .expect("read its answer")
    };
    let agents = read("agents?select=provisioned,openclaw_id,workspace_path,status,agent_id_short").await;
    assert_eq!(agents[0]["provisioned"], json!(true), "{agents}");
    assert_eq!(
        (&agents[0]["openclaw_id"], &agents[0]["agent_id_short"]),
        (&json!("ada"), &json!("ada"))
    );
    let docs = read("brain_docs?select=doc_type&order=doc_type").await;
    let types: Vec<&str> = docs
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|d| d["doc_type"].as_str())
        .collect();
    for doc_type in ["soul", "user", "memory_long", "agents", "identity"] {
        assert!(types.contains(&doc_type), "{doc_type} in {types:?}");
    }
    assert_files_are_there(agents[0]["workspace_path"].as_str().expect("a workspace"));

    // While it starts, OpenClaw's own commands are refused.
    let first = ready_gateway(state.path(), None).await;
    let openclaw = tools().own_openclaw().await.expect("find OpenClaw");
    let listed = agents_in(
        &openclaw.to_string_lossy(),
        &state.path().join("openclaw").to_string_lossy(),
    )
    .await;
    let ada = listed
        .as_array()
        .expect("agents")
        .iter()
        .find(|a| a["id"] == "ada")
        .expect("ada is there");
    assert_eq!(
        (&ada["identityName"], &ada["identityEmoji"]),
        (&json!(name), &json!("🦉"))
    );

    let pid = rustix::process::Pid::from_raw(first).expect("a process");
    rustix::process::kill_process(pid, Signal::KILL).expect("kill the gateway");
    ready_gateway(state.path(), Some(first)).await;

    up.press_ctrl_c();
    let status = tokio::time::timeout(STOP, up.child.wait())
        .await
        .expect("creel up ends")
        .expect("wait for it");
    assert_eq!(status.code(), Some(0));
    eventually("nothing runs any more", STOP, async || {
        left_over(state.path()).is_empty()
    })
    .await;
}
