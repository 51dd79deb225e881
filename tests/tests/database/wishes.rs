//! Wishes in both directions: a command changes the agent's row, and a changed row sends the command that fits.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::station::{Station, code};

const KEY: &str = "agent:scout:main";

/// What the existing dashboard writes when somebody saves the agent's form.
const UPSERT: &str = "insert into agents (project_id, agent_key, name, role, emoji, color, provisioned, status)
  values ('p1', 'agent:scout:main', 'Scout', null, null, '#fff', false, 'pending_deploy')
  on conflict (project_id, agent_key) do update set name = excluded.name, role = excluded.role, emoji = excluded.emoji,
    color = excluded.color, provisioned = excluded.provisioned, status = excluded.status";

#[tokio::test]
async fn each_command_writes_its_wish() {
    let s = Station::with(&[KEY]).await;
    let mut generation = 1;
    for (kind, desired) in [
        ("stop", "stopped"),
        ("start", "running"),
        ("stop", "stopped"),
        ("restart", "running"),
        ("undeploy", "removed"),
        ("deploy", "running"),
    ] {
        s.send(KEY, kind, json!({})).await;
        generation += 1;
        let agent = s.agent(KEY).await;
        assert_eq!(agent["desired_state"], json!(desired), "{kind}");
        assert_eq!(agent["generation"], json!(generation), "{kind}");
    }
    s.send(KEY, "restart", json!({})).await;
    assert_eq!(
        s.agent(KEY).await["generation"],
        json!(generation),
        "nothing was changed"
    );
}

#[tokio::test]
async fn an_update_is_merged_into_the_row_and_the_documents() {
    let s = Station::with(&[KEY]).await;
    let config = json!({ "model": "a/1", "thinking": "low", "channels": { "web": true }, "own": [1] });
    s.send(
        KEY,
        "update_config",
        json!({ "config": config, "limits": { "ram_mb": 512, "cpu_percent": 50 } }),
    )
    .await;
    let sent = s
        .send(
            KEY,
            "update_config",
            json!({ "name": "Owl", "emoji": "🦉", "role": null, "config": { "model": "b/2", "thinking": null },
              "limits": { "cpu_percent": null }, "docs": { "soul": "Be wise.", "user": "Ann" } }),
        )
        .await;
    let agent = s.agent(KEY).await;
    assert_eq!(agent["name"], json!("Owl"));
    assert_eq!(agent["emoji"], json!("🦉"));
    assert_eq!(agent["role"], Value::Null);
    assert_eq!(
        agent["config"],
        json!({ "model": "b/2", "channels": { "web": true }, "own": [1] })
    );
    assert_eq!(agent["limits"], json!({ "ram_mb": 512 }));
    assert_eq!(agent["generation"], json!(3));
    assert_eq!(
        s.commands(KEY).await,
        ["update_config failed superseded", "update_config pending"],
        "the row has what the older one said"
    );
    assert!(
        !sent["payload"].to_string().contains("Be wise."),
        "documents are no part of what Realtime publishes: {sent}"
    );
    s.send(KEY, "update_config", json!({ "docs": { "soul": "Be wiser." } }))
        .await;
    let docs =
        s.f.admin
            .query(
                "select doc_type, content, version from brain_docs order by 1",
                &[],
            )
            .await
            .expect("read");
    let docs: Vec<(String, String, i32)> = docs.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect();
    assert_eq!(
        docs,
        [
            ("soul".to_owned(), "Be wiser.".to_owned(), 2),
            ("user".to_owned(), "Ann".to_owned(), 1)
        ]
    );
    assert_eq!(
        s.agent(KEY).await["generation"],
        json!(4),
        "a new document is a change"
    );
    let author =
        s.f.admin
            .query_one("select distinct author_kind from brain_doc_versions", &[])
            .await
            .expect("one kind");
    assert_eq!(author.get::<_, String>(0), "person");
}

