//! A host with a key calls the very same functions, as itself only.

use creel_tests::db::TestDb;
use creel_tests::postgrest::{As, Rest};
use serde_json::{Value, json};
use uuid::Uuid;

const FUNCTIONS: [&str; 11] = [
    "claim",
    "tick",
    "progress",
    "finish",
    "release",
    "read_docs",
    "record_docs",
    "list_docs",
    "fetch_docs",
    "put_docs",
    "sweep",
];

fn args(session: Uuid) -> Value {
    json!({ "api": 1, "session": session, "token": Uuid::nil(), "limit": 5, "woken_by": "poll" })
}

async fn claim(rest: &Rest, key: &str, session: Uuid) -> Value {
    let reply = rest
        .rpc(As::HostKey(key), "claim", &args(session))
        .await
        .expect("call");
    reply.expect_ok("claim")["items"].clone()
}

#[tokio::test]
async fn a_host_with_a_key_takes_a_request_from_claim_to_done() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let (host, key) = test.host_with_key(&[&project]).await.expect("enrol a host");
    let request = json!({ "project_id": project, "agent_key": "agent:scout:main", "status": "queued" });
    rest.post(As::User(&owner), "agent_provision_requests", &request)
        .await
        .expect("call")
        .expect_ok("request");

    let session = Uuid::new_v4();
    let items = claim(&rest, &key, session).await;
    assert_eq!(items[0]["agent"]["host_id"], json!(host));
    let token = items[0]["token"].clone();
    let tick =
        json!({ "api": 1, "session": session, "tokens": [token], "host": { "worker_version": "0.1.0" } });
    let reply = rest
        .rpc(As::HostKey(&key), "tick", &tick)
        .await
        .expect("call")
        .expect_ok("tick");
    assert_eq!((&reply["host_id"], &reply["lost"]), (&json!(host), &json!([])));
    let result = json!({ "ok": true, "openclaw_id": "scout", "workspace": "/w/scout", "served": true });
    let finish = json!({ "api": 1, "items": [{ "token": token, "outcome": "done", "result": result }] });
    let reply = rest
        .rpc(As::HostKey(&key), "finish", &finish)
        .await
        .expect("call")
        .expect_ok("finish");
    assert_eq!(reply["items"][0]["applied"], json!(true));

    let seen = rest
        .get(As::User(&owner), "agents?select=provisioned,status,openclaw_id")
        .await
        .expect("call");
    assert_eq!(
        seen.expect_ok("read"),
        json!([{ "provisioned": true, "status": "running", "openclaw_id": "scout" }])
    );
}

#[tokio::test]
async fn revoking_a_key_works_at_once_and_a_bad_key_is_told_so() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let (host, key) = test.host_with_key(&[]).await.expect("enrol a host");
    claim(&rest, &key, Uuid::new_v4()).await;
    let db = test.postgres().await.expect("connect");
    db.execute(
        "update creel.host_keys set expires_at = now() where host_id = $1",
        &[&host],
    )
    .await
    .expect("expire it");
    let expired = rest
        .rpc(As::HostKey(&key), "claim", &args(Uuid::new_v4()))
        .await
        .expect("call");
    assert_eq!((expired.status, expired.code()), (401, "PT401"));
    db.execute("update creel.host_keys set expires_at = null", &[])
        .await
        .expect("prolong it");
    claim(&rest, &key, Uuid::new_v4()).await;
    db.execute("select creel.revoke_host($1)", &[&host])
        .await
        .expect("revoke it");
    for bad in [key.as_str(), "forged", "", "' or true --"] {
        for function in FUNCTIONS {
            let refused = rest
                .rpc(As::HostKey(bad), function, &args(Uuid::new_v4()))
                .await
                .expect("call");
            assert_eq!(
                (refused.status, refused.code()),
                (401, "PT401"),
                "{function} with {bad:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_host_with_a_key_reads_and_writes_no_table() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let (_, key) = test.host_with_key(&[&project]).await.expect("enrol a host");
    let tables = [
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
    ];
    for table in tables {
        let refused = rest.get(As::HostKey(&key), table).await.expect("call");
        assert_eq!(refused.code(), "42501", "{table}: {}", refused.body);
        let refused = rest
            .insert(As::HostKey(&key), table, &json!({ "project_id": project }))
            .await
            .expect("call");
        assert!(!refused.is_ok(), "{table}: {}", refused.body);
    }
    for (function, body) in [
        ("why_pending", json!({ "id": Uuid::nil() })),
        ("redrive", json!({ "id": Uuid::nil() })),
        ("list_members", json!({ "project_id": project })),
        (
            "add_member",
            json!({ "project_id": project, "email": "owner@example.com", "role": "owner" }),
        ),
    ] {
        let refused = rest.rpc(As::HostKey(&key), function, &body).await.expect("call");
        assert_eq!(refused.code(), "42501", "{function}: {}", refused.body);
    }
}

#[tokio::test]
async fn a_person_and_nobody_cannot_call_the_host_functions() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let person = test.user("person@example.com").await.expect("make a person");
    for function in FUNCTIONS {
        for who in [As::User(&person), As::Publishable] {
            let refused = rest
                .rpc(who, function, &args(Uuid::new_v4()))
                .await
                .expect("call");
            assert_eq!(refused.code(), "42501", "{function}: {}", refused.body);
        }
    }
}

#[tokio::test]
async fn a_host_cannot_touch_what_another_host_holds() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let (_, mine) = test.host_with_key(&[&project]).await.expect("enrol a host");
    let (_, theirs) = test.host_with_key(&[&project]).await.expect("enrol a host");
    let request = json!({ "project_id": project, "agent_key": "agent:scout:main", "status": "queued" });
    rest.post(As::User(&owner), "agent_provision_requests", &request)
        .await
        .expect("call")
        .expect_ok("request");
    let session = Uuid::new_v4();
    let token = claim(&rest, &mine, session).await[0]["token"].clone();

    assert_eq!(claim(&rest, &theirs, session).await, json!([]));
    let body = json!({
        "api": 1, "session": session, "token": token, "tokens": [token], "others": true, "result": {}, "docs": [],
        "items": [{ "token": token, "outcome": "done", "result": {} }],
    });
    for (function, answer) in [
        ("progress", json!({ "held": false })),
        ("read_docs", json!({ "held": false, "docs": [] })),
        ("record_docs", json!({ "held": false, "created": [] })),
        ("release", json!({ "released": 0 })),
    ] {
        let reply = rest
            .rpc(As::HostKey(&theirs), function, &body)
            .await
            .expect("call");
        assert_eq!(reply.expect_ok(function), answer, "{function}");
    }
    let reply = rest
        .rpc(As::HostKey(&theirs), "finish", &body)
        .await
        .expect("call")
        .expect_ok("finish");
    assert_eq!(reply["items"][0]["applied"], json!(false));
    let reply = rest
        .rpc(As::HostKey(&mine), "progress", &body)
        .await
        .expect("call")
        .expect_ok("progress");
    assert_eq!(reply, json!({ "held": true }), "the holder still holds it");
}
