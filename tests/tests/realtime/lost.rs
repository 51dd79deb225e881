//! Connections that are lost, on either side, and Realtime that is broken on purpose.

use std::time::Duration;

use creel_tests::cut::Cutter;
use creel_tests::db::TestDb;
use creel_tests::wait::eventually;
use serde_json::json;
use tokio_postgres::Client;

use crate::page::{HEAR_LIMIT, Listens, Page};

async fn make_agent(db: &Client, project: &str, name: &str) {
    let key = format!("agent:{name}:main");
    db.execute(
        "insert into agents (project_id, agent_key, name) values ($1, $2, $2)",
        &[&project, &key],
    )
    .await
    .expect("make an agent");
}

async fn slots(admin: &Client, database: &str) -> i64 {
    let counted = admin
        .query_one(
            "select count(*) from pg_replication_slots where database = $1 and slot_name like 'realtime_%'",
            &[&database],
        )
        .await;
    counted.expect("count the slots").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_socket_was_cut_joins_again() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let cutter = Cutter::start(rest.port()).await.expect("start a proxy");
    let listens = Listens {
        url: format!("http://127.0.0.1:{}", cutter.port()),
        ..Listens::to_table(&owner, "agents")
    };
    let mut page = Page::subscribed(&rest, &listens).await;
    cutter.cut();
    page.hear("it is told", |said| said["status"] == "CHANNEL_ERROR")
        .await;
    page.hear("it is subscribed again", |said| {
        said["system"] == "Subscribed to PostgreSQL"
    })
    .await;
    make_agent(&test.postgres().await.expect("connect"), &project, "scout").await;
    page.change("the insert").await;
    eventually("the first socket's channel is gone", HEAR_LIMIT, async || {
        rest.realtime().joined_count() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_slot_is_told_and_made_again() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let mut page = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    let admin = test.superuser().await.expect("connect");
    admin
        .execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where database = $1",
            &[&test.name()],
        )
        .await
        .expect("end the slot's session");
    let said = page
        .hear("it is told", |said| {
            said["extension"] == "system" && said["status"] == "error"
        })
        .await;
    assert!(
        said["system"].as_str().expect("a message").contains("was lost"),
        "{said}"
    );
    page.hear("it is subscribed again", |said| {
        said["system"] == "Subscribed to PostgreSQL"
    })
    .await;
    make_agent(&test.postgres().await.expect("connect"), &project, "scout").await;
    page.change("the insert").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_only_while_somebody_listens() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let admin = test.superuser().await.expect("connect");
    assert_eq!(slots(&admin, test.name()).await, 0, "nobody listens yet");
    let mut page = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    assert_eq!(slots(&admin, test.name()).await, 1);
    page.tell(json!({ "do": "leave" })).await;
    page.hear("it has left", |said| said["left"] == "ok").await;
    eventually("the slot is gone", HEAR_LIMIT, async || {
        slots(&admin, test.name()).await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_is_closed_and_what_is_mended_comes_back() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let mut page = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    rest.realtime().cut();
    page.hear("it is told", |said| said["status"] == "CHANNEL_ERROR")
        .await;
    eventually("no channel is left", HEAR_LIMIT, async || {
        rest.realtime().joined_count() == 0
    })
    .await;
    let answer = rest.get(creel_tests::postgrest::As::User(&owner), "agents").await;
    assert!(answer.expect("ask the Data API").is_ok(), "all else lives");
    rest.realtime().mend();
    page.hear("it is subscribed again", |said| {
        said["system"] == "Subscribed to PostgreSQL"
    })
    .await;
    let db = test.postgres().await.expect("connect");
    make_agent(&db, &project, "scout").await;
    page.change("the insert").await;

    rest.realtime().silence();
    make_agent(&db, &project, "unheard").await;
    let end: String = db
        .query_one("select pg_current_wal_lsn()::text", &[])
        .await
        .expect("ask where the log ends")
        .get(0);
    eventually("it was read", HEAR_LIMIT, async || {
        let read = db
            .query_one(
                "select bool_and(confirmed_flush_lsn >= $1::text::pg_lsn) from pg_replication_slots where database = $2",
                &[&end, &test.name()],
            )
            .await;
        read.expect("ask how far it was read").get::<_, Option<bool>>(0) == Some(true)
    })
    .await;
    // What is silent says nothing, also not that it is.
    let heard = tokio::time::timeout(Duration::from_secs(2), page.next()).await;
    assert!(heard.is_err(), "{heard:?}");
    rest.realtime().mend();
    make_agent(&db, &project, "heard").await;
    let change = page.change("the next insert").await;
    assert_eq!(change["new"]["name"], "agent:heard:main");
}