#[tokio::test]
async fn a_member_who_changes_the_row_sends_one_command() {
    // What is written, what is sent for it.
    let cases: [(&str, &[&str]); 12] = [
        ("desired_state = 'stopped'", &["stop"]),
        ("desired_state = 'removed'", &["undeploy"]),
        ("name = 'Owl'", &["update_config"]),
        (
            "emoji = '🦉', role = 'bird', config = '{\"model\": \"x\"}', limits = '{\"ram_mb\": 5}'",
            &["update_config"],
        ),
        (
            "name = 'Owl', desired_state = 'stopped'",
            &["stop", "update_config"],
        ),
        ("backend = 'profile'", &["deploy"]),
        ("backend = 'profile', name = 'Owl'", &["deploy"]),
        ("color = '#123'", &[]),
        ("desired_state = 'running', name = 'Scout'", &[]),
        ("provisioned = false, status = 'error', generation = 77", &[]),
        ("desired_state = 'removed', name = 'Owl'", &["undeploy"]),
        ("updated_at = now()", &[]),
    ];
    let keys: Vec<String> = (0..cases.len()).map(|n| format!("agent:a{n}:main")).collect();
    let s = Station::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (key, (change, sent)) in keys.iter().zip(cases) {
        let sql = format!("update agents set {change} where agent_key = '{key}'");
        s.f.as_person(s.f.owner, &sql).await.expect(change);
        assert_eq!(s.open(key).await, sent, "{change}");
        assert_eq!(s.commands(key).await.len(), sent.len(), "{change}");
        let agent = s.agent(key).await;
        let changed = i64::from(!sent.is_empty());
        assert_eq!(agent["generation"], json!(1 + changed), "counted once: {change}");
        if change.starts_with("backend") {
            let from = "select payload from agent_commands where agent_key = $1";
            let payload = s.f.admin.query_one(from, &[key]).await.expect("read");
            assert_eq!(
                payload.get::<_, Value>(0),
                json!({ "previous_backend": "shared" })
            );
        }
        s.f.as_person(s.f.owner, &sql)
            .await
            .expect("write the same again");
        assert_eq!(
            s.commands(key).await.len(),
            sent.len(),
            "no change, no command: {change}"
        );
    }
}

#[tokio::test]
async fn the_page_s_upsert_sends_a_command_only_for_what_it_changes() {
    let s = Station::with(&[KEY]).await;
    s.f.as_person(s.f.owner, UPSERT).await.expect("save the form");
    assert!(s.commands(KEY).await.is_empty());
    assert_eq!(s.agent(KEY).await["provisioned"], json!(true));
    let renamed = UPSERT.replace("'Scout'", "'Owl'");
    s.f.as_person(s.f.owner, &renamed).await.expect("save the form");
    s.f.as_person(s.f.owner, &renamed).await.expect("save it again");
    assert_eq!(s.commands(KEY).await, ["update_config pending"]);
}

#[tokio::test]
async fn what_is_not_deployed_is_changed_without_a_command() {
    let s = Station::with(&[]).await;
    s.send_new(KEY).await;
    for change in [
        "name = 'Owl'",
        "desired_state = 'stopped'",
        "desired_state = 'running'",
        "backend = 'profile'",
    ] {
        s.f.as_person(s.f.owner, &format!("update agents set {change}"))
            .await
            .expect(change);
    }
    assert!(s.commands(KEY).await.is_empty());
    // A deployment takes the row as it is then; what is written while it waits needs nothing more.
    s.send(KEY, "deploy", json!({})).await;
    s.f.as_person(s.f.owner, "update agents set config = '{\"model\": \"m\"}'")
        .await
        .expect("write");
    assert_eq!(s.open(KEY).await, ["deploy"]);
    let item = s.host.claim(1).await.pop().expect("a deployment");
    assert_eq!(item["agent"]["config"], json!({ "model": "m" }));
    assert_eq!(item["agent"]["backend"], json!("profile"));
}

#[tokio::test]
async fn hosts_and_operators_write_the_row_without_a_command() {
    let s = Station::with(&[KEY]).await;
    s.f.admin
        .batch_execute("update agents set name = 'Owl', desired_state = 'stopped'")
        .await
        .expect("write");
    assert!(s.commands(KEY).await.is_empty());
}

#[tokio::test]
async fn deleting_the_row_undeploys_first_and_the_row_goes_when_that_is_done() {
    let s = Station::with(&[KEY]).await;
    s.send(KEY, "start", json!({})).await;
    let gone = "delete from agents";
    assert_eq!(s.f.as_person(s.f.owner, gone).await.expect("delete"), 0);
    assert_eq!(s.f.as_person(s.f.owner, gone).await.expect("delete again"), 0);
    assert_eq!(s.open(KEY).await, ["undeploy"]);
    let agent = s.agent(KEY).await;
    assert_eq!(agent["desired_state"], json!("removed"));
    assert!(agent["deleting_since"].is_string());
    let refused =
        s.f.as_person(s.f.owner, "update agents set deleting_since = null returning id")
            .await;
    assert_eq!(refused.expect("ignored"), 1);
    assert!(
        s.agent(KEY).await["deleting_since"].is_string(),
        "not a member's to write"
    );

    // A host that cannot do it yet keeps the row.
    let held = s.take("undeploy").await;
    let result = json!({ "ok": false, "error": { "code": "busy", "message": "busy", "hint": "" } });
    s.finish(held, "retry", result).await;
    assert_ne!(s.agent(KEY).await, Value::Null);
    s.f.pass(400).await;
    assert_eq!(s.work().await, ["undeploy"]);
    assert_eq!(s.agent(KEY).await, Value::Null);
    let left = s
        .f
        .admin
        .query_one(
            "select (select count(*) from agent_commands) + (select count(*) from creel.items) + (select count(*) from creel.lanes)",
            &[],
        )
        .await
        .expect("count");
    assert_eq!(left.get::<_, i64>(0), 0);
    assert!(
        s.events(KEY).await.contains(&"agent.removed".to_owned()),
        "what happened is still told"
    );
    // The key is free again.
    s.send_new(KEY).await;
    s.send(KEY, "deploy", json!({})).await;
    assert_eq!(s.work().await, ["deploy"]);
}

