//! The existing dashboard's writes, by the published supabase-js, are accepted as they are.

use creel_local::process;
use creel_tests::db::{TestDb, User};
use creel_tests::postgrest::Rest;
use serde_json::{Value, json};

const AGENT_KEY: &str = "agent:scout:main";

/// A run of Node that only talks to loopback is done long before.
const NODE_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

async fn write_as(rest: &Rest, person: Option<&User>, project: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/js");
    let node = format!("{folder}/node_modules/node/bin/node");
    assert!(
        process::is_executable(node.as_ref()),
        "tests/js is installed: run `npm install --prefix tests/js`"
    );
    let mut command = process::command(node);
    command
        .arg(format!("{folder}/dashboard.mjs"))
        .env("SUPABASE_URL", rest.url())
        .env("SUPABASE_PUBLISHABLE_KEY", rest.publishable_key())
        .env("TOKEN", person.map_or("", |p| &p.jwt))
        .env("PROJECT", project)
        .env("AGENT_KEY", AGENT_KEY);
    let said = process::run(&mut command, NODE_LIMIT)
        .await
        .expect("run the dashboard's writes");
    serde_json::from_str(said.trim()).expect("read what they came to")
}

const WRITES: [&str; 4] = ["agents", "agent_status", "brain_docs", "agent_provision_requests"];

#[tokio::test]
async fn a_member_s_writes_are_accepted() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let editor = test.user("editor@example.com").await.expect("make a person");
    test.member(&project, &editor, "editor")
        .await
        .expect("add a member");
    let said = write_as(&rest, Some(&editor), &project).await;
    for table in WRITES {
        assert_eq!(
            said[table],
            json!({ "status": 201, "code": null }),
            "{table} of {said}"
        );
        assert_eq!(said[format!("read {table}")], json!(1), "{table} of {said}");
    }
    let db = test.postgres().await.expect("connect");
    let row = db
        .query_one(
            "select agent_id_short, status, display_name from agent_provision_requests",
            &[],
        )
        .await
        .expect("read the request");
    assert_eq!(
        (row.get::<_, &str>(0), row.get::<_, &str>(1)),
        ("scout", "queued")
    );
    assert_eq!(row.get::<_, &str>(2), "O'Neil \"the 🦞\" שלום");
}

#[tokio::test]
async fn a_member_of_another_project_and_anon_are_refused() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let other = test.user("other@example.com").await.expect("make a person");
    test.project(&other).await.expect("make another project");
    write_as(&rest, Some(&owner), &project).await;

    let said = write_as(&rest, Some(&other), &project).await;
    for table in WRITES {
        assert_eq!(
            said[table],
            json!({ "status": 403, "code": "42501" }),
            "{table} of {said}"
        );
        assert_eq!(said[format!("read {table}")], json!(0), "{table} of {said}");
    }
    assert_eq!(said["read projects"], json!(1), "their own: {said}");

    let said = write_as(&rest, None, &project).await;
    for table in WRITES {
        assert_eq!(
            said[table],
            json!({ "status": 401, "code": "42501" }),
            "{table} of {said}"
        );
    }
    for table in [
        "agents",
        "projects",
        "project_members",
        "hosts",
        "events",
        "dead_letters",
        "brain_docs",
    ] {
        assert_eq!(said[format!("read {table}")], json!("42501"), "{table} of {said}");
    }
}

#[tokio::test]
async fn a_second_run_of_the_dashboard_s_writes_leaves_a_provisioned_agent_as_it_is() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    write_as(&rest, Some(&owner), &project).await;
    let db = test.postgres().await.expect("connect");
    let host = test.host(&[&project]).await.expect("enrol a host");
    db.execute(
        "update agents set provisioned = true, host_id = $1, openclaw_id = 'scout', workspace_path = '/w', status = 'running'",
        &[&host.id],
    )
    .await
    .expect("provision it");
    db.batch_execute("update agent_status set state = 'thinking'")
        .await
        .expect("let it think");
    let said = write_as(&rest, Some(&owner), &project).await;
    assert_eq!(said["agents"]["code"], json!(null), "{said}");
    assert_eq!(
        said["agent_provision_requests"]["code"],
        json!("23505"),
        "one request is open: {said}"
    );
    let row = db
        .query_one(
            "select a.provisioned, a.host_id = $1, a.workspace_path, a.status, s.state from agents a
             join agent_status s using (project_id, agent_key)",
            &[&host.id],
        )
        .await
        .expect("read the agent");
    assert!(row.get::<_, bool>(0) && row.get::<_, bool>(1));
    assert_eq!(
        (
            row.get::<_, &str>(2),
            row.get::<_, &str>(3),
            row.get::<_, &str>(4)
        ),
        ("/w", "running", "thinking")
    );
}
