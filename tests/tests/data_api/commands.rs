//! Commands as a page sends them: what PostgREST makes of what the database says.

use creel_tests::db::TestDb;
use creel_tests::postgrest::As;
use serde_json::{Value, json};

const KEY: &str = "agent:scout:main";

#[tokio::test]
async fn a_page_sends_commands_and_is_told_by_status_what_is_wrong_with_one() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let viewer = test.user("viewer@example.com").await.expect("make a person");
    let stranger = test.user("stranger@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    test.member(&project, &viewer, "viewer")
        .await
        .expect("add a member");
    let host = test.host(&[&project]).await.expect("enrol a host");
    let db = test.postgres().await.expect("connect");
    db.execute(
        "insert into agents (project_id, agent_key, name, host_id, openclaw_id, provisioned, workspace_path, status)
         values ($1, $2, 'Scout', $3, 'scout', true, '/w', 'running')",
        &[&project, &KEY, &host.id],
    )
    .await
    .expect("make an agent");
    let send = async |who: As<'_>, change: Value| {
        let mut row = json!({ "project_id": project, "agent_key": KEY, "type": "restart" });
        for (key, value) in change.as_object().expect("an object") {
            row[key] = value.clone();
        }
        rest.insert(who, "agent_commands", &row).await.expect("ask")
    };

    let sent = send(As::User(&owner), json!({})).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    let path = "agent_commands?select=type,status,payload,agents(name)";
    let read = rest.get(As::User(&viewer), path).await.expect("ask");
    assert_eq!(
        read.expect_ok("read as a viewer"),
        json!([{ "type": "restart", "status": "pending", "payload": {}, "agents": { "name": "Scout" } }])
    );
    let read = rest.get(As::User(&stranger), path).await.expect("ask");
    assert_eq!(read.expect_ok("read as a stranger"), json!([]));

    let large = json!({ "payload": { "x": "y".repeat(2_000_000) } });
    for (who, change, status) in [
        (As::Publishable, json!({}), 401),
        (As::User(&viewer), json!({}), 403),
        (As::User(&stranger), json!({}), 404),
        (As::User(&owner), json!({ "agent_key": "agent:none:main" }), 404),
        (As::User(&owner), json!({ "type": "fly" }), 400),
        (As::User(&owner), json!({ "payload": [1] }), 400),
        (
            As::User(&owner),
            json!({ "type": "update_config", "payload": { "nmae": "x" } }),
            400,
        ),
        (As::User(&owner), large, 413),
    ] {
        let answer = send(who, change.clone()).await;
        assert_eq!(answer.status, status, "{change:.100}: {answer:?}");
        if status != 401 {
            assert!(answer.body["hint"].is_string(), "what to do: {answer:?}");
        }
    }

    let once = json!({ "idempotency_key": "k1" });
    assert_eq!(send(As::User(&owner), once.clone()).await.status, 201);
    assert_eq!(send(As::User(&owner), once).await.status, 409);
    db.execute("update creel.settings set max_commands_per_day = 0", &[])
        .await
        .expect("set");
    assert_eq!(send(As::User(&owner), json!({})).await.status, 429);

    for answer in [
        rest.patch(
            As::User(&owner),
            "agent_commands?type=eq.restart",
            &json!({ "status": "acked" }),
        )
        .await,
        rest.delete(As::User(&owner), "agent_commands?type=eq.restart")
            .await,
        rest.post(As::User(&owner), "rpc/list_agents", &json!({ "api": 1 }))
            .await,
    ] {
        assert_eq!(answer.expect("ask").status, 403);
    }
}

#[tokio::test]
async fn deleting_an_agent_s_row_by_the_data_api_undeploys_it_first() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let host = test.host(&[&project]).await.expect("enrol a host");
    let db = test.postgres().await.expect("connect");
    db.execute(
        "insert into agents (project_id, agent_key, host_id, openclaw_id) values ($1, $2, $3, 'scout')",
        &[&project, &KEY, &host.id],
    )
    .await
    .expect("make an agent");
    for _ in 0..2 {
        let gone = rest
            .delete(As::User(&owner), "agents?agent_key=eq.agent:scout:main")
            .await
            .expect("ask");
        assert!(gone.is_ok(), "{gone:?}");
    }
    let shown = rest
        .get(
            As::User(&owner),
            "agents?select=desired_state,agent_commands(type,status)",
        )
        .await
        .expect("ask");
    assert_eq!(
        shown.expect_ok("read"),
        json!([{ "desired_state": "removed", "agent_commands": [{ "type": "undeploy", "status": "pending" }] }])
    );
}