#[tokio::test]
async fn whoever_may_do_everything_wishes_it_away_as_well() {
    for role in ["postgres", "service_role"] {
        let s = Station::with(&[KEY]).await;
        s.f.admin
            .batch_execute(&format!(
                "set role {role}; delete from agents; delete from agents; reset role"
            ))
            .await
            .expect("delete it, and again");
        assert_eq!(s.open(KEY).await, ["undeploy"], "{role}");
        assert_eq!(s.work().await, ["undeploy"]);
        assert_eq!(s.agent(KEY).await, Value::Null, "{role}");
    }
    // Where it cannot be removed, an operator can do without.
    let s = Station::with(&[KEY]).await;
    let gone = "delete from agents";
    assert_eq!(s.f.admin.execute(gone, &[]).await.expect("delete"), 0);
    let held = s.take("undeploy").await;
    let result = json!({ "ok": false, "error": { "code": "x", "message": "no room", "hint": "" } });
    s.finish(held, "failed", result).await;
    assert_eq!(s.f.admin.execute(gone, &[]).await.expect("delete again"), 1);
    // What no host will ever remove goes at once.
    let s = Station::with(&[KEY]).await;
    s.f.admin
        .batch_execute("update hosts set status = 'retired'; delete from agents")
        .await
        .expect("delete it");
    assert_eq!(s.agent(KEY).await, Value::Null);
    // And a project takes with it what it has.
    let s = Station::with(&[KEY]).await;
    let gone = s.f.admin.execute("delete from projects", &[]).await;
    assert_eq!(gone.expect("delete the project"), 1);
    assert_eq!(s.agent(KEY).await, Value::Null);
}

#[tokio::test]
async fn an_undeploy_alone_keeps_the_row() {
    let s = Station::with(&[KEY]).await;
    s.f.as_person(s.f.owner, "update agents set desired_state = 'removed'")
        .await
        .expect("write");
    s.work().await;
    let agent = s.agent(KEY).await;
    assert_eq!(agent["status"], json!("removed"));
    assert_eq!(agent["deleting_since"], Value::Null);
    // And deleting it then needs no host.
    assert_eq!(
        s.f.as_person(s.f.owner, "delete from agents")
            .await
            .expect("delete"),
        1
    );
}

#[tokio::test]
async fn an_undeploy_that_failed_is_sent_again_by_deleting_again() {
    let s = Station::with(&[KEY]).await;
    s.f.as_person(s.f.owner, "delete from agents")
        .await
        .expect("delete");
    let held = s.take("undeploy").await;
    let result =
        json!({ "ok": false, "error": { "code": "x", "message": "no room for the archive", "hint": "" } });
    s.finish(held, "failed", result).await;
    assert_ne!(s.agent(KEY).await, Value::Null);
    assert_eq!(s.dead_letters().await, 1);
    s.f.as_person(s.f.owner, "delete from agents")
        .await
        .expect("delete again");
    assert_eq!(s.dead_letters().await, 0);
    s.work().await;
    assert_eq!(s.agent(KEY).await, Value::Null);
}

