//! SIGKILL at any point of a job: what is left half done is completed, as if each step was done once.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use creel_tests::wait::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{LEFT_OVERS, Station, attempts};

/// What a person wrote while the job was under way.
const SOUL: &str = "# I am what Ada wrote\n";

/// What was in the row before there was a file.
const USER: &str = "# I work for Ada\n";

const REQUESTS: &str = "agent_provision_requests";

/// Kills a worker whose job has come to where the database would be told of it, and is not.
async fn killed_when(table: &str, event: &str, condition: &str, expected_attempt: u64) {
    let stage = Stage::new().await;
    let station = stage.station().await;
    write_user_document(&stage).await;
    let gate = stage.gate(table, event, condition).await;
    let id = stage.request(SCOUT).await;

    let mut first = station.start();
    gate.arrived().await;
    first.kill9().expect("kill");
    gate.turn_away().await;
    let soul = soul_by_a_person(&station);
    gate.open().await;

    let second = station.start();
    stage.done(id).await;
    assert_done_once(&stage, &station, id, soul).await;
    assert_eq!(station.calls_of("add"), 1, "it is added once");
    assert_eq!(attempts(&second), [expected_attempt]);
}

/// Kills a worker while its OpenClaw hangs.
async fn killed_in(command: &str, mode: &str, expected_adds: usize) {
    let stage = Stage::new().await;
    let station = stage.station().await;
    write_user_document(&stage).await;
    station.set_fault(command, mode);
    let id = stage.request(SCOUT).await;

    let mut first = station.start();
    station.called(command).await;
    if mode.starts_with("half_done") {
        half_done(&station, command).await;
    }
    first.kill9().expect("kill");
    assert!(
        !station.home.children().is_empty(),
        "what it started goes on without it"
    );
    let soul = soul_by_a_person(&station);
    station.clear_faults();

    let mut second = station.start();
    second.allow(LEFT_OVERS);
    stage.done(id).await;
    assert_done_once(&stage, &station, id, soul).await;
    assert_eq!(station.calls_of("add"), expected_adds);
}

/// Waits until the work of a command that never ends is done.
async fn half_done(station: &Station, command: &str) {
    eventually("the work is done", SOON, async || {
        let agents = station.agents();
        let agent = &agents.get("scout").cloned().unwrap_or_default();
        match command {
            "add" => agent.is_object(),
            _ => agent["identity"]["name"] == json!("Scout"),
        }
    })
    .await;
}

async fn write_user_document(stage: &Stage) {
    stage
        .admin
        .execute(
            "insert into brain_docs (project_id, agent_key, doc_type, content) values ($1, $2, 'user', $3)",
            &[&stage.project, &SCOUT, &USER],
        )
        .await
        .expect("write a document");
}

/// A person changes SOUL.md, if it is there; answers what it has then.
fn soul_by_a_person(station: &Station) -> Option<&'static str> {
    let path = station.workspace("scout").join("SOUL.md");
    path.exists().then(|| {
        fs::write(path, SOUL).expect("write SOUL.md");
        SOUL
    })
}

/// The end state is the same, however it came about.
async fn assert_done_once(stage: &Stage, station: &Station, id: Uuid, soul: Option<&str>) {
    let (row, agent) = (stage.row(id).await, stage.agent(id).await);
    let workspace = station
        .workspace("scout")
        .canonicalize()
        .expect("the workspace is there");
    assert_eq!(row["result"]["openclaw_id"], json!("scout"), "{row:#}");
    assert_eq!(
        (
            &agent["provisioned"],
            &agent["openclaw_id"],
            &agent["workspace_path"]
        ),
        (&json!(true), &json!("scout"), &json!(workspace))
    );
    assert_eq!(agent["host_id"], json!(station.host.id));
    assert_eq!(stage.provisioned_count(id).await, 1, "it is told once");

    let agents = station.agents();
    assert_eq!(agents.len(), 1, "{agents:?}");
    let entry = &agents["scout"];
    assert_eq!(entry["workspace"], json!(workspace));
    assert_eq!(
        (&entry["identity"]["name"], &entry["identity"]["emoji"]),
        (&json!("Scout"), &json!("🦞"))
    );

    let marker = station.marker("scout");
    assert_eq!(
        (&marker["agent_id"], &marker["project_id"], &marker["agent_key"]),
        (&agent["id"], &json!(stage.project), &json!(SCOUT))
    );
    assert_eq!(
        fs::read_dir(workspace.join(".creel"))
            .expect("list")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect::<Vec<_>>(),
        ["agent.json"],
        "nothing half written is left"
    );

    if let Some(soul) = soul {
        assert_eq!(station.file("scout", "SOUL.md"), soul, "a person's words stay");
    }
    assert_eq!(
        station.file("scout", "USER.md"),
        USER,
        "the row wins over the template"
    );
    assert!(
        station.file("scout", "IDENTITY.md").contains("Scout"),
        "the identity is not OpenClaw's"
    );
    // What was recorded before a person changed the file gets one more version, by the mirror, and nothing else does.
    let on_disk = station.file("scout", "SOUL.md");
    let settled = "select jsonb_object_agg(d.doc_type, d.version = (select count(distinct v.sha256)
         from brain_doc_versions v where v.doc_id = d.id) and (d.version = 1 or d.doc_type = 'soul' and d.version = 2
           and d.content = $1)) from brain_docs d
       where exists (select from brain_docs s where s.doc_type = 'soul' and s.content = $1)";
    let told = json!({ "soul": true, "agents": true, "user": true, "identity": true, "memory_long": true });
    eventually("each text is one version", SOON, async || {
        let row = stage.admin.query_one(settled, &[&on_disk]).await;
        row.expect("read the documents").get::<_, Option<Value>>(0) == Some(told.clone())
    })
    .await;
    station.is_quiet().await;
}

