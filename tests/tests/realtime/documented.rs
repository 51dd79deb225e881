//! The list of `docs/realtime.md` has all that the published supabase-js sends, and nothing else.

use std::collections::BTreeSet;

use creel_tests::cluster::repo;
use creel_tests::db::TestDb;
use creel_tests::wait::eventually;
use serde_json::{Value, json};

use crate::page::{HEAR_LIMIT, Listens, Page};

/// What a row of the table in the document names: a message and the parts of its payload.
fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(repo().join("docs/realtime.md")).expect("read the document");
    let section = text
        .split("## What supabase-js sends")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("the document has the section");
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .flat_map(|row| {
            let mut cells = row.split('|');
            let event = cells
                .next()
                .unwrap_or_default()
                .trim()
                .trim_matches('`')
                .to_owned();
            let parts = cells.next().unwrap_or_default().to_owned();
            let parts: Vec<String> = parts
                .split('`')
                .skip(1)
                .step_by(2)
                .map(|part| format!("{event} {part}"))
                .collect();
            std::iter::once(event).chain(parts)
        })
        .collect()
}

/// The paths of a payload down to where applications choose the names.
fn parts(event: &str, payload: &Value, path: &str, found: &mut BTreeSet<String>) {
    let Some(members) = payload.as_object() else {
        return;
    };
    for (name, value) in members {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        found.insert(format!("{event} {path}"));
        if path != "payload" {
            let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
            parts(event, value, &path, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_messages_is_what_supabase_js_sends() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let again = test.user("owner2@example.com").await.expect("make a person");
    let mut listener = rest.realtime().listen();
    for vsn in ["1.0.0", "2.0.0"] {
        let listens = Listens {
            vsn,
            config: json!({
                "broadcast": { "self": true, "ack": true, "replication_ready": true },
                "presence": { "key": "me", "enabled": true },
                "postgres_changes_options": { "wait": true, "timeout": 10_000 },
            }),
            changes: json!([{ "event": "*", "schema": "public", "table": "agents",
                              "filter": "name=eq.x", "select": ["name"] }]),
            broadcasts: json!(["shout"]),
            ..Listens::to_table(&owner, "agents")
        };
        let mut page = Page::subscribed(&rest, &listens).await;
        page.tell(json!({ "do": "send", "event": "shout", "payload": { "chosen": 1 } }))
            .await;
        page.hear("it is acknowledged", |said| said["sent"] == "ok").await;
        page.tell(json!({ "do": "http", "event": "shout", "payload": { "chosen": 1 } }))
            .await;
        page.hear("it is taken", |said| said["posted"]["success"] == true)
            .await;
        page.tell(json!({ "do": "track", "payload": { "chosen": 1 } }))
            .await;
        page.hear("it is answered", |said| said["tracked"] == "ok").await;
        page.tell(json!({ "do": "token", "token": again.jwt })).await;
        page.hear("it is subscribed again", |said| {
            said["system"] == "Subscribed to PostgreSQL"
        })
        .await;
        page.tell(json!({ "do": "heartbeat" })).await;
        page.tell(json!({ "do": "leave" })).await;
        page.hear("it has left", |said| said["left"] == "ok").await;
        // What is sent before the channel is joined goes by a request.
        page.tell(json!({ "do": "early", "event": "shout", "payload": { "chosen": 1 } }))
            .await;
        page.hear("it is sent", |said| said["early"] == "ok").await;
    }
    let mut sent = BTreeSet::new();
    let expected = documented();
    eventually("all of the list was heard", HEAR_LIMIT, async || {
        while let Ok(heard) = listener.try_recv() {
            sent.insert(heard.event.clone());
            if heard.form != "http" {
                parts(&heard.event, &heard.payload, "", &mut sent);
            }
        }
        expected.is_subset(&sent)
    })
    .await;
    let missing: Vec<&String> = sent.difference(&expected).collect();
    assert!(
        missing.is_empty(),
        "supabase-js sends what is not in docs/realtime.md: {missing:?}"
    );
}
