//! Documents on a page, by the published supabase-js: through functions of the database, rows, and the function `agents`.

use std::time::Duration;

use creel_local::process;
use creel_tests::db::{TestDb, User};
use creel_tests::postgrest::Rest;
use serde_json::{Value, json};

const AGENT_KEY: &str = "agent:scout:main";

/// A run of Node that only talks to loopback is done long before.
const NODE_LIMIT: Duration = Duration::from_secs(60);

async fn steps_as(rest: &Rest, person: Option<&User>, project: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/js");
    let node = format!("{folder}/node_modules/node/bin/node");
    assert!(
        process::is_executable(node.as_ref()),
        "tests/js is installed: run `npm install --prefix tests/js`"
    );
    let mut command = process::command(node);
    command
        .arg(format!("{folder}/documents.mjs"))
        .env("SUPABASE_URL", rest.url())
        .env("SUPABASE_PUBLISHABLE_KEY", rest.publishable_key())
        .env("TOKEN", person.map_or("", |person| &person.jwt))
        .env("PROJECT", project)
        .env("AGENT_KEY", AGENT_KEY);
    let said = process::run(&mut command, NODE_LIMIT)
        .await
        .expect("run the page's steps");
    serde_json::from_str(said.trim()).expect("read what they came to")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_writes_and_is_told_of_what_others_wrote() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let steps = steps_as(&rest, Some(&owner), &project).await;

    // A page that knows of no versions writes as ever, and what it replaced is one.
    assert_eq!(
        (&steps["first"], &steps["second"]),
        (&json!({ "ok": true }), &json!({ "ok": true }))
    );
    assert_eq!(steps["read"]["version"], json!(2), "{steps}");
    assert_eq!(steps["read"]["content"], json!("one\n2\n"), "{steps}");
    assert_eq!(
        (&steps["saved"]["ok"], &steps["saved"]["version"]),
        (&json!(true), &json!(3))
    );

    // One that knows is told with both texts, by the function and by the row.
    let stale = &steps["stale"];
    assert_eq!(
        (&stale["ok"], &stale["error"]),
        (&json!(false), &json!("conflict")),
        "{stale}"
    );
    assert_eq!(stale["current"]["content"], json!("one\n2\nthree\n"), "{stale}");
    assert_eq!(stale["base"]["content"], json!("one\n2\n"), "{stale}");
    assert_eq!(steps["staleRow"]["error"], json!("PT409"), "{steps}");
    assert!(
        steps["staleRow"]["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("base_version"))
    );

    let versions = steps["history"]["versions"].as_array().expect("versions");
    let numbers: Vec<_> = versions
        .iter()
        .map(|row| row["version"].as_i64().unwrap_or_default())
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert!(
        versions.iter().all(|row| row["content"].is_null()),
        "no texts in a list: {steps}"
    );
    assert_eq!(steps["restored"]["version"], json!(4), "{steps}");
    let states = steps["states"].as_array().expect("states");
    assert_eq!((states.len(), &states[0]["version"]), (1, &json!(4)), "{steps}");
    assert!(states[0].get("content").is_none(), "{steps}");

    // The same by the function, through the client's own way of calling it.
    assert_eq!(
        (&steps["got"]["status"], &steps["got"]["said"]["content"]),
        (&json!(200), &json!("one\ntwo\n"))
    );
    let conflict = &steps["conflict"];
    assert_eq!(
        (&conflict["status"], &conflict["said"]["error"]["code"]),
        (&json!(409), &json!("conflict"))
    );
    assert_eq!(
        conflict["said"]["current"]["content"],
        json!("one\ntwo\n"),
        "{conflict}"
    );
    assert_eq!(
        conflict["said"]["base"]["content"],
        json!("one\n2\n"),
        "{conflict}"
    );
    assert_eq!(
        (&steps["posted"]["status"], &steps["posted"]["said"]["syncState"]),
        (&json!(202), &json!("waiting"))
    );
    assert_eq!(steps["unknown"]["status"], json!(404));
    assert!(
        steps["unknown"]["said"]["error"]["hint"]
            .to_string()
            .contains("memory_today")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_nobody_and_of_a_stranger_finds_no_document() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    steps_as(&rest, Some(&owner), &project).await;
    let stranger = test.user("stranger@example.com").await.expect("make a person");
    for who in [None, Some(&stranger)] {
        let steps = steps_as(&rest, who, &project).await;
        for step in [
            "first", "second", "read", "saved", "stale", "staleRow", "history", "restored",
        ] {
            assert!(steps[step]["error"].is_string(), "{step}: {steps}");
            assert_ne!(steps[step]["error"], json!("conflict"), "{step}: {steps}");
        }
        for step in ["got", "conflict", "posted"] {
            let status = steps[step]["status"].as_i64().unwrap_or_default();
            assert!((401..=404).contains(&status), "{step}: {steps}");
        }
        assert!(steps["states"].as_array().is_none_or(Vec::is_empty), "{steps}");
        for word in ["mine", "three", "content"] {
            assert!(!steps.to_string().contains(word), "{word}: {steps}");
        }
    }
}
