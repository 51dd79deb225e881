//! Documents on both sides, with a real worker: what one side writes the other has soon.

use std::fs;
use std::time::{Duration, Instant};

use creel_tests::wait::eventually;
use serde_json::{Value, json};

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{By, Station};

/// A provisioned agent.
async fn scene(by: By) -> (Stage, Station, creel_tests::worker::WorkerProcess) {
    let stage = Stage::new().await;
    let station = stage.station_by(by).await;
    let worker = station.started().await;
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    (stage, station, worker)
}

async fn row(stage: &Stage, doc_type: &str) -> Value {
    let row = stage
        .admin
        .query_opt(
            "select to_jsonb(d) from brain_docs d where agent_key = $1 and doc_type = $2",
            &[&SCOUT, &doc_type],
        )
        .await
        .expect("read a row");
    row.map_or(Value::Null, |row| row.get(0))
}

async fn write_row(stage: &Stage, doc_type: &str, content: &str) {
    stage
        .admin
        .execute(
            "insert into brain_docs (project_id, agent_key, doc_type, content) values ($1, $2, $3, $4)
             on conflict (project_id, agent_key, doc_type) do update set content = excluded.content",
            &[&stage.project, &SCOUT, &doc_type, &content],
        )
        .await
        .expect("write a row");
}

/// Waits until all documents are the same on both sides, so that what follows is one change.
async fn settled(stage: &Stage) {
    eventually("all documents are on both sides", SOON, async || {
        let waiting = "select count(*) from brain_docs where sync_state <> 'synced' or disk_at is null";
        let soul = row(stage, "soul").await;
        soul["sync_state"] == json!("synced") && stage.count(waiting).await == 0
    })
    .await;
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
pub fn say(text: &str) {
    eprintln!("{text}");
}

async fn both_ways(by: By) {
    let (stage, station, _worker) = scene(by).await;
    settled(&stage).await;
    let memory = station.workspace("scout").join("MEMORY.md");

    let before = row(&stage, "memory_long").await;
    let began = Instant::now();
    let text = fs::read_to_string(&memory).expect("read") + "- learnt by the agent\n";
    fs::write(&memory, &text).expect("write");
    eventually("the row has the agent's words", SOON, async || {
        row(&stage, "memory_long").await["content"] == json!(text)
    })
    .await;
    let to_row = began.elapsed();
    let after = row(&stage, "memory_long").await;
    assert_eq!(
        after["version"].as_i64(),
        before["version"].as_i64().map(|n| n + 1),
        "{after:#}"
    );
    assert_eq!(after["updated_by"], json!("agent"));

    let began = Instant::now();
    let text = text + "- told by a person\n";
    write_row(&stage, "memory_long", &text).await;
    eventually("the disk has the person's words", SOON, async || {
        fs::read_to_string(&memory).expect("read") == text
    })
    .await;
    let to_disk = began.elapsed();
    eventually("the row knows", SOON, async || {
        row(&stage, "memory_long").await["sync_state"] == json!("synced")
    })
    .await;
    say(&format!("{by:?}: to the row {to_row:?}, to the disk {to_disk:?}"));
}

#[tokio::test]
async fn what_either_side_writes_the_other_has_soon() {
    both_ways(By::Login).await;
}

#[tokio::test]
async fn a_host_with_a_key_mirrors_too() {
    both_ways(By::Key).await;
}

#[tokio::test]
async fn many_edits_in_a_moment_are_one_version() {
    let (stage, station, _worker) = scene(By::Login).await;
    settled(&stage).await;
    let soul = station.workspace("scout").join("SOUL.md");
    let before = row(&stage, "soul").await["version"].as_i64().expect("a version");
    let mut text = fs::read_to_string(&soul).expect("read");
    for n in 0..20 {
        text += &format!("- {n}\n");
        fs::write(&soul, &text).expect("write");
    }
    eventually("the row has the last of them", SOON, async || {
        row(&stage, "soul").await["content"] == json!(text)
    })
    .await;
    let after = row(&stage, "soul").await["version"].as_i64().expect("a version");
    assert!(after - before <= 2, "{} versions of one burst", after - before);
}

#[tokio::test]
async fn words_of_the_time_without_a_worker_are_brought_together() {
    let (stage, station, mut worker) = scene(By::Login).await;
    settled(&stage).await;
    worker.kill9().expect("kill");
    let memory = station.workspace("scout").join("MEMORY.md");
    let old = fs::read_to_string(&memory).expect("read");
    fs::write(&memory, format!("{old}\nthe agent's line\n")).expect("write");
    write_row(&stage, "memory_long", &format!("the person's line\n{old}")).await;

    let _worker = station.started().await;
    let merged = format!("the person's line\n{old}\nthe agent's line\n");
    eventually("both have both lines", SOON, async || {
        let row = row(&stage, "memory_long").await;
        fs::read_to_string(&memory).expect("read") == merged
            && row["content"] == json!(merged)
            && row["sync_state"] == json!("synced")
    })
    .await;
}

#[tokio::test]
async fn a_workspace_that_is_gone_is_explained_and_nothing_is_taken_from_the_rows() {
    let (stage, station, mut worker) = scene(By::Login).await;
    settled(&stage).await;
    worker.allow("documents");
    let soul = row(&stage, "soul").await;
    let (there, away) = (station.workspace("scout"), station.workspace("scout.away"));
    fs::rename(&there, &away).expect("move it away");
    eventually("each row says so", SOON, async || {
        stage.count("select count(*) from brain_docs where sync_state = 'blocked' and sync_note like '%there is no folder%'").await
            == stage.count("select count(*) from brain_docs").await
    })
    .await;
    assert_eq!(row(&stage, "soul").await["content"], soul["content"]);
    assert_eq!(
        stage
            .count("select count(*) from brain_docs where held_version is not null")
            .await,
        0
    );

    fs::rename(&away, &there).expect("move it back");
    eventually("all is well again", Duration::from_secs(100), async || {
        stage
            .count("select count(*) from brain_docs where sync_state <> 'synced'")
            .await
            == 0
    })
    .await;
}
