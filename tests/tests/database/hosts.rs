//! A host is who its login or key says, and reaches nothing of anybody else's.

use serde_json::json;
use uuid::Uuid;

use crate::fixture::{Fixture, token};

fn code(error: &tokio_postgres::Error) -> String {
    error.code().map(|c| c.code().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn settings_that_a_host_makes_itself_are_not_believed() {
    let f = Fixture::new().await;
    let (a, b) = (f.host(&["p1"]).await, f.host(&["p1"]).await);
    let key = "k".repeat(43);
    f.admin
        .execute(
            "insert into creel.host_keys (host_id, key_sha256) values ($1, sha256(convert_to($2, 'utf8')))",
            &[&b.host, &key],
        )
        .await
        .expect("give b a key");
    let claims = json!({ "sub": f.owner, "role": "service_role", "host_id": b.host }).to_string();
    let headers = json!({ "x-creel-host-key": key }).to_string();
    for (setting, value) in [
        ("request.jwt.claims", claims.as_str()),
        ("request.jwt.claim.sub", "00000000-0000-0000-0000-000000000000"),
        ("request.headers", headers.as_str()),
    ] {
        a.client
            .execute("select set_config($1, $2, false)", &[&setting, &value])
            .await
            .expect("set it");
    }
    let row = a
        .client
        .query_one("select creel.current_host_id()", &[])
        .await
        .expect("ask who I am");
    assert_eq!(row.get::<_, Uuid>(0), a.host);
    assert_eq!(a.tick(&[]).await["host_id"], json!(a.host));
    for role in [
        "authenticated",
        "service_role",
        "postgres",
        "authenticator",
        "anon",
    ] {
        let refused = a
            .client
            .batch_execute(&format!("set role {role}"))
            .await
            .expect_err(role);
        assert_eq!(code(&refused), "42501", "{role}");
    }
}

#[tokio::test]
async fn a_host_login_can_read_and_write_no_table() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let tables = f
        .admin
        .query(
            "select oid::regclass::text, relkind = 'r' from pg_class
             where relnamespace in ('public'::regnamespace, 'creel'::regnamespace) and relkind in ('r', 'v')",
            &[],
        )
        .await
        .expect("list tables");
    assert!(tables.len() > 15);
    for row in tables {
        let table: String = row.get(0);
        // A view that joins takes no delete from anybody.
        let writes = row.get::<_, bool>(1).then(|| format!("delete from {table}"));
        for sql in [Some(format!("select from {table}")), writes]
            .into_iter()
            .flatten()
        {
            let refused = host.client.batch_execute(&sql).await.expect_err(&sql);
            assert_eq!(code(&refused), "42501", "{sql}");
        }
    }
}

#[tokio::test]
async fn a_host_login_can_call_the_host_functions_and_no_other() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let callable = host
        .client
        .query(
            "select p.oid::regprocedure::text from pg_proc p
             where p.pronamespace in ('public'::regnamespace, 'creel'::regnamespace)
               and has_function_privilege(p.oid, 'execute') order by 1",
            &[],
        )
        .await
        .expect("list functions");
    let callable: Vec<String> = callable.iter().map(|row| row.get(0)).collect();
    let expected = [
        "claim(jsonb)",
        "creel.current_host_id()",
        "creel.pre_request()",
        "deploy_config(jsonb)",
        "fetch_docs(jsonb)",
        "finish(jsonb)",
        "heartbeat(jsonb)",
        "list_agents(jsonb)",
        "list_docs(jsonb)",
        "progress(jsonb)",
        "put_docs(jsonb)",
        "read_docs(jsonb)",
        "record_docs(jsonb)",
        "record_logs(jsonb)",
        "release(jsonb)",
        "report_outdated(jsonb)",
        "rotate_host_key(jsonb)",
        "sweep(jsonb)",
        "tick(jsonb)",
    ];
    assert_eq!(callable, expected);
}

#[tokio::test]
async fn a_host_claims_nothing_of_a_project_that_it_does_not_serve() {
    let f = Fixture::new().await;
    f.project("p2", f.owner).await;
    let (mine, theirs) = (f.host(&["p2"]).await, f.host(&["p1"]).await);
    f.request("agent:scout:main").await;
    assert!(mine.claim(10).await.is_empty());
    assert_eq!(mine.tick(&[]).await["work"], json!(false));
    let held = theirs.claim_one().await;
    f.admin
        .execute("delete from project_hosts where host_id = $1", &[&theirs.host])
        .await
        .expect("end it");
    theirs.release(&[held], false).await;
    assert!(
        theirs.claim(10).await.is_empty(),
        "nor one whose agent lives on it, once it no longer serves the project"
    );
}

