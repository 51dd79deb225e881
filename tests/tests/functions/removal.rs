//! The wish to remove an agent.

use reqwest::Method;
use serde_json::json;

use crate::stage::{SCOUT, Stage, send};

#[tokio::test]
async fn an_agent_that_no_host_has_is_gone_at_once() {
    let stage = Stage::new().await;
    stage.provision(SCOUT).await;
    let removed = stage.remove(&stage.owner.jwt, "agent%3Ascout%3Amain").await;
    assert_eq!(removed.status, 200, "{removed:?}");
    assert_eq!(
        removed.body,
        json!({ "ok": true, "agentKey": SCOUT, "status": "removed" })
    );
    for table in ["agents", "agent_provision_requests", "creel.items"] {
        assert_eq!(stage.count(table).await, 0, "{table}");
    }
    let again = stage.remove(&stage.owner.jwt, SCOUT).await;
    assert_eq!(again.refused(), (404, "unknown_agent"));
}

#[tokio::test]
async fn an_agent_that_a_host_has_waits_for_it() {
    let stage = Stage::new().await;
    let host = stage.db.host(&[&stage.project]).await.expect("enrol a host");
    stage.provision(SCOUT).await;
    stage
        .run(&format!(
            "update agents set host_id = '{}', openclaw_id = 'scout'",
            host.id
        ))
        .await;
    for _ in 0..2 {
        let pending = stage.remove(&stage.owner.jwt, SCOUT).await;
        assert_eq!(
            (pending.status, &pending.body["status"]),
            (202, &json!("pending"))
        );
    }
    let wished: String = stage
        .admin
        .query_one("select desired_state from agents", &[])
        .await
        .expect("the row is there")
        .get(0);
    assert_eq!(wished, "removed");
}

#[tokio::test]
async fn the_project_may_be_in_the_query() {
    let stage = Stage::new().await;
    stage.provision(SCOUT).await;
    let path = format!("/api/agents/{SCOUT}?projectId={}", stage.project);
    let request = stage.request(Method::DELETE, &path).bearer_auth(&stage.owner.jwt);
    assert_eq!(send(request).await.status, 200);
    let nowhere = stage.request(Method::DELETE, &format!("/agents/{SCOUT}"));
    let nowhere = send(nowhere.bearer_auth(&stage.owner.jwt)).await;
    assert_eq!(nowhere.refused(), (400, "bad_request"));
}

#[tokio::test]
async fn an_agent_may_be_named_like_a_path() {
    let stage = Stage::new().await;
    for key in ["provision", "runtime"] {
        assert_eq!(stage.provision(key).await.status, 202);
        let removed = stage.remove(&stage.owner.jwt, key).await;
        assert_eq!(removed.body["agentKey"], json!(key), "{removed:?}");
    }
    assert_eq!(stage.count("agents").await, 0);
}