fn told(step: &str) -> String {
    format!(
        "new.status = 'running' and old.result ->> 'step' is distinct from new.result ->> 'step' and new.result ->> 'step' = '{step}'"
    )
}

#[tokio::test]
async fn killed_while_it_claims() {
    killed_when(
        REQUESTS,
        "update",
        "new.status = 'running' and old.status = 'queued'",
        1,
    )
    .await;
}

#[tokio::test]
async fn killed_after_validate() {
    killed_when(REQUESTS, "update", &told("workspace"), 2).await;
}

#[tokio::test]
async fn killed_after_workspace() {
    killed_when(REQUESTS, "update", &told("add"), 2).await;
}

#[tokio::test]
async fn killed_after_add() {
    killed_when(REQUESTS, "update", &told("identity"), 2).await;
}

#[tokio::test]
async fn killed_after_identity() {
    killed_when(REQUESTS, "update", &told("record"), 2).await;
}

#[tokio::test]
async fn killed_after_record() {
    killed_when(REQUESTS, "update", &told("verify"), 2).await;
}

#[tokio::test]
async fn killed_after_verify_before_it_is_told() {
    killed_when(REQUESTS, "update", "new.status = 'done'", 2).await;
}

#[tokio::test]
async fn killed_while_it_records() {
    killed_when("brain_docs", "insert", "new.doc_type = 'soul'", 2).await;
}

#[tokio::test]
async fn killed_while_its_finish_is_under_way() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    write_user_document(&stage).await;
    let gate = stage.gate(REQUESTS, "update", "new.status = 'done'").await;
    let id = stage.request(SCOUT).await;
    let mut first = station.start();
    gate.arrived().await;
    first.kill9().expect("kill");
    gate.open().await;
    let row = stage.done(id).await;

    let second = station.started().await;
    station.readyz(200).await;
    assert_done_once(&stage, &station, id, None).await;
    assert_eq!(station.calls_of("add"), 1);
    assert_eq!(attempts(&second), [] as [u64; 0], "nothing is left to do");
    assert_eq!(stage.row(id).await, row);
}

#[tokio::test]
async fn killed_while_it_asks_for_the_version() {
    killed_in("version", "hang", 1).await;
}

#[tokio::test]
async fn killed_in_add_before_its_effect() {
    killed_in("add", "hang", 2).await;
}

#[tokio::test]
async fn killed_in_add_after_its_effect() {
    killed_in("add", "half_done_then_hang", 1).await;
}

#[tokio::test]
async fn killed_in_an_add_that_has_a_stray_child() {
    killed_in("add", "hang_with_stray", 2).await;
}

#[tokio::test]
async fn killed_in_set_identity_before_its_effect() {
    killed_in("set-identity", "hang", 1).await;
}

#[tokio::test]
async fn killed_in_set_identity_after_its_effect() {
    killed_in("set-identity", "half_done_then_hang", 1).await;
}

/// Looks without a pause: a file is written in less time than a test's usual pause takes.
async fn appears(path: PathBuf) {
    let begin = Instant::now();
    while !path.exists() {
        assert!(begin.elapsed() < SOON, "{} does not appear", path.display());
        tokio::task::yield_now().await;
    }
}

/// How often a file may come and go unseen, which a busy machine lets happen to those that are there for a moment.
const MOST_MISSED: usize = 10;

/// Kills the worker when it has made a file, and has another one go on; or finds that the work was done before the file
/// was seen.
async fn killed_when_there(file: &str) -> bool {
    let stage = Stage::new().await;
    let station = stage.station().await;
    write_user_document(&stage).await;
    let id = stage.request(SCOUT).await;
    let mut first = station.start();
    let seen = tokio::select! {
        biased;
        () = appears(station.workspace("scout").join(file)) => true,
        _ = stage.done(id) => false,
    };
    first.kill9().expect("kill");
    let mut second = station.start();
    second.allow(LEFT_OVERS);
    stage.done(id).await;
    assert_done_once(&stage, &station, id, None).await;
    seen
}

#[tokio::test]
async fn killed_as_soon_as_a_file_is_there() {
    for file in [
        "",
        ".creel",
        ".creel/agent.json",
        "SOUL.md",
        "MEMORY.md",
        "memory",
        ".creel/IDENTITY.md.kept",
        "AGENTS.md",
    ] {
        let mut missed = 0;
        while !killed_when_there(file).await {
            missed += 1;
            assert!(missed < MOST_MISSED, "{file} was never seen");
        }
    }
}

#[tokio::test]
async fn killed_again_and_again_it_is_still_done_once() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    write_user_document(&stage).await;
    let id = stage.request(SCOUT).await;
    for (command, mode) in [
        ("version", "hang"),
        ("add", "half_done_then_hang"),
        ("set-identity", "half_done_then_hang"),
    ] {
        station.set_fault(command, mode);
        let mut worker = station.start();
        worker.allow(LEFT_OVERS);
        station.called(command).await;
        if mode.starts_with("half_done") {
            half_done(&station, command).await;
        }
        worker.kill9().expect("kill");
    }
    let soul = soul_by_a_person(&station);
    station.clear_faults();
    let mut last = station.start();
    last.allow(LEFT_OVERS);
    stage.done(id).await;
    assert_done_once(&stage, &station, id, soul).await;
    assert_eq!(station.calls_of("add"), 1);
}
