//! Waiting in the same call until the disk has what was written.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::stage::{Answer, SCOUT, Stage, send};
use crate::wait::worker;

async fn write(stage: &Stage, content: &str, wait_secs: u64) -> Answer {
    let path = format!("/agents/{SCOUT}/files/soul?wait={wait_secs}");
    let request = stage.request(Method::POST, &path).bearer_auth(&stage.owner.jwt);
    let body = json!({ "content": content, "projectId": stage.project });
    send(request.json(&body)).await
}

async fn stage() -> Stage {
    let stage = Stage::new().await;
    let sql = format!(
        "insert into agents (project_id, agent_key) values ('{}', '{SCOUT}')",
        stage.project
    );
    stage.run(&sql).await;
    stage
}

#[tokio::test]
async fn who_waits_hears_that_the_disk_has_it() {
    let stage = stage().await;
    let host = stage.db.postgres().await.expect("connect");
    let mirror = tokio::spawn(async move {
        let sql = "update brain_docs set disk_sha256 = sha256, disk_version = version, sync_state = 'synced'";
        while host.execute(sql, &[]).await.expect("mirror") == 0 {
            tokio::task::yield_now().await;
        }
    });
    let answer = write(&stage, "words", 25).await;
    assert_eq!(
        (answer.status, &answer.body["syncState"]),
        (200, &json!("synced")),
        "{answer:?}"
    );
    mirror.await.expect("it ends");
    let answer = write(&stage, "words", 0).await;
    assert_eq!(answer.status, 200, "what is there already is there: {answer:?}");
}

#[tokio::test]
async fn who_waits_too_short_or_in_vain_is_told_how_it_stands() {
    let stage = stage().await;
    let answer = write(&stage, "words", 1).await;
    assert_eq!(
        (
            answer.status,
            &answer.body["syncState"],
            &answer.body["hostOnline"]
        ),
        (202, &json!("waiting"), &json!(false)),
        "{answer:?}"
    );
    stage
        .run("update brain_docs set sync_state = 'blocked', sync_note = 'SOUL.md is a symbolic link'")
        .await;
    let begun = std::time::Instant::now();
    let answer = write(&stage, "more words", 25).await;
    assert_eq!(
        (answer.status, &answer.body["syncNote"]),
        (202, &json!("SOUL.md is a symbolic link")),
        "{answer:?}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it is not waited for in vain"
    );
}

#[tokio::test]
async fn a_text_is_on_the_disk_of_a_real_worker_when_the_answer_says_so() {
    let stage = Stage::new().await;
    let (home, _worker) = worker(&stage, &json!({})).await;
    let body = json!({ "agentKey": SCOUT, "displayName": "Scout" });
    let made = stage
        .ask(&stage.owner.jwt, "/agents/provision?wait=25", &body)
        .await;
    assert_eq!(made.status, 200, "{made:?}");
    let file = home.workspaces().join("scout").join("SOUL.md");
    for content in ["You are Scout.\n", "You are Scout, and careful.\n"] {
        let answer = write(&stage, content, 25).await;
        assert_eq!(
            (
                answer.status,
                &answer.body["syncState"],
                &answer.body["hostOnline"]
            ),
            (200, &json!("synced"), &json!(true)),
            "{answer:?}"
        );
        assert_eq!(std::fs::read_to_string(&file).expect("read the file"), content);
    }
}
