//! One call of the Data API for one wish, and one request for it however often it is asked.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::proxy::Rule;
use crate::stage::{SCOUT, Stage, send};

#[tokio::test]
async fn one_wish_is_one_call() {
    let stage = Stage::new().await;
    assert_eq!(stage.provision(SCOUT).await.status, 202);
    assert_eq!(stage.proxy.calls(), ["POST /rest/v1/rpc/request_provision"]);
    assert_eq!(stage.runtime(&stage.owner.jwt).await.status, 200);
    assert_eq!(stage.proxy.calls(), ["POST /rest/v1/rpc/read_runtime"]);
    assert_eq!(stage.remove(&stage.owner.jwt, SCOUT).await.status, 200);
    assert_eq!(stage.proxy.calls(), ["POST /rest/v1/rpc/request_removal"]);
}

#[tokio::test]
async fn it_writes_what_a_page_writes() {
    let stage = Stage::new().await;
    stage.provision(SCOUT).await;
    let row = stage
        .admin
        .query_one(
            "select a.name, a.emoji, a.role, a.agent_id_short, s.note, r.agent_id_short, r.display_name, r.status,
               r.requested_by
             from agents a join agent_status s using (project_id, agent_key)
             join agent_provision_requests r using (project_id, agent_key)",
            &[],
        )
        .await
        .expect("all three rows are there");
    let texts: Vec<&str> = (0..8).map(|column| row.get(column)).collect();
    assert_eq!(
        texts,
        [
            "Scout",
            "🦉",
            "looks",
            "scout",
            "Provisioning…",
            "scout",
            "Scout",
            "queued"
        ]
    );
    assert_eq!(row.get::<_, uuid::Uuid>(8), stage.owner.id);
    assert_eq!(stage.count("creel.items").await, 1, "it is in the queue");
}

#[tokio::test]
async fn the_same_wish_again_is_the_same_request_and_another_one_a_conflict() {
    let stage = Stage::new().await;
    let first = stage.provision(SCOUT).await;
    let again = stage.provision(SCOUT).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    let only_key = stage
        .ask(
            &stage.owner.jwt,
            "/agents/provision",
            &json!({ "agentKey": SCOUT }),
        )
        .await;
    assert_eq!(
        only_key.body["requestId"], first.body["requestId"],
        "what is left open is as it was"
    );
    let other = json!({ "agentKey": SCOUT, "displayName": "Another" });
    let other = stage.ask(&stage.owner.jwt, "/agents/provision", &other).await;
    assert_eq!(other.refused(), (409, "open_request"));
    let name: String = stage
        .admin
        .query_one("select name from agents", &[])
        .await
        .expect("read")
        .get(0);
    assert_eq!(name, "Scout", "a refused wish changes nothing");
    assert_eq!(stage.count("agent_provision_requests").await, 1);
}

#[tokio::test]
async fn an_idempotency_key_outlives_the_request() {
    let stage = Stage::new().await;
    let ask = async |key: &str, name: &str| {
        let body = json!({ "agentKey": SCOUT, "displayName": name, "projectId": stage.project });
        let request = stage.request(Method::POST, "/agents/provision");
        send(
            request
                .bearer_auth(&stage.owner.jwt)
                .header("Idempotency-Key", key)
                .json(&body),
        )
        .await
    };
    let first = ask("k1", "Scout").await;
    stage
        .run(
            "update agent_provision_requests set status = 'done', picked_up_at = now(), completed_at = now();
             delete from creel.items",
        )
        .await;
    let again = ask("k1", "Scout").await;
    assert_eq!(again.body["requestId"], first.body["requestId"]);
    assert_eq!(again.body["status"], json!("done"));
    assert_eq!(ask("k1", "Other").await.refused(), (409, "idempotency_conflict"));
    let new = ask("k2", "Other").await;
    assert_eq!(new.status, 202, "{new:?}");
    assert_ne!(new.body["requestId"], first.body["requestId"]);
    assert_eq!(
        ask(&"k".repeat(201), "Scout").await.refused(),
        (400, "bad_request")
    );
}

#[tokio::test]
async fn twenty_wishes_at_once_make_one_request() {
    let stage = Stage::new().await;
    let answers = join_all((0..20).map(|_| stage.provision(SCOUT))).await;
    for answer in &answers {
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.body["requestId"], answers[0].body["requestId"]);
    }
    assert_eq!(stage.count("agent_provision_requests").await, 1);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_asked_for_again() {
    let stage = Stage::new().await;
    stage.proxy.next(Rule::LoseReply);
    let answer = stage.provision(SCOUT).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(stage.proxy.calls().len(), 2);
    assert_eq!(stage.count("agent_provision_requests").await, 1);

    stage.proxy.next(Rule::LoseReply);
    let removed = stage.remove(&stage.owner.jwt, SCOUT).await;
    assert_eq!(
        removed.refused(),
        (502, "project_unavailable"),
        "a second call would say that the agent never was"
    );
    assert_eq!(stage.proxy.calls().len(), 1);
}

#[tokio::test]
async fn asking_again_takes_back_the_wish_to_remove() {
    let stage = Stage::new().await;
    let host = stage.db.host(&[&stage.project]).await.expect("enrol a host");
    stage.provision(SCOUT).await;
    stage
        .run(&format!(
            "update agents set host_id = '{}', openclaw_id = 'scout', workspace_path = '/w', provisioned = true;
             delete from agent_provision_requests",
            host.id
        ))
        .await;
    assert_eq!(stage.remove(&stage.owner.jwt, SCOUT).await.status, 202);
    let wished = async || -> String {
        let row = stage
            .admin
            .query_one("select desired_state from agents", &[])
            .await;
        row.expect("read").get(0)
    };
    assert_eq!(wished().await, "removed");
    let first = stage.provision(SCOUT).await;
    assert_eq!(first.status, 202);
    assert_eq!(wished().await, "running");
    // Also while the request is open: the removal ends that one, and asking again is another.
    assert_eq!(stage.remove(&stage.owner.jwt, SCOUT).await.status, 202);
    assert_eq!(wished().await, "removed");
    let second = stage.provision(SCOUT).await;
    assert_eq!(second.status, 202);
    assert_ne!(second.body["requestId"], first.body["requestId"]);
    assert_eq!(wished().await, "running");
    let open = "select id from agent_provision_requests where status = 'queued'";
    assert_eq!(stage.admin.query(open, &[]).await.expect("read").len(), 1);
}
