//! Who may send commands, and what is refused: by name, with what to do about it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::station::{Station, code, message};

const KEY: &str = "agent:scout:main";

#[tokio::test]
async fn viewers_read_commands_editors_send_them_and_strangers_see_nothing() {
    let s = Station::with(&[KEY]).await;
    let mut people = Vec::new();
    for role in ["editor", "viewer", "stranger"] {
        let id = Uuid::new_v4();
        s.f.person(id, &format!("{role}@example.com")).await;
        if role != "stranger" {
            let add = format!("select add_member('p1', '{role}@example.com', '{role}')");
            s.f.as_person(s.f.owner, &add).await.expect("add");
        }
        people.push(id);
    }
    let (editor, viewer, stranger) = (people[0], people[1], people[2]);
    s.try_send(editor, KEY, "stop", &json!({}))
        .await
        .expect("an editor sends");
    let refused = s
        .try_send(viewer, KEY, "start", &json!({}))
        .await
        .expect_err("a viewer does not");
    assert_eq!(code(&refused), "42501");
    assert!(
        message(&refused).contains("may not write project p1"),
        "{refused:?}"
    );
    let refused = s
        .try_send(stranger, KEY, "start", &json!({}))
        .await
        .expect_err("nor a stranger");
    let unknown = s
        .try_send(stranger, "agent:none:main", "start", &json!({}))
        .await
        .expect_err("nor of none");
    assert_eq!(
        (code(&refused), code(&unknown)),
        ("PT404".to_owned(), "PT404".to_owned())
    );
    let seen = "select from agent_commands";
    for (person, count) in [(s.f.owner, 1), (editor, 1), (viewer, 1), (stranger, 0)] {
        assert_eq!(s.f.as_person(person, seen).await.expect("read"), count);
    }
    for sql in [
        "update agent_commands set status = 'acked'",
        "delete from agent_commands",
        "truncate agent_commands",
    ] {
        let refused = s.f.as_person(s.f.owner, sql).await.expect_err(sql);
        assert_eq!(code(&refused), "42501", "{sql}");
    }
    let refused = s
        .host
        .client
        .execute(seen, &[])
        .await
        .expect_err("a host reads by its functions alone");
    assert_eq!(code(&refused), "42501");
}

#[tokio::test]
async fn what_is_not_the_sender_s_to_say_is_ignored() {
    let s = Station::with(&[KEY]).await;
    let someone = Uuid::new_v4();
    let row = json!({
        "project_id": "p1", "agent_key": KEY, "type": "stop", "status": "acked", "result": { "state": "stopped" },
        "error": "e", "waiting_for": "w", "woken_by": "push", "created_by": someone, "created_at": "2001-01-01T00:00:00Z",
        "sent_at": "2001-01-01T00:00:00Z", "acked_at": "2001-01-01T00:00:00Z", "host_id": someone, "payload": null,
    });
    let sent = s.insert(s.f.owner, &row).await.expect("send");
    for (column, value) in [
        ("status", json!("pending")),
        ("result", Value::Null),
        ("error", Value::Null),
        ("waiting_for", Value::Null),
        ("woken_by", Value::Null),
        ("created_by", json!(s.f.owner)),
        ("sent_at", Value::Null),
        ("acked_at", Value::Null),
        ("host_id", json!(s.host.host)),
        ("payload", json!({})),
    ] {
        assert_eq!(sent[column], value, "{column}");
    }
    assert_eq!(s.open(KEY).await, ["stop"]);
}