#[tokio::test]
async fn a_host_cannot_touch_what_another_host_holds() {
    let f = Fixture::new().await;
    let (a, b) = (f.host(&["p1"]).await, f.host(&["p1"]).await);
    let id = f.request("agent:scout:main").await;
    let held = a.claim_one().await;
    let progress = json!({ "api": 1, "token": held, "result": { "stolen": true } });
    assert_eq!(
        b.call("progress", &progress).await.expect("call")["held"],
        json!(false)
    );
    assert_eq!(b.finish(held, "done").await["applied"], json!(false));
    assert_eq!(b.tick(&[held]).await["lost"], json!([held]));
    assert_eq!(b.release(&[held], true).await, 0);
    let docs = json!({ "api": 1, "token": held, "docs": [{ "doc_type": "soul", "content": "x" }] });
    assert_eq!(
        b.call("read_docs", &docs).await.expect("call"),
        json!({ "held": false, "docs": [] })
    );
    assert_eq!(
        b.call("record_docs", &docs).await.expect("call"),
        json!({ "held": false, "created": [] })
    );
    let session_of_a = json!({ "api": 1, "session": a.session, "tokens": [held], "others": true });
    assert_eq!(
        b.call("release", &session_of_a).await.expect("call")["released"],
        json!(0)
    );
    assert_eq!(f.status(id).await, "running");
    assert_eq!(a.finish(held, "done").await["applied"], json!(true));
}

#[tokio::test]
async fn metrics_of_another_host_s_agent_are_not_taken() {
    let f = Fixture::new().await;
    let (a, b) = (f.host(&["p1"]).await, f.host(&["p1"]).await);
    f.request("agent:scout:main").await;
    let item = a.claim(1).await.pop().expect("one item");
    let metrics = json!([{ "agent_id": item["agent"]["id"], "cpu_percent": 1, "ram_mb": 2, "disk_mb": 3, "uptime_secs": 4 }]);
    for session in [&b, &a] {
        let args = json!({ "api": 1, "session": session.session, "tokens": [token(&item)], "metrics": metrics, "host": {} });
        session.call("tick", &args).await.expect("tick");
        let rows = f
            .admin
            .query("select ram_mb from agent_metrics", &[])
            .await
            .expect("read metrics");
        assert_eq!(rows.len(), usize::from(session.host == a.host));
    }
}

#[tokio::test]
async fn two_projects_with_one_key_on_one_host_get_two_openclaw_ids() {
    let f = Fixture::new().await;
    f.project("p2", f.owner).await;
    let host = f.host(&["p1", "p2"]).await;
    f.request_in("p1", "agent:scout:main").await;
    f.request_in("p2", "agent:scout:main").await;
    let items = host.claim(10).await;
    let ids: Vec<&str> = items
        .iter()
        .map(|i| i["agent"]["openclaw_id"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids[0], "scout");
    assert!(ids[1].starts_with("scout-") && ids[1].len() > 10, "{ids:?}");
}

#[tokio::test]
async fn a_revoked_host_can_do_nothing_in_a_session_that_is_open() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.request("agent:scout:main").await;
    f.admin
        .execute("select creel.revoke_host($1)", &[&host.host])
        .await
        .expect("revoke it");
    let args = json!({ "api": 1, "session": host.session, "limit": 1, "woken_by": "poll" });
    let refused = host
        .call("claim", &args)
        .await
        .expect_err("a revoked host is nobody");
    assert_eq!(code(&refused), "42501");
}

#[tokio::test]
async fn an_unknown_version_of_the_api_is_told_to_upgrade() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    for function in [
        "claim",
        "tick",
        "progress",
        "finish",
        "release",
        "read_docs",
        "record_docs",
        "sweep",
    ] {
        for api in [json!(0), json!(2), json!("1"), json!(null)] {
            let args = json!({ "api": api, "session": host.session, "token": Uuid::nil(), "limit": 1 });
            let refused = host.call(function, &args).await.expect_err(function);
            assert_eq!(code(&refused), "PT426", "{function} {api}");
        }
    }
}
