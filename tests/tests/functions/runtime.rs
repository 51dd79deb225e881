//! What the hosts of a project last reported.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{SCOUT, Stage};

async fn report(stage: &Stage, host: Uuid, runtime: &Value) {
    let told = json!({ "runtime": runtime });
    stage
        .admin
        .execute("select creel.keep_host_report($1, $2)", &[&host, &told])
        .await
        .expect("report");
}

#[tokio::test]
async fn agents_and_hosts_are_listed_as_they_were_reported() {
    let stage = Stage::new().await;
    let nothing = stage.runtime(&stage.owner.jwt).await;
    assert_eq!(nothing.body, json!({ "ok": true, "agents": [], "hosts": [] }));

    let host = stage.db.host(&[&stage.project]).await.expect("enrol a host");
    stage.provision(SCOUT).await;
    let reported = json!({
        "reported_at": "2026-11-21T00:00:00Z",
        "agents": [
            { "id": "scout", "name": "Scout", "emoji": "🦉", "workspace": "/w/scout", "creel": true },
            { "id": "other", "name": "Of somebody else", "workspace": "/w/other", "creel": true },
            "no object",
        ],
        "agent_count": 2,
        "models": ["fake/fake-1"],
    });
    stage
        .admin
        .execute(
            "update hosts set name = 'mini', platform = 'macos', openclaw_version = '2026.9.6'",
            &[],
        )
        .await
        .expect("name the host");
    report(&stage, host.id, &reported).await;
    stage
        .run(&format!(
            "update agents set host_id = '{}', openclaw_id = 'scout'",
            host.id
        ))
        .await;
    let answer = stage.runtime(&stage.owner.jwt).await;
    let scout = json!({
        "id": "scout", "name": "Scout", "emoji": "🦉", "workspace": "/w/scout", "creel": true,
        "agentKey": SCOUT, "hostId": host.id,
    });
    assert_eq!(
        answer.body["agents"],
        json!([scout]),
        "and of nobody else's project"
    );
    let listed = &answer.body["hosts"][0];
    assert_eq!(listed["name"], json!("mini"));
    assert_eq!(listed["status"], json!("enrolled"));
    assert_eq!(listed["openclawVersion"], json!("2026.9.6"));
    assert_eq!(listed["runtime"]["models"], json!(["fake/fake-1"]));
    assert_eq!(listed["runtime"]["agents"], json!(null), "they are listed once");

    stage
        .admin
        .execute("update hosts set owner_id = $1", &[&stage.owner.id])
        .await
        .expect("own the host");
    let answer = stage.runtime(&stage.owner.jwt).await;
    let ids: Vec<_> = answer.body["agents"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|agent| (&agent["id"], &agent["agentKey"]))
        .collect();
    let (scout, other) = (json!("scout"), json!("other"));
    assert_eq!(
        ids,
        [(&scout, &json!(SCOUT)), (&other, &json!(null))],
        "on the own host all are seen"
    );
    for odd in [
        json!([]),
        json!({ "agents": {} }),
        json!("x"),
        json!({ "agents": [] }),
    ] {
        report(&stage, host.id, &odd).await;
        let answer = stage.runtime(&stage.owner.jwt).await;
        assert_eq!(answer.status, 200, "{odd}");
    }
    assert_eq!(stage.runtime(&stage.owner.jwt).await.body["agents"], json!([]));
}
