//! Subscriptions with filters and columns.

use creel_tests::db::TestDb;
use serde_json::json;

use crate::page::{Listens, Page};

#[tokio::test(flavor = "multi_thread")]
async fn only_rows_that_pass_all_filters_are_told() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let (one, two) = (
        test.project(&owner).await.expect("make a project"),
        test.project(&owner).await.expect("make a project"),
    );
    let of_one = format!("project_id=eq.{one}");
    let typed = format!("project_id=in.({one},\"{two}\"),generation=gte.2,provisioned=is.false");
    let listens = Listens {
        changes: json!([
            { "event": "INSERT", "schema": "public", "table": "agents", "filter": of_one, "select": ["name"] },
            { "event": "UPDATE", "schema": "public", "table": "agents", "filter": typed },
        ]),
        ..Listens::to_table(&owner, "agents")
    };
    let mut page = Page::subscribed(&rest, &listens).await;
    let db = test.postgres().await.expect("connect");
    for project in [&two, &one] {
        db.execute(
            "insert into agents (project_id, agent_key, name) values ($1, 'agent:scout:main', 'Scout')",
            &[project],
        )
        .await
        .expect("make an agent");
    }
    let change = page.change("an insert").await;
    assert_eq!(change["eventType"], "INSERT");
    let new = change["new"].as_object().expect("a row");
    let mut columns: Vec<&str> = new.keys().map(String::as_str).collect();
    columns.sort_unstable();
    assert_eq!(columns, ["id", "name"], "the key is always told");

    db.batch_execute("update agents set generation = 1; update agents set generation = 10")
        .await
        .expect("change them");
    for _ in 0..2 {
        let change = page.change("an update").await;
        assert_eq!(
            (&change["eventType"], &change["new"]["generation"]),
            (&json!("UPDATE"), &json!(10))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_be_applied_is_refused_and_costs_nobody_else() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let mut good = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    for (filter, wrong) in [
        ("nothing=eq.1", "invalid column for filter nothing"),
        ("id=eq.no-uuid", "cannot be compared so"),
        ("id~1", "Error parsing `filter` params"),
    ] {
        let listens = Listens {
            changes: json!([{ "event": "*", "schema": "public", "table": "agents", "filter": filter }]),
            ..Listens::to_table(&owner, "agents")
        };
        let mut page = Page::open(&rest, &listens).await;
        let said = page.hear("an error", |said| said["status"] == "error").await;
        let message = said["system"].as_str().expect("a message");
        assert!(message.contains(wrong), "{filter}: {message}");
    }
    let db = test.postgres().await.expect("connect");
    db.execute(
        "insert into agents (project_id, agent_key) values ($1, 'agent:scout:main')",
        &[&project],
    )
    .await
    .expect("make an agent");
    good.change("the insert").await;
}

/// Takes ages with a long row of the letter a, if they are odd in number, and no time with itself.
const SLOW: &str = r"^(a*)(a*)(a*)(a*)(a*)(a*)\1\2\3\4\5\6$";

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_takes_too_long_ends_who_has_it_and_nobody_else() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let mut good = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    let listens = Listens {
        changes: json!([{ "event": "*", "schema": "public", "table": "agents", "filter": format!("name=match.{SLOW}") }]),
        ..Listens::to_table(&owner, "agents")
    };
    let mut bad = Page::subscribed(&rest, &listens).await;
    let db = test.postgres().await.expect("connect");
    db.execute(
        "insert into agents (project_id, agent_key, name) values ($1, 'agent:scout:main', repeat('a', 99))",
        &[&project],
    )
    .await
    .expect("make an agent");
    let said = bad.hear("an error", |said| said["status"] == "error").await;
    let message = said["system"].as_str().expect("a message");
    assert!(message.contains("not soon enough"), "{message}");
    let heard = good
        .hear("anything", |said| {
            said.get("change").is_some() || said["status"] == "error"
        })
        .await;
    assert_eq!(heard["change"]["eventType"], "INSERT", "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_waits_is_answered_when_the_subscription_is_good() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let listens = Listens {
        config: json!({ "postgres_changes_options": { "wait": true, "timeout": 20_000 } }),
        ..Listens::to_table(&owner, "agents")
    };
    let mut page = Page::open(&rest, &listens).await;
    let first = page.hear("anything", |_| true).await;
    assert_eq!(first["status"], "SUBSCRIBED", "{first}");
    let listens = Listens {
        changes: json!([{ "event": "*", "schema": "public", "table": "brain_docs" }]),
        ..listens
    };
    let mut page = Page::open(&rest, &listens).await;
    let first = page.hear("anything", |_| true).await;
    assert_eq!(first["status"], "CHANNEL_ERROR", "{first}");
    let error = first["error"].as_str().expect("a message");
    assert!(error.starts_with("RealtimeDisabledForConfiguration: "), "{error}");
}
