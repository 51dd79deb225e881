//! A channel speaks for its newest token, and ends with it.

use std::time::{SystemTime, UNIX_EPOCH};

use creel_local::gateway::token;
use creel_tests::db::{TestDb, User};
use serde_json::json;

use crate::page::{Listens, Page};
use crate::sockets::{next, open, send};

/// Ends soon enough to be waited for, and not before a message has arrived.
const SHORT_SECS: u64 = 3;

fn ends_soon(test: &TestDb, person: &User) -> User {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let claims = json!({ "sub": person.id, "role": "authenticated", "exp": now + SHORT_SECS });
    User {
        jwt: token::sign(&test.cluster().keys.jwt_secret, &claims).expect("sign"),
        ..person.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_ends_with_its_token() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let mut page = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    let short = ends_soon(&test, &owner);
    page.tell(json!({ "do": "token", "token": short.jwt })).await;
    let said = page
        .hear("the end is told", |said| {
            said["extension"] == "system" && said["status"] == "error"
        })
        .await;
    let message = said["system"].as_str().expect("a message");
    assert!(message.starts_with("Token has expired"), "{message}");
    page.hear("the channel is closed", |said| said["status"] == "CLOSED")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_token_changes_what_a_channel_sees() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let (one, other) = (
        test.user("one@example.com").await.expect("make a person"),
        test.user("other@example.com").await.expect("make a person"),
    );
    let (ones, others) = (
        test.project(&one).await.expect("make a project"),
        test.project(&other).await.expect("make a project"),
    );
    let mut page = Page::subscribed(&rest, &Listens::to_table(&one, "agents")).await;
    page.tell(json!({ "do": "token", "token": other.jwt })).await;
    page.hear("it is subscribed again", |said| {
        said["system"] == "Subscribed to PostgreSQL"
    })
    .await;
    let db = test.postgres().await.expect("connect");
    for project in [&ones, &others] {
        db.execute(
            "insert into agents (project_id, agent_key, name) values ($1, 'agent:scout:main', $1)",
            &[project],
        )
        .await
        .expect("make an agent");
    }
    let change = page.change("an insert").await;
    assert_eq!(
        change["new"]["project_id"],
        json!(others),
        "what the first token saw is told no more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_lives_as_long_as_its_newest_token() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let mut socket = open(&rest).await;
    let config = json!({ "broadcast": { "ack": true } });
    let short = ends_soon(&test, &owner).jwt;
    send(
        &mut socket,
        "realtime:a",
        "phx_join",
        json!({ "config": config, "access_token": short }),
    )
    .await;
    send(
        &mut socket,
        "realtime:a",
        "access_token",
        json!({ "access_token": owner.jwt }),
    )
    .await;
    let short = ends_soon(&test, &owner).jwt;
    send(
        &mut socket,
        "realtime:b",
        "phx_join",
        json!({ "config": config, "access_token": short }),
    )
    .await;
    let mut events = Vec::new();
    for _ in 0..4 {
        let said = next(&mut socket).await.expect("a message");
        events.push(format!("{} {}", said["topic"], said["event"]));
    }
    let expected = [
        r#""realtime:a" "phx_reply""#,
        r#""realtime:b" "phx_reply""#,
        r#""realtime:b" "system""#,
        r#""realtime:b" "phx_close""#,
    ];
    assert_eq!(events, expected, "only the other one ends");
    let broadcast = json!({ "type": "broadcast", "event": "x", "payload": {} });
    send(&mut socket, "realtime:a", "broadcast", broadcast).await;
    let said = next(&mut socket).await.expect("an answer");
    assert_eq!(said["payload"]["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_or_foreign_token_is_refused_at_the_join() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let secret = &test.cluster().keys.jwt_secret;
    let claims = json!({ "sub": owner.id, "role": "authenticated", "exp": 1_000 });
    let expired = User {
        jwt: token::sign(secret, &claims).expect("sign"),
        ..owner.clone()
    };
    let foreign = User {
        jwt: token::user_token(&"x".repeat(40).into(), owner.id, "a@b.c", owner.id).expect("sign"),
        ..owner
    };
    for (person, wrong) in [
        (expired, "InvalidJWTToken: Token has expired"),
        (foreign, "JwtSignatureError: "),
    ] {
        let mut page = Page::open(&rest, &Listens::to_table(&person, "agents")).await;
        let said = page
            .hear("it is refused", |said| said["status"] == "CHANNEL_ERROR")
            .await;
        let error = said["error"].as_str().expect("a message");
        assert!(error.starts_with(wrong), "{error}");
    }
}