#[tokio::test]
async fn whoever_wants_the_agent_back_has_the_last_word() {
    for way in ["row", "command", "request", "call"] {
        for begun in [false, true] {
            let s = Station::with(&[KEY]).await;
            s.f.as_person(s.f.owner, "delete from agents")
                .await
                .expect("delete");
            let held = if begun {
                Some(s.take("undeploy").await)
            } else {
                None
            };
            match way {
                "row" => {
                    let back = "update agents set desired_state = 'running'";
                    s.f.as_person(s.f.owner, back).await.expect("take it back");
                }
                "command" => {
                    s.send(KEY, "start", json!({})).await;
                }
                "request" => {
                    let request = "insert into agent_provision_requests (project_id, agent_key) values ('p1', 'agent:scout:main')";
                    s.f.as_person(s.f.owner, UPSERT).await.expect("save the form");
                    s.f.as_person(s.f.owner, request).await.expect("ask for it");
                }
                _ => {
                    let call = "select request_provision('{\"project_id\": \"p1\", \"agent_key\": \"agent:scout:main\"}')";
                    s.f.ask_as_person(s.f.owner, call).await.expect("ask for it");
                }
            }
            let open = s.open(KEY).await;
            assert_eq!(
                open.contains(&"undeploy".to_owned()),
                begun,
                "{way}, {begun}: {open:?}"
            );
            if let Some(held) = held {
                s.finish(held, "done", json!({ "ok": true, "state": "removed" }))
                    .await;
            }
            s.work().await;
            let agent = s.agent(KEY).await;
            assert_eq!(agent["desired_state"], json!("running"), "{way}, {begun}");
            assert_eq!(agent["deleting_since"], Value::Null, "{way}, {begun}");
            assert_eq!(agent["provisioned"], json!(true), "{way}, {begun}");
            assert_eq!(agent["status"], json!("running"), "{way}, {begun}");
        }
    }
}

#[tokio::test]
async fn what_is_being_removed_is_neither_stopped_nor_changed() {
    let s = Station::with(&[KEY]).await;
    s.f.as_person(s.f.owner, "delete from agents")
        .await
        .expect("delete");
    for kind in ["stop", "update_config"] {
        let refused = s
            .try_send(s.f.owner, KEY, kind, &json!({}))
            .await
            .expect_err(kind);
        assert_eq!(code(&refused), "PT409", "{kind}");
    }
    // A form that is saved meanwhile is saved, and brings nothing back.
    s.f.as_person(s.f.owner, &UPSERT.replace("'Scout'", "'Owl'"))
        .await
        .expect("save the form");
    assert_eq!(s.open(KEY).await, ["undeploy"]);
}

