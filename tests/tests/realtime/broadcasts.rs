//! Broadcasts of clients and of the database.

use creel_tests::db::TestDb;
use creel_tests::postgrest::Rest;
use serde_json::{Value, json};

use crate::page::{Listens, Page};

async fn joined(rest: &Rest, listens: &Listens<'_>) -> Page {
    let mut page = Page::open(rest, listens).await;
    page.hear("it has joined", |said| said["status"] == "SUBSCRIBED")
        .await;
    page
}

/// With the word that the log is read: what the database sends before that nobody hears.
fn ready(mut listens: Listens<'_>, private: bool) -> Listens<'_> {
    listens.config = json!({ "broadcast": { "replication_ready": true }, "private": private });
    listens
}

async fn joined_ready(rest: &Rest, listens: Listens<'_>, private: bool) -> Page {
    let mut page = Page::open(rest, &ready(listens, private)).await;
    page.hear("the log is read", |said| {
        said["system"] == "Replication connection established"
    })
    .await;
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_reaches_the_others_in_its_topic_in_both_forms() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let listens = |topic, vsn| Listens {
        vsn,
        ..Listens::to_broadcasts(None, topic, json!(["shout"]))
    };
    let mut first = joined(&rest, &listens("room", "1.0.0")).await;
    let mut second = joined(&rest, &listens("room", "2.0.0")).await;
    let mut elsewhere = joined(&rest, &listens("hall", "2.0.0")).await;
    let payload = json!({ "text": "שלום 🦞", "deep": [1, null, { "x": true }] });
    second
        .tell(json!({ "do": "send", "event": "shout", "payload": payload }))
        .await;
    let heard = first
        .hear("the broadcast", |said| said["broadcast"] == "shout")
        .await;
    assert_eq!(heard["payload"], payload);
    first
        .tell(json!({ "do": "send", "event": "shout", "payload": { "back": 1 } }))
        .await;
    let heard = second
        .hear("the answer", |said| said.get("broadcast").is_some())
        .await;
    assert_eq!(heard["payload"], json!({ "back": 1 }), "its own it does not hear");
    second
        .tell(json!({ "do": "http", "event": "shout", "payload": { "by": "http" } }))
        .await;
    for page in [&mut first, &mut second] {
        let heard = page
            .hear("the request's", |said| said.get("broadcast").is_some())
            .await;
        assert_eq!(heard["payload"], json!({ "by": "http" }));
    }
    elsewhere
        .tell(json!({ "do": "http", "event": "shout", "payload": { "here": 1 } }))
        .await;
    let heard = elsewhere
        .hear("its own topic", |said| said.get("broadcast").is_some())
        .await;
    assert_eq!(
        heard["payload"],
        json!({ "here": 1 }),
        "of another topic it hears nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_hears_himself_and_is_acknowledged_if_he_wants_it() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let listens = Listens {
        config: json!({ "broadcast": { "self": true, "ack": true } }),
        ..Listens::to_broadcasts(None, "room", json!(["shout"]))
    };
    let mut page = joined(&rest, &listens).await;
    page.tell(json!({ "do": "send", "event": "shout", "payload": { "a": 1 } }))
        .await;
    page.hear("itself", |said| said["payload"] == json!({ "a": 1 }))
        .await;
    page.hear("the acknowledgement", |said| said["sent"] == "ok")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_sends_to_a_public_topic() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let mut page = joined_ready(
        &rest,
        Listens::to_broadcasts(None, "host:abc", json!(["work"])),
        false,
    )
    .await;
    let db = test.postgres().await.expect("connect");
    db.batch_execute(
        "select realtime.send('{}', 'work', 'host:other', false);
         select realtime.send('{}', 'work', 'host:abc', true);
         select realtime.send('{\"n\": 1}', 'work', 'host:abc', false)",
    )
    .await
    .expect("send");
    let heard = page.hear("the message", |said| said["broadcast"] == "work").await;
    assert_eq!(
        heard["payload"]["n"],
        json!(1),
        "neither another topic's nor a private one: {heard}"
    );
    assert_eq!(
        heard["payload"]["id"].is_string(),
        heard["meta"]["id"].is_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_topic_is_for_whom_the_policies_let_in() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let (member, stranger) = (
        test.user("member@example.com").await.expect("make a person"),
        test.user("stranger@example.com").await.expect("make a person"),
    );
    let db = test.postgres().await.expect("connect");
    db.batch_execute(&format!(
        "create policy listen on realtime.messages for select to authenticated
           using (realtime.topic() = 'team' and (select auth.uid()) = '{}')",
        member.id
    ))
    .await
    .expect("let one listen");
    let private = |person| Listens::to_broadcasts(Some(person), "team", json!(["news"]));
    let mut page = joined_ready(&rest, private(&member), true).await;
    let mut refused = Page::open(&rest, &ready(private(&stranger), true)).await;
    let said = refused
        .hear("it is refused", |said| said["status"] == "CHANNEL_ERROR")
        .await;
    assert_eq!(
        said["error"],
        "Unauthorized: You do not have permissions to read from this Channel topic: team"
    );
    db.batch_execute("select realtime.send('{\"n\": 1}', 'news', 'team', true)")
        .await
        .expect("send");
    let heard = page.hear("the message", |said| said["broadcast"] == "news").await;
    assert_eq!(heard["payload"]["n"], json!(1));
    // He may listen and not speak.
    page.tell(json!({ "do": "http", "event": "news", "payload": {} }))
        .await;
    let said = page
        .hear("it is refused", |said| {
            said.get("error").is_some_and(Value::is_string)
        })
        .await;
    let error = said["error"].as_str().expect("a message");
    assert!(error.contains("do not let you send"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_messages_of_the_database_are_forgotten() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let db = test.superuser().await.expect("connect");
    db.batch_execute(
        "insert into realtime.messages (topic, extension, inserted_at) values ('t', 'broadcast', now() - interval '4 days'),
           ('t', 'broadcast', now())",
    )
    .await
    .expect("write messages");
    let _page = joined_ready(&rest, Listens::to_broadcasts(None, "t", json!([])), false).await;
    creel_tests::wait::eventually("the old one is gone", crate::page::HEAR_LIMIT, async || {
        let row = db.query_one("select count(*) from realtime.messages", &[]).await;
        row.expect("count").get::<_, i64>(0) == 1
    })
    .await;
}
