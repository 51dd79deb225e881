//! Waiting for the agent in the same call, with a real worker.

use std::fs;
use std::time::{Duration, Instant};

use axum::Extension;
use creel_functions::deadline::Deadline;
use creel_tests::cluster::built_program;
use creel_tests::worker::{WorkerHome, WorkerProcess, WorkerSetup};
use futures_util::StreamExt;
use serde_json::json;

use crate::proxy::Rule;
use crate::stage::{SCOUT, SOON, Stage};

/// A worker with the stand-in OpenClaw, on a new host of the project.
pub async fn worker(stage: &Stage, faults: &serde_json::Value) -> (WorkerHome, WorkerProcess) {
    let host = stage.db.host(&[&stage.project]).await.expect("enrol a host");
    let home = WorkerHome::new().expect("make a home");
    fs::create_dir_all(home.openclaw_state()).expect("make a folder");
    fs::write(home.openclaw_state().join("stand-in.json"), faults.to_string()).expect("write the faults");
    let setup = WorkerSetup::new(
        &host.url,
        built_program("openclaw-stand-in").expect("it is built"),
    );
    let worker = home
        .start(&setup.allow("failed agent_provision_requests"))
        .expect("start a worker");
    worker.logged("is at work", SOON).await;
    (home, worker)
}

#[tokio::test]
async fn who_waits_gets_the_agent() {
    let stage = Stage::new().await;
    let (home, _worker) = worker(&stage, &json!({})).await;
    stage.proxy.calls();
    let body = json!({ "agentKey": SCOUT, "displayName": "Scout" });
    let done = stage
        .ask(&stage.owner.jwt, "/agents/provision?wait=25", &body)
        .await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(done.body["ok"], json!(true));
    assert_eq!(done.body["agentId"], json!("scout"));
    let workspace = home.workspaces().join("scout");
    let workspace = workspace.canonicalize().expect("the workspace is there");
    assert_eq!(done.body["workspaceDir"], json!(workspace.to_string_lossy()));
    let id = done.body["requestId"].as_str().expect("an id");
    let calls = stage.proxy.calls();
    assert_eq!(calls[0], "POST /rest/v1/rpc/request_provision");
    assert!(
        calls[1..]
            .iter()
            .all(|call| call == "GET /rest/v1/agent_provision_requests")
    );
    assert!(calls.len() < 30, "the pauses grow: {}", calls.len());
    let status: String = stage
        .admin
        .query_one(
            "select status from agent_provision_requests where id::text = $1",
            &[&id],
        )
        .await
        .expect("the request is there")
        .get(0);
    assert_eq!(status, "done");
}

#[tokio::test]
async fn who_waits_hears_why_it_failed() {
    let stage = Stage::new().await;
    stage.run("update creel.queues set max_attempts = 1").await;
    let (_home, _worker) = worker(&stage, &json!({ "add": { "mode": "exit_1" } })).await;
    let body = json!({ "agentKey": SCOUT });
    let failed = stage
        .ask(&stage.owner.jwt, "/agents/provision?wait=25", &body)
        .await;
    assert_eq!(failed.refused(), (502, "openclaw_failed"));
    assert!(failed.body["requestId"].is_string(), "{failed:?}");

    let invalid = json!({ "agentKey": "agent:bad:main", "emoji": "no\nemoji" });
    let invalid = stage
        .ask(&stage.owner.jwt, "/agents/provision?wait=25", &invalid)
        .await;
    assert_eq!(invalid.refused(), (422, "emoji_invalid"));
}

#[tokio::test]
async fn when_time_is_over_the_request_goes_on() {
    let ends = Deadline(Instant::now() + Duration::from_secs(6));
    let stage = Stage::with(|routes| routes.layer(Extension(ends))).await;
    let body = json!({ "agentKey": SCOUT });
    let waited = stage
        .ask(&stage.owner.jwt, "/agents/provision?wait=1", &body)
        .await;
    assert_eq!((waited.status, &waited.body["status"]), (202, &json!("queued")));
    // What happens to a look is nothing that happens to the request.
    stage.proxy.next(Rule::Pass);
    stage.proxy.always(Rule::Answer(500, "broken".to_owned()));
    let waited = stage
        .ask(&stage.owner.jwt, "/agents/provision?wait=25", &body)
        .await;
    assert_eq!((waited.status, &waited.body["status"]), (202, &json!("queued")));
    assert!(waited.body["requestId"].is_string());
    assert!(Instant::now() < ends.0, "the platform's end comes first");
}

#[tokio::test]
async fn a_request_that_is_withdrawn_is_not_waited_for() {
    let stage = Stage::new().await;
    stage.proxy.next(Rule::Pass);
    let body = json!({ "agentKey": SCOUT });
    let asked = stage.ask(&stage.owner.jwt, "/agents/provision?wait=20", &body);
    let withdrawn = async {
        creel_tests::wait::eventually("the request is there", SOON, async || {
            stage.count("agent_provision_requests").await == 1
        })
        .await;
        stage.run("delete from agent_provision_requests").await;
    };
    let (answer, ()) = tokio::join!(asked, withdrawn);
    assert_eq!(answer.refused(), (409, "withdrawn"));
}

#[tokio::test]
async fn wishes_that_meet_the_ends_of_earlier_ones_are_all_fulfilled() {
    let stage = Stage::new().await;
    let (_home, _worker) = worker(&stage, &json!({})).await;
    let wishes = (0..40).map(|number| {
        let key = format!("agent:a{}:main", number % 3);
        let stage = &stage;
        async move {
            let body = json!({ "agentKey": key });
            stage
                .ask(&stage.owner.jwt, "/agents/provision?wait=25", &body)
                .await
        }
    });
    // A few at a time, so that new ones come while others end.
    let answers: Vec<_> = futures_util::stream::iter(wishes)
        .buffer_unordered(6)
        .collect()
        .await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(stage.count("agents where provisioned").await, 3);
}
