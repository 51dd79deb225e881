//! What nobody, a stranger and a bad token come to.

use creel_tests::db::TestDb;
use creel_tests::postgrest::As;
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn a_stranger_reads_no_row_of_any_table() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let stranger = test.user("stranger@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    test.host(&[&project]).await.expect("enrol a host");
    let key = json!({ "project_id": project, "agent_key": "agent:a:main" });
    let with = |extra: serde_json::Value| {
        let mut row = key.clone();
        row.as_object_mut()
            .expect("an object")
            .extend(extra.as_object().expect("an object").clone());
        row
    };
    for (table, row) in [
        ("agents", key.clone()),
        ("agent_status", key.clone()),
        (
            "brain_docs",
            with(json!({ "doc_type": "soul", "content": "secret" })),
        ),
        ("agent_provision_requests", with(json!({ "status": "queued" }))),
    ] {
        rest.post(As::User(&owner), table, &row)
            .await
            .expect("call")
            .expect_ok(table);
    }
    let db = test.postgres().await.expect("connect");
    db.batch_execute(
        "update creel.items set enqueued_at = now() - interval '1 day';
         update creel.settings set queue_ttl_secs = 1; delete from project_hosts;
         select sweep('{\"api\":1}');
         update creel.lanes set hopeless_since = now() - interval '1 day';
         select sweep('{\"api\":1}');
         insert into project_hosts select p.id, h.id from projects p, hosts h;
         insert into host_heartbeats (host_id) select id from hosts;
         insert into agent_metrics (agent_id) select id from agents",
    )
    .await
    .expect("fill the tables");
    for table in [
        "projects",
        "project_members",
        "hosts",
        "project_hosts",
        "host_heartbeats",
        "host_status",
        "agents",
        "agent_status",
        "agent_metrics",
        "agent_provision_requests",
        "brain_docs",
        "brain_doc_contents",
        "brain_doc_states",
        "brain_doc_versions",
        "events",
        "dead_letters",
    ] {
        let own = rest
            .get(As::User(&owner), table)
            .await
            .expect("call")
            .expect_ok(table);
        assert!(
            !own.as_array().expect("rows").is_empty(),
            "the owner sees {table}"
        );
        let theirs = rest
            .get(As::User(&stranger), table)
            .await
            .expect("call")
            .expect_ok(table);
        assert_eq!(theirs, json!([]), "{table}");
        let nobody = rest.get(As::Publishable, table).await.expect("call");
        assert_eq!((nobody.status, nobody.code()), (401, "42501"), "{table}");
    }
    let id = db
        .query_one("select id from agent_provision_requests", &[])
        .await
        .expect("read")
        .get::<_, Uuid>(0);
    let why = rest
        .rpc(As::User(&stranger), "why_pending", &json!({ "id": id }))
        .await
        .expect("call");
    assert_eq!(why.expect_ok("why")["code"], json!("not_waiting"));
    let redrive = rest
        .rpc(As::User(&stranger), "redrive", &json!({ "id": id }))
        .await
        .expect("call");
    assert_eq!((redrive.status, redrive.code()), (404, "PT404"));
    let members = rest
        .rpc(
            As::User(&stranger),
            "list_members",
            &json!({ "project_id": project }),
        )
        .await
        .expect("call");
    assert_eq!(members.expect_ok("members"), json!([]));
}

#[tokio::test]
async fn a_forged_or_missing_key_opens_nothing() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let person = test.user("person@example.com").await.expect("make a person");
    let mut forged = person.jwt.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    for who in [As::NoKey, As::Jwt(&forged), As::Jwt("not a token")] {
        let refused = rest.get(who, "projects").await.expect("call");
        assert_eq!(refused.status, 401, "{who:?}: {}", refused.body);
    }
}
