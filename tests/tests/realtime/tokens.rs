//! A channel speaks for its newest token, and ends with it.

use std::time::{SystemTime, UNIX_EPOCH};

use creel_local::gateway::token;
use creel_tests::db::{TestDb, User};
use creel_tests::wait::eventually;
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
async fn what_changes_while_a_token_is_replaced_is_told() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let mut socket = open(&rest).await;
    let changes = json!([{ "event": "INSERT", "schema": "public", "table": "agents" }]);
    let config = json!({ "postgres_changes": changes });
    let claims = json!({ "sub": owner.id, "role": "authenticated", "exp": 4_000_000_000_u64 });
    let first = token::sign(&test.cluster().keys.jwt_secret, &claims).expect("sign");
    send(
        &mut socket,
        "realtime:a",
        "phx_join",
        json!({ "config": config, "access_token": first }),
    )
    .await;
    for expected in ["phx_reply", "system"] {
        let said = next(&mut socket).await.expect("a message");
        assert_eq!(said["event"], expected, "{said}");
    }
    let (db, other) = (
        test.postgres().await.expect("connect"),
        test.postgres().await.expect("connect"),
    );
    // Who sees it cannot be said before the members are known, and then there is another token.
    other
        .batch_execute("begin; lock table project_members in access exclusive mode")
        .await
        .expect("lock the members");
    db.execute(
        "insert into agents (project_id, agent_key) values ($1, 'agent:scout:main')",
        &[&project],
    )
    .await
    .expect("make an agent");
    eventually("it is asked who sees it", crate::page::HEAR_LIMIT, async || {
        let waiting = db
            .query_one(
                "select exists (select from pg_locks where not granted and relation = 'project_members'::regclass)",
                &[],
            )
            .await;
        waiting.expect("ask who waits").get(0)
    })
    .await;
    send(
        &mut socket,
        "realtime:a",
        "access_token",
        json!({ "access_token": owner.jwt }),
    )
    .await;
    let said = next(&mut socket).await.expect("a message");
    assert_eq!(said["payload"]["message"], "Subscribed to PostgreSQL", "{said}");
    other.batch_execute("rollback").await.expect("unlock the members");
    let said = next(&mut socket).await.expect("a message");
    assert_eq!(said["event"], "postgres_changes", "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_which_a_filter_may_not_be_asked_ends_the_subscription() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let listens = Listens {
        changes: json!([{ "event": "*", "schema": "public", "table": "agents", "filter": "name=like.s%" }]),
        ..Listens::to_table(&owner, "agents")
    };
    let mut page = Page::subscribed(&rest, &listens).await;
    let mut witness = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    let claims = json!({ "role": "anon", "exp": 4_000_000_000_u64 });
    let anon = token::sign(&test.cluster().keys.jwt_secret, &claims).expect("sign");
    page.tell(json!({ "do": "token", "token": anon })).await;
    page.hear("it is refused", |said| said["status"] == "error").await;
    let db = test.postgres().await.expect("connect");
    let make = "insert into agents (project_id, agent_key, name) values ($1, 'agent:' || $2 || ':main', $2)";
    db.execute(make, &[&project, &"secret"])
        .await
        .expect("make an agent");
    witness.change("it was told").await;
    page.tell(json!({ "do": "token", "token": owner.jwt })).await;
    page.hear("it is subscribed again", |said| {
        assert!(said.get("change").is_none(), "{said}");
        said["system"] == "Subscribed to PostgreSQL"
    })
    .await;
    db.execute(make, &[&project, &"seen"])
        .await
        .expect("make an agent");
    assert_eq!(page.change("an insert").await["new"]["name"], "seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_cannot_be_asked_are_asked_again_by_another_join() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let db = test.superuser().await.expect("connect");
    db.batch_execute("create policy listen on realtime.messages for select to authenticated using (true)")
        .await
        .expect("let everybody listen");
    let mut socket = open(&rest).await;
    let claims = json!({ "sub": owner.id, "role": "authenticated", "exp": 4_000_000_000_u64 });
    let another = token::sign(&test.cluster().keys.jwt_secret, &claims).expect("sign");
    let join = json!({ "config": { "private": true }, "access_token": owner.jwt });
    send(&mut socket, "realtime:a", "phx_join", join).await;
    let said = next(&mut socket).await.expect("an answer");
    assert_eq!(said["payload"]["status"], "ok", "{said}");
    db.batch_execute("begin; lock table realtime.messages in access exclusive mode")
        .await
        .expect("lock the messages");
    send(
        &mut socket,
        "realtime:a",
        "access_token",
        json!({ "access_token": another }),
    )
    .await;
    let mut events = Vec::new();
    for _ in 0..2 {
        events.push(next(&mut socket).await.expect("a message")["event"].clone());
    }
    assert_eq!(
        events,
        ["system", "phx_error"],
        "supabase-js joins again after this one"
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