#[tokio::test]
async fn many_at_once_are_commanded_at_once() {
    let keys: Vec<String> = (0..50).map(|n| format!("agent:a{n}:main")).collect();
    let s = Station::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let all = "insert into agent_commands (agent_id, type) select id, 'restart' from agents";
    assert_eq!(s.f.as_person(s.f.owner, all).await.expect("send"), 50);
    s.f.as_person(s.f.owner, "update agents set desired_state = 'stopped'")
        .await
        .expect("write");
    s.f.as_person(s.f.owner, "delete from agents")
        .await
        .expect("delete");
    let open =
        s.f.admin
            .query(
                "select c.type from creel.items i join agent_commands c on c.id = i.item_id",
                &[],
            )
            .await
            .expect("read");
    assert_eq!(open.len(), 50);
    assert!(open.iter().all(|row| row.get::<_, String>(0) == "undeploy"));
    assert_eq!(s.work().await.len(), 50);
    let left = s.f.admin.query("select from agents", &[]).await.expect("read");
    assert!(left.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_click_while_the_host_works_lose_nothing_and_nobody_waits_for_ever() {
    let s = Station::with(&[KEY, "agent:other:main"]).await;
    let owner = s.f.owner;
    let mut clicking = Vec::new();
    for person in 0..4 {
        let client = s.f.test.postgres().await.expect("connect");
        let claims = json!({ "sub": owner, "role": "authenticated" }).to_string();
        client
            .execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
            .await
            .expect("be a person");
        client
            .batch_execute("set role authenticated")
            .await
            .expect("be a person");
        clicking.push(tokio::spawn(async move {
            let mut refused = 0;
            for n in 0..25 {
                let sql = match (person + n) % 5 {
                    0 => "insert into agent_commands (agent_id, type) select id, 'start' from agents order by agent_key".to_owned(),
                    1 => "insert into agent_commands (agent_id, type) select id, 'stop' from agents order by agent_key desc".to_owned(),
                    2 => "insert into agent_commands (agent_id, type) select id, 'restart' from agents limit 1".to_owned(),
                    3 => format!("update agents set name = 'n{person}-{n}'"),
                    _ => "update agents set desired_state = case desired_state when 'running' then 'stopped' else 'running' end".to_owned(),
                };
                if let Err(error) = client.batch_execute(&sql).await {
                    assert_eq!(code(&error), "40P01", "{error:?}");
                    refused += 1;
                }
            }
            refused
        }));
    }
    let mut finished = 0;
    while clicking.iter().any(|c| !c.is_finished()) {
        let args = json!({ "api": 1, "session": s.host.session, "limit": 10, "woken_by": "poll" });
        let Ok(reply) = s.host.call("claim", &args).await else {
            continue;
        };
        for item in reply["items"].as_array().expect("items") {
            let result = json!({ "ok": true, "state": "running" });
            let finish = json!({ "api": 1, "items": [{ "token": item["token"], "outcome": "done", "result": result }] });
            // A host that gave way asks again.
            while s.host.call("finish", &finish).await.is_err() {}
            finished += 1;
        }
    }
    let mut refused = 0;
    for clicks in clicking {
        refused += clicks.await.expect("a person ends");
    }
    assert!(
        refused <= 5,
        "two people who write one agent at the same moment are rare: {refused}"
    );
    s.f.pass(5).await;
    finished += s.work().await.len();
    assert!(finished > 0);
    for key in [KEY, "agent:other:main"] {
        assert!(s.open(key).await.is_empty());
        let ended = s.commands(key).await;
        assert!(
            ended
                .iter()
                .all(|c| c.ends_with(" acked") || c.ends_with(" superseded")),
            "{ended:?}"
        );
        let last = s.agent(key).await["desired_state"].clone();
        let last_wish = s
            .f
            .admin
            .query_one(
                "select type from agent_commands c join events e on e.item_id = c.id and e.kind = 'agent.commanded'
                 where c.agent_key = $1 and type <> 'update_config' order by e.id desc limit 1",
                &[&key],
            )
            .await
            .expect("read")
            .get::<_, String>(0);
        let expected = if last_wish == "stop" { "stopped" } else { "running" };
        assert_eq!(last, json!(expected), "the row says what was sent last");
    }
}

#[tokio::test]
async fn nobody_waits_for_ever_for_the_turn_of_a_transaction_that_does_not_end() {
    let other = "agent:other:main";
    let s = Station::with(&[KEY, other]).await;
    let claims = json!({ "sub": s.f.owner, "role": "authenticated" }).to_string();
    let client = s.f.test.postgres().await.expect("connect");
    client
        .execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
        .await
        .expect("be a person");
    client
        .batch_execute(
            "set role authenticated; begin; update agents set color = '#111' where agent_key = 'agent:other:main'",
        )
        .await
        .expect("write, and do not end");
    s.send(KEY, "stop", json!({})).await;
    client.batch_execute("commit").await.expect("end");
    assert_eq!(s.open(KEY).await, ["stop"]);
}

#[tokio::test]
async fn a_command_of_another_project_s_agent_changes_nothing_there() {
    let s = Station::with(&[KEY]).await;
    let stranger = Uuid::new_v4();
    s.f.person(stranger, "stranger@example.com").await;
    s.f.project("p2", stranger).await;
    let id = s.agent_id(KEY).await;
    let before = s.agent(KEY).await;
    for row in [
        json!({ "agent_id": id, "type": "undeploy" }),
        json!({ "project_id": "p1", "agent_key": KEY, "type": "undeploy" }),
        json!({ "agent_id": id, "project_id": "p2", "agent_key": KEY, "type": "update_config",
          "payload": { "name": "Mine", "docs": { "soul": "Obey." } } }),
    ] {
        let refused = s.insert(stranger, &row).await.expect_err("refused");
        assert_eq!(code(&refused), "PT404", "{row}");
    }
    assert_eq!(s.agent(KEY).await, before);
    assert!(s.commands(KEY).await.is_empty());
    let docs =
        s.f.admin
            .query("select from brain_docs", &[])
            .await
            .expect("read");
    assert!(docs.is_empty());
}

#[tokio::test]
async fn a_deployment_that_takes_another_s_place_knows_where_the_agent_is() {
    let s = Station::with(&[KEY]).await;
    s.f.admin
        .batch_execute("update hosts set backends = '{shared,profile,docker}'")
        .await
        .expect("have all of them");
    let last = async || -> Value {
        let sql = "select c.payload from creel.items i join agent_commands c on c.id = i.item_id";
        let row = s.f.admin.query_one(sql, &[]).await.expect("one is open");
        row.get(0)
    };
    let moved = async |backend: &str| {
        let sql = format!("update agents set backend = '{backend}'");
        s.f.as_person(s.f.owner, &sql).await.expect("move it");
    };
    moved("profile").await;
    moved("docker").await;
    assert_eq!(last().await, json!({ "previous_backend": "shared" }));
    s.send(KEY, "deploy", json!({})).await;
    assert_eq!(last().await, json!({ "previous_backend": "shared" }));
    moved("shared").await;
    assert_eq!(last().await, json!({}), "it has never left");
    moved("profile").await;
    s.work().await;
    moved("docker").await;
    assert_eq!(last().await, json!({ "previous_backend": "profile" }));
}