#[tokio::test]
async fn bad_commands_are_refused_by_name() {
    let s = Station::with(&[KEY, "agent:other:main"]).await;
    let other = s.agent_id("agent:other:main").await;
    let nobody = Uuid::new_v4();
    let of = |kind: Value, payload: Value| json!({ "project_id": "p1", "agent_key": KEY, "type": kind, "payload": payload });
    let update = |payload: Value| of(json!("update_config"), payload);
    let cases = [
        (of(json!("fly"), json!({})), "22023", "there is no command fly"),
        (of(Value::Null, json!({})), "22023", "without a type"),
        (of(json!("Stop"), json!({})), "22023", "there is no command Stop"),
        (of(json!("stop"), json!([])), "22023", "is an object, not array"),
        (of(json!("stop"), json!("x")), "22023", "is an object, not string"),
        (
            of(json!("stop"), json!({ "x": "y".repeat(200_000) })),
            "PT413",
            "too large",
        ),
        (
            of(json!("stop"), json!({ "x": "y".repeat(2_000_000) })),
            "PT413",
            "the limit is 1310720",
        ),
        (json!({ "type": "stop" }), "22023", "needs agent_id"),
        (
            json!({ "type": "stop", "project_id": "p1" }),
            "22023",
            "needs agent_id",
        ),
        (
            json!({ "type": "stop", "agent_id": nobody }),
            "PT404",
            "there is no agent",
        ),
        (
            json!({ "type": "stop", "project_id": "p1", "agent_key": "no" }),
            "PT404",
            "there is no agent no",
        ),
        (
            json!({ "type": "stop", "agent_id": other, "project_id": "p1", "agent_key": KEY }),
            "22023",
            "is of another agent",
        ),
        (update(json!({ "nmae": "x" })), "22023", "it has no key nmae"),
        (update(json!({ "name": 7 })), "22023", "name is no text"),
        (
            update(json!({ "name": "x".repeat(17_000) })),
            "22023",
            "name is no text of at most 16 KB",
        ),
        (update(json!({ "config": [] })), "22023", "config is no object"),
        (
            update(json!({ "config": { "x": "y".repeat(70_000) } })),
            "PT413",
            "would be too large",
        ),
        (
            update(json!({ "limits": { "ram_mb": "512" } })),
            "22023",
            "limits.ram_mb is no number",
        ),
        (
            update(json!({ "limits": { "ram_mb": -1 } })),
            "22023",
            "above zero",
        ),
        (
            update(json!({ "limits": { "gpu": 1 } })),
            "22023",
            "limits has no key gpu",
        ),
        (update(json!({ "docs": "soul" })), "22023", "docs is no object"),
        (
            update(json!({ "docs": { "diary": "x" } })),
            "22023",
            "docs has no key diary",
        ),
        (
            update(json!({ "docs": { "soul": 7 } })),
            "22023",
            "docs.soul is no text",
        ),
        (
            update(json!({ "docs": { "soul": "x".repeat(1_100_000) } })),
            "22023",
            "docs.soul is no text of at most 1 MB",
        ),
    ];
    let before = s.agent(KEY).await;
    for (row, expected, says) in cases {
        let refused = s.insert(s.f.owner, &row).await.expect_err(says);
        assert_eq!(code(&refused), expected, "{says}: {refused:?}");
        assert!(message(&refused).contains(says), "{says}: {refused:?}");
        let hint = refused.as_db_error().and_then(|e| e.hint()).unwrap_or_default();
        assert!(!hint.is_empty(), "what to do: {refused:?}");
    }
    assert!(s.commands(KEY).await.is_empty());
    assert_eq!(s.agent(KEY).await, before);
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_command_and_other_content_a_conflict() {
    let s = Station::with(&[KEY, "agent:other:main"]).await;
    let row = |key: &str, kind: &str, payload: Value| json!({ "project_id": "p1", "agent_key": key, "type": kind, "payload": payload, "idempotency_key": "k1" });
    let first = row(
        KEY,
        "update_config",
        json!({ "name": "Owl", "docs": { "soul": "one" } }),
    );
    s.insert(s.f.owner, &first).await.expect("send");
    s.send(
        KEY,
        "update_config",
        json!({ "name": "Hawk", "docs": { "soul": "two" } }),
    )
    .await;
    let again = s.insert(s.f.owner, &first).await.expect_err("it is there");
    assert_eq!(
        code(&again),
        "23505",
        "the client's own `on conflict do nothing` takes it"
    );
    let sql = "insert into agent_commands (project_id, agent_key, type, payload, idempotency_key)
      values ('p1', 'agent:scout:main', 'update_config', '{\"name\": \"Owl\", \"docs\": {\"soul\": \"one\"}}', 'k1')
      on conflict (project_id, idempotency_key) do nothing";
    assert_eq!(s.f.as_person(s.f.owner, sql).await.expect("send again"), 0);
    assert_eq!(s.agent(KEY).await["name"], json!("Hawk"), "nothing is done twice");
    let soul =
        s.f.admin
            .query_one("select content from brain_docs", &[])
            .await
            .expect("read");
    assert_eq!(soul.get::<_, String>(0), "two");
    for other in [
        row(KEY, "stop", json!({})),
        row(KEY, "update_config", json!({ "name": "Owl" })),
        row(
            KEY,
            "update_config",
            json!({ "name": "Owl", "docs": { "soul": "three" } }),
        ),
        row(
            "agent:other:main",
            "update_config",
            json!({ "name": "Owl", "docs": { "soul": "one" } }),
        ),
    ] {
        let conflict = s.insert(s.f.owner, &other).await.expect_err("other content");
        assert_eq!(code(&conflict), "PT409", "{other}");
    }
    // A start that became a deployment is still the same command.
    s.send_new("agent:new:main").await;
    let start = json!({ "project_id": "p1", "agent_key": "agent:new:main", "type": "start", "idempotency_key": "k2" });
    let sent = s.insert(s.f.owner, &start).await.expect("send");
    assert_eq!(sent["type"], json!("deploy"));
    let again = s.insert(s.f.owner, &start).await.expect_err("it is there");
    assert_eq!(code(&again), "23505");
}

#[tokio::test]
async fn how_many_commands_may_be_open_and_sent_in_a_day_is_bounded() {
    let s = Station::with(&[KEY]).await;
    s.f.admin
        .batch_execute("update creel.settings set max_open_commands_per_agent = 2, max_commands_per_day = 6")
        .await
        .expect("set");
    s.send(KEY, "deploy", json!({})).await;
    s.send(KEY, "update_config", json!({})).await;
    let refused = s
        .try_send(s.f.owner, KEY, "stop", &json!({}))
        .await
        .expect_err("a third");
    assert_eq!(code(&refused), "PT429");
    assert!(message(&refused).contains("too many open commands: the limit is 2"));
    assert_eq!(
        s.agent(KEY).await["desired_state"],
        json!("running"),
        "nothing of it stays"
    );
    s.send(KEY, "update_config", json!({})).await;
    s.work().await;
    for _ in 0..3 {
        s.send(KEY, "start", json!({})).await;
    }
    let refused = s
        .try_send(s.f.owner, KEY, "stop", &json!({}))
        .await
        .expect_err("a seventh");
    assert_eq!(code(&refused), "PT429");
    assert!(message(&refused).contains("the limit is 6 a day"), "{refused:?}");
    s.f.admin
        .batch_execute("update creel.command_counts set day = day - 1")
        .await
        .expect("let a day pass");
    s.send(KEY, "stop", json!({})).await;
}

#[tokio::test]
async fn an_id_that_waits_or_is_dead_in_any_queue_is_refused() {
    let s = Station::with(&[KEY]).await;
    let request = s.f.request("agent:new:main").await;
    let row = json!({ "id": request, "project_id": "p1", "agent_key": KEY, "type": "stop" });
    let waiting = s.insert(s.f.owner, &row).await.expect_err("it waits");
    assert_eq!(code(&waiting), "PT409");
    s.f.admin
        .batch_execute("update creel.items set deadline_at = now()")
        .await
        .expect("let it end");
    s.f.sweep().await;
    assert_eq!(s.dead_letters().await, 1);
    let dead = s.insert(s.f.owner, &row).await.expect_err("it is dead");
    assert_eq!(code(&dead), "PT409");
    assert!(message(&dead).contains("has this id"), "{dead:?}");
    assert_eq!(
        s.agent(KEY).await["desired_state"],
        json!("running"),
        "nothing of it stays"
    );
    let row = json!({ "id": Uuid::new_v4(), "project_id": "p1", "agent_key": KEY, "type": "stop" });
    s.insert(s.f.owner, &row).await.expect("a new id may be chosen");
}
