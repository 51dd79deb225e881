//! Who hears of which changes.

use creel_tests::db::TestDb;
use serde_json::json;

use crate::page::{Listens, Page};

#[tokio::test(flavor = "multi_thread")]
async fn a_member_hears_of_an_agent_that_is_made_changed_and_deleted() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let mut page = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    let db = test.postgres().await.expect("connect");
    db.execute(
        "insert into agents (project_id, agent_key, name) values ($1, 'agent:scout:main', 'O''Neil 🦞')",
        &[&project],
    )
    .await
    .expect("make an agent");
    let change = page.change("it is made").await;
    assert_eq!(change["eventType"], "INSERT");
    assert_eq!(change["errors"], json!(null));
    assert_eq!(change["new"]["name"], "O'Neil 🦞");
    assert_eq!(change["new"]["provisioned"], json!(false));
    let id = change["new"]["id"].clone();

    db.batch_execute("update agents set role = 'scout'")
        .await
        .expect("change it");
    let change = page.change("it is changed").await;
    assert_eq!(
        (&change["eventType"], &change["new"]["role"], &change["old"]),
        (&json!("UPDATE"), &json!("scout"), &json!({ "id": id }))
    );

    db.batch_execute("delete from agents").await.expect("delete it");
    let change = page.change("it is deleted").await;
    assert_eq!(
        (&change["eventType"], &change["new"], &change["old"]),
        (&json!("DELETE"), &json!({}), &json!({ "id": id }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_changes_of_one_statement_are_all_told() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let db = test.postgres().await.expect("connect");
    db.execute(
        "insert into agents (project_id, agent_key)
         select $1, 'agent:a' || n || ':main' from generate_series(1, 1000) n",
        &[&project],
    )
    .await
    .expect("make agents");
    let mut pages = [
        Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await,
        Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await,
    ];
    db.batch_execute("update agents set role = 'changed'")
        .await
        .expect("change them");
    for page in &mut pages {
        let mut told = std::collections::BTreeSet::new();
        while told.len() < 1_000 {
            let change = page.change("a change").await;
            assert_eq!(change["new"]["role"], "changed");
            told.insert(change["new"]["agent_key"].to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_many_transactions_is_told_without_another_one() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let (db, other) = (
        test.superuser().await.expect("connect"),
        test.superuser().await.expect("connect"),
    );
    db.batch_execute(
        "create table notes (id integer primary key);
         create table gate ();
         alter table notes enable row level security;
         create policy look on notes for select to authenticated using ((select count(*) from gate) = 0);
         grant select on notes, gate to authenticated;
         alter publication supabase_realtime add table notes",
    )
    .await
    .expect("make a table that is told");
    let mut page = Page::subscribed(&rest, &Listens::to_table(&owner, "notes")).await;
    // While it is asked who sees the first, there come more than are read at once.
    other
        .batch_execute("begin; lock table gate in access exclusive mode")
        .await
        .expect("close the gate");
    db.batch_execute("do 'begin for n in 1..2200 loop insert into notes values (n); commit; end loop; end'")
        .await
        .expect("write notes");
    other.batch_execute("rollback").await.expect("open the gate");
    let mut told = 0;
    while told < 2_200 {
        told += 1;
        assert_eq!(page.change("a note").await["new"]["id"], json!(told));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_what_the_data_api_reads() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let mut page = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    let db = test.postgres().await.expect("connect");
    db.execute(
        "insert into agents (project_id, agent_key, name, config, limits)
         values ($1, 'agent:scout:main', E'a \"quoted\" name\\n', '{\"tags\": [\"x\"], \"n\": 1.50}', '{\"ram_mb\": 512}')",
        &[&project],
    )
    .await
    .expect("make an agent");
    let told = page.change("it is made").await["new"].take();
    let read = rest.get(creel_tests::postgrest::As::User(&owner), "agents").await;
    let read = read.expect("ask the Data API").expect_ok("read the agent")[0].take();
    assert_eq!(told, read);
}
