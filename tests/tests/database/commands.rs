//! Commands: which make which needless, how one that is at work is cancelled, and what becomes of the agent.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::token;
use crate::station::Station;

const KEY: &str = "agent:scout:main";

/// A notification comes with the commit.
const HEARD_LIMIT: Duration = Duration::from_secs(30);

fn id_of(row: &Value) -> Uuid {
    row["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

#[tokio::test]
async fn a_command_is_claimed_once_acknowledged_once_and_told() {
    let s = Station::with(&[KEY]).await;
    let sent = s.send(KEY, "restart", json!({})).await;
    assert_eq!(sent["status"], json!("pending"));
    assert_eq!(sent["created_by"], json!(s.f.owner));
    assert_eq!(sent["host_id"], json!(s.host.host));
    let held = s.take("restart").await;
    assert!(s.host.claim(10).await.is_empty());
    let done = json!({ "ok": true, "state": "running", "port": 19001, "generation": 1, "steps": [{ "step": "start", "ms": 3 }] });
    assert_eq!(
        s.finish(held, "done", done.clone()).await["status"],
        json!("acked")
    );
    assert_eq!(
        s.finish(held, "failed", json!({})).await["applied"],
        json!(false),
        "a second answer changes nothing"
    );
    let row = s
        .f
        .admin
        .query_one(
            "select result, error is null and sent_at is not null and acked_at is not null from agent_commands",
            &[],
        )
        .await
        .expect("read");
    assert_eq!(row.get::<_, Value>(0), done);
    assert!(row.get::<_, bool>(1));
    assert_eq!(s.events(KEY).await, ["agent.commanded", "agent.command_done"]);
}

#[tokio::test]
async fn a_newer_command_ends_the_older_ones_that_it_makes_needless() {
    // What is sent in this order leaves this to be done.
    let cases: [(&[&str], &[&str]); 22] = [
        (&["start", "stop"], &["stop"]),
        (&["restart", "stop"], &["stop"]),
        (&["stop", "stop"], &["stop"]),
        (&["stop", "start"], &["start"]),
        (&["start", "start"], &["start"]),
        (&["stop", "restart"], &["restart"]),
        (&["restart", "restart"], &["restart"]),
        (&["restart", "start"], &["restart", "start"]),
        (&["deploy", "stop"], &["deploy", "stop"]),
        (&["deploy", "start"], &["deploy", "start"]),
        (&["deploy", "deploy"], &["deploy"]),
        (&["start", "deploy"], &["deploy"]),
        (&["stop", "deploy"], &["deploy"]),
        (&["restart", "deploy"], &["restart", "deploy"]),
        (&["update_config", "update_config"], &["update_config"]),
        (&["update_config", "stop"], &["update_config", "stop"]),
        (&["stop", "update_config"], &["stop", "update_config"]),
        (&["update_config", "deploy"], &["update_config", "deploy"]),
        (
            &["deploy", "update_config", "start", "stop", "undeploy"],
            &["undeploy"],
        ),
        (&["undeploy", "undeploy"], &["undeploy"]),
        (&["undeploy", "deploy"], &["deploy"]),
        (&["start", "stop", "start", "stop", "start"], &["start"]),
    ];
    let keys: Vec<String> = (0..cases.len()).map(|n| format!("agent:a{n}:main")).collect();
    let s = Station::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (key, (sent, left)) in keys.iter().zip(cases) {
        for kind in sent {
            s.send(key, kind, json!({})).await;
        }
        assert_eq!(s.open(key).await, left, "after {sent:?}");
        let ended = s.commands(key).await;
        let superseded = ended.iter().filter(|c| c.ends_with(" failed superseded")).count();
        assert_eq!(superseded, sent.len() - left.len(), "{ended:?}");
        // The same in one statement.
        let many: Vec<String> = sent
            .iter()
            .map(|kind| format!("('p1', '{key}', '{kind}')"))
            .collect();
        s.f.admin
            .batch_execute(&format!(
                "delete from agent_commands where agent_key = '{key}';
                 update agents set desired_state = 'running' where agent_key = '{key}';
                 insert into agent_commands (project_id, agent_key, type) values {}",
                many.join(", ")
            ))
            .await
            .expect("send all at once");
        assert_eq!(s.open(key).await, left, "all at once: {sent:?}");
    }
    assert_eq!(s.dead_letters().await, 0, "nobody must look at these");
}

#[tokio::test]
async fn a_host_that_was_off_for_a_day_finds_what_is_wished_for_and_not_how_it_came_to_that() {
    let s = Station::with(&[KEY]).await;
    s.send(KEY, "deploy", json!({})).await;
    for day in 0..40 {
        let name = json!({ "name": format!("Scout {day}"), "config": { "model": format!("m{day}") } });
        s.send(KEY, "update_config", name).await;
        for kind in ["stop", "restart", "stop", "start"] {
            s.send(KEY, kind, json!({})).await;
        }
    }
    assert_eq!(s.open(KEY).await, ["deploy", "update_config", "start"]);
    let agent = s.agent(KEY).await;
    assert_eq!(agent["name"], json!("Scout 39"));
    assert_eq!(agent["config"], json!({ "model": "m39" }));
    assert_eq!(agent["desired_state"], json!("running"));
    assert_eq!(s.work().await, ["deploy", "update_config", "start"]);
    assert_eq!(s.dead_letters().await, 0);
}

#[tokio::test]
async fn a_superseded_command_says_what_took_its_place() {
    let s = Station::with(&[KEY]).await;
    let start = s.send(KEY, "start", json!({})).await;
    s.send(KEY, "stop", json!({})).await;
    let row =
        s.f.admin
            .query_one(
                "select status, error, result, acked_at is not null from agent_commands where id = $1",
                &[&id_of(&start)],
            )
            .await
            .expect("read");
    assert_eq!(row.get::<_, String>(0), "failed");
    assert_eq!(row.get::<_, String>(1), "a newer stop took its place");
    assert_eq!(row.get::<_, Value>(2)["error"]["code"], json!("superseded"));
    assert!(row.get::<_, bool>(3));
    assert_eq!(
        s.agent(KEY).await["status"],
        json!("running"),
        "nothing happened to the agent"
    );
}

#[tokio::test]
async fn what_is_at_work_is_cancelled_by_a_stop_and_the_host_is_told_at_once() {
    let s = Station::with(&[KEY, "agent:other:main"]).await;
    s.send(KEY, "start", json!({})).await;
    let held = s.take("start").await;
    s.send("agent:other:main", "start", json!({})).await;
    let other = s.take("start").await;
    let mut heard = s.listen().await;
    s.send(KEY, "stop", json!({})).await;
    let cancel = format!("{} cancel", s.host.host);
    while tokio::time::timeout(HEARD_LIMIT, heard.recv())
        .await
        .expect("notified in time")
        != Some(cancel.clone())
    {}
    let reply = s.host.tick(&[held, other]).await;
    assert_eq!(reply["cancel"], json!([held]));
    assert_eq!(
        reply["lost"],
        json!([]),
        "it is still held, and may still say what it came to"
    );
    assert!(
        s.host.claim(10).await.is_empty(),
        "the stop waits until the start has ended"
    );
    let superseded =
        json!({ "ok": false, "error": { "code": "superseded", "message": "cancelled", "hint": "" } });
    assert_eq!(
        s.finish(held, "failed", superseded).await["status"],
        json!("failed")
    );
    assert_eq!(
        s.agent(KEY).await["status"],
        json!("running"),
        "no error of the agent"
    );
    assert_eq!(s.dead_letters().await, 0);
    let held = s.take("stop").await;
    s.finish(held, "done", json!({ "ok": true, "state": "stopped" }))
        .await;
    assert_eq!(s.agent(KEY).await["status"], json!("stopped"));
    assert_eq!(s.commands(KEY).await, ["start failed superseded", "stop acked"]);
}

#[tokio::test]
async fn only_what_would_be_undone_is_cancelled() {
    // What is at work, what comes, whether the first is cancelled.
    let cases = [
        ("deploy", "stop", false),
        ("deploy", "undeploy", true),
        ("start", "stop", true),
        ("start", "start", false),
        ("start", "update_config", false),
        ("start", "undeploy", true),
        ("restart", "stop", true),
        ("stop", "start", false),
        ("stop", "stop", false),
        ("stop", "undeploy", false),
        ("update_config", "stop", false),
        ("update_config", "undeploy", true),
        ("update_config", "update_config", false),
        ("undeploy", "undeploy", false),
        ("undeploy", "deploy", false),
    ];
    let keys: Vec<String> = (0..cases.len()).map(|n| format!("agent:a{n}:main")).collect();
    let s = Station::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (key, (first, second, cancelled)) in keys.iter().zip(cases) {
        s.send(key, first, json!({})).await;
        let held = s.take(first).await;
        s.send(key, second, json!({})).await;
        let expected = if cancelled { json!([held]) } else { json!([]) };
        assert_eq!(
            s.host.tick(&[held]).await["cancel"],
            expected,
            "{second} while {first} is at work"
        );
        assert_eq!(s.open(key).await, [first, second]);
        s.finish(held, "done", json!({ "ok": true })).await;
        s.work().await;
    }
}

#[tokio::test]
async fn a_cancelled_command_is_never_begun_again_however_its_host_gives_it_up() {
    for way in ["retry", "release", "lease", "forgotten", "restarted"] {
        let mut s = Station::with(&[KEY]).await;
        s.send(KEY, "start", json!({})).await;
        let held = s.take("start").await;
        s.send(KEY, "stop", json!({})).await;
        match way {
            "retry" => {
                let result = json!({ "ok": false, "error": { "code": "x", "message": "m", "hint": "h" } });
                s.finish(held, "retry", result).await;
            }
            "release" => assert_eq!(s.host.release(&[held], false).await, 1),
            "lease" => {
                s.f.pass(60).await;
                s.f.sweep().await;
            }
            "forgotten" => {
                s.f.pass(10).await;
                s.host.tick(&[]).await;
            }
            _ => {
                s.host.session = Uuid::new_v4();
                assert_eq!(s.host.release(&[], true).await, 1);
            }
        }
        assert_eq!(
            s.commands(KEY).await,
            ["start failed superseded", "stop pending"],
            "{way}"
        );
        assert_eq!(s.dead_letters().await, 0, "{way}");
        let held = s.take("stop").await;
        s.finish(held, "done", json!({ "ok": true, "state": "stopped" }))
            .await;
    }
}

#[tokio::test]
async fn a_cancelled_command_that_was_done_already_is_done() {
    let s = Station::with(&[KEY]).await;
    s.send(KEY, "start", json!({})).await;
    let held = s.take("start").await;
    s.send(KEY, "stop", json!({})).await;
    s.finish(held, "done", json!({ "ok": true, "state": "running" }))
        .await;
    assert_eq!(s.work().await, ["stop"]);
    assert_eq!(s.commands(KEY).await, ["start acked", "stop acked"]);
    assert_eq!(s.agent(KEY).await["status"], json!("stopped"));
}

#[tokio::test]
async fn an_undeploy_ends_a_request_that_waits_or_is_at_work() {
    let s = Station::with(&[KEY]).await;
    let request = s.f.request(KEY).await;
    s.send(KEY, "undeploy", json!({})).await;
    assert_eq!(s.open(KEY).await, ["undeploy"]);
    assert_eq!(s.f.status(request).await, "error");
    assert_eq!(s.f.result(request).await["error"]["code"], json!("superseded"));
    assert_eq!(s.dead_letters().await, 0);
    // Nor is that an error of an agent that was not made yet.
    let unmade = "agent:unmade:main";
    s.f.request(unmade).await;
    s.send(unmade, "undeploy", json!({})).await;
    assert_eq!(s.agent(unmade).await["status"], json!("removed"));
    assert!(
        !s.events(unmade)
            .await
            .contains(&"agent.provision_failed".to_owned())
    );

    // At work, the host is told to stop, and it makes no agent that is to go: whatever becomes of the one that is at
    // work, and also by deleting a row that is being made for the first time.
    for way in ["finish", "retry", "release", "lease"] {
        let s = Station::with(&[]).await;
        s.send_new(KEY).await;
        let request = s.f.request(KEY).await;
        let held = s.host.claim_one().await;
        let mut heard = s.listen().await;
        s.f.as_person(s.f.owner, "delete from agents")
            .await
            .expect("delete");
        let cancel = format!("{} cancel", s.host.host);
        while tokio::time::timeout(HEARD_LIMIT, heard.recv())
            .await
            .expect("notified in time")
            != Some(cancel.clone())
        {}
        assert_eq!(s.host.tick(&[held]).await["cancel"], json!([held]), "{way}");
        assert_eq!(
            s.open(KEY).await,
            ["agent_provision_requests", "undeploy"],
            "{way}"
        );
        match way {
            "finish" => {
                let superseded =
                    json!({ "ok": false, "error": { "code": "superseded", "message": "m", "hint": "" } });
                s.finish(held, "failed", superseded).await;
            }
            "retry" => {
                let broken = json!({ "ok": false, "error": { "code": "x", "message": "m", "hint": "h" } });
                s.finish(held, "retry", broken).await;
            }
            "release" => assert_eq!(s.host.release(&[held], false).await, 1),
            _ => {
                s.f.pass(60).await;
                s.host.tick(&[]).await;
                s.f.sweep().await;
            }
        }
        assert_eq!(s.f.status(request).await, "error", "{way}");
        assert_eq!(
            s.f.result(request).await["error"]["code"],
            json!("superseded"),
            "{way}"
        );
        assert_eq!(s.dead_letters().await, 0, "{way}");
        assert!(
            !s.events(KEY).await.contains(&"agent.provision_failed".to_owned()),
            "{way}"
        );
        assert_eq!(s.work().await, ["undeploy"], "{way}");
        assert_eq!(s.agent(KEY).await, Value::Null, "{way}");
    }
}

#[tokio::test]
async fn an_agent_that_is_wanted_back_is_made_though_its_first_request_was_cancelled() {
    let s = Station::with(&[]).await;
    s.send_new(KEY).await;
    s.f.request(KEY).await;
    let held = s.host.claim_one().await;
    s.send(KEY, "undeploy", json!({})).await;
    s.f.as_person(s.f.owner, "update agents set desired_state = 'running'")
        .await
        .expect("take it back");
    let superseded = json!({ "ok": false, "error": { "code": "superseded", "message": "m", "hint": "" } });
    s.finish(held, "failed", superseded).await;
    assert_eq!(s.work().await, ["deploy"]);
    assert_eq!(s.agent(KEY).await["status"], json!("running"));
}

/// Whether a note says that the agent's host is gone.
async fn said_gone(s: &Station, key: &str) -> bool {
    let sql = "select result ->> 'note' from agent_commands where agent_key = $1 and type = 'undeploy'";
    let rows = s.f.admin.query(sql, &[&key]).await.expect("read");
    rows.iter()
        .all(|row| row.get::<_, String>(0).contains("host is gone"))
}

#[tokio::test]
async fn an_undeploy_whose_host_is_deleted_ends_visibly_and_goes_to_no_other() {
    let late = "agent:late:main";
    let s = Station::with(&[KEY, late]).await;
    let other = s.f.host(&["p1"]).await;
    other.tick(&[]).await;
    s.send(KEY, "update_config", json!({ "name": "Owl" })).await;
    s.send(KEY, "undeploy", json!({})).await;
    s.send(late, "undeploy", json!({})).await;
    // One of them is at work when the host goes.
    let args = json!({ "api": 1, "session": s.host.session, "limit": 1, "woken_by": "poll" });
    let reply = s.host.call("claim", &args).await.expect("claim");
    let begun = reply["items"][0]["row"]["agent_key"]
        .as_str()
        .expect("one is taken")
        .to_owned();
    let waits = if begun == KEY { late } else { KEY };
    s.f.admin
        .execute("delete from hosts where id = $1", &[&s.host.host])
        .await
        .expect("delete the host");
    assert_eq!(s.agent(waits).await["status"], json!("removed"), "at once");
    assert!(other.claim(10).await.is_empty());
    // Nor is it to be had by a wish for another host while its lease runs.
    let elsewhere = format!("update agents set host_id = '{}'", other.host);
    s.f.as_person(s.f.owner, &elsewhere).await.expect("wish for it");
    assert_eq!(s.agent(&begun).await["host_id"], Value::Null);
    assert!(other.claim(10).await.is_empty());
    s.f.pass(60).await;
    other.tick(&[]).await;
    s.f.sweep().await;
    assert!(
        other.claim(10).await.is_empty(),
        "nothing is given to the other host"
    );
    for key in [KEY, late] {
        assert!(s.open(key).await.is_empty(), "{key}");
        assert_eq!(s.agent(key).await["status"], json!("removed"), "{key}");
        assert!(said_gone(&s, key).await, "{key}");
        assert!(
            s.events(key).await.contains(&"agent.command_done".to_owned()),
            "{key}"
        );
    }
    assert_eq!(s.dead_letters().await, 0);
    let said =
        "select from events where kind = 'agent.command_done' and detail ->> 'note' like '%host is gone%'";
    assert_eq!(s.f.admin.query(said, &[]).await.expect("read").len(), 2);
}

#[tokio::test]
async fn an_agent_wanted_back_on_another_host_is_not_removed_there_first() {
    let s = Station::with(&[KEY]).await;
    let other = s.f.host(&["p1"]).await;
    other.tick(&[]).await;
    s.send(KEY, "undeploy", json!({})).await;
    s.take("undeploy").await;
    s.f.admin
        .execute("delete from hosts where id = $1", &[&s.host.host])
        .await
        .expect("delete the host");
    let back = format!(
        "update agents set desired_state = 'running', host_id = '{}'",
        other.host
    );
    s.f.as_person(s.f.owner, &back).await.expect("want it there");
    s.f.pass(60).await;
    other.tick(&[]).await;
    s.f.sweep().await;
    let items = other.claim(10).await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["row"]["type"], json!("deploy"));
    assert_eq!(s.commands(KEY).await[0], "undeploy acked");
}

#[tokio::test]
async fn commands_and_requests_of_one_agent_take_turns_in_their_order() {
    let s = Station::with(&[KEY]).await;
    s.f.request(KEY).await;
    s.send(KEY, "restart", json!({})).await;
    s.send(KEY, "update_config", json!({ "name": "Owl" })).await;
    assert_eq!(s.work().await, ["provision", "restart", "update_config"]);
}

#[tokio::test]
async fn the_agent_is_as_it_was_observed() {
    let s = Station::with(&[]).await;
    s.send_new(KEY).await;
    assert_eq!(s.agent(KEY).await["status"], json!("pending_deploy"));
    s.send(KEY, "deploy", json!({})).await;
    let held = s.take("deploy").await;
    assert_eq!(s.agent(KEY).await["status"], json!("deploying"));
    let done = json!({ "ok": true, "state": "running", "port": 19121, "profile": "creel-x", "workspace": "/agents/x/workspace",
      "pid": 7, "generation": 1 });
    s.finish(held, "done", done).await;
    let agent = s.agent(KEY).await;
    for (column, value) in [
        ("status", json!("running")),
        ("provisioned", json!(true)),
        ("port", json!(19121)),
        ("profile", json!("creel-x")),
        ("workspace_path", json!("/agents/x/workspace")),
        ("host_id", json!(s.host.host)),
        ("openclaw_id", json!("scout")),
    ] {
        assert_eq!(agent[column], value, "{column}");
    }
    // It did what was asked, and yet was not seen to run.
    s.send(KEY, "restart", json!({})).await;
    let held = s.take("restart").await;
    s.finish(held, "done", json!({ "ok": true, "state": "stopped" }))
        .await;
    assert_eq!(s.agent(KEY).await["status"], json!("stopped"));
    assert_eq!(
        s.agent(KEY).await["port"],
        json!(19121),
        "kept where nothing is said of it"
    );

    s.send(KEY, "undeploy", json!({})).await;
    let held = s.take("undeploy").await;
    s.finish(
        held,
        "done",
        json!({ "ok": true, "state": "removed", "archive": "/a.tar.gz" }),
    )
    .await;
    let agent = s.agent(KEY).await;
    for (column, value) in [
        ("status", json!("removed")),
        ("desired_state", json!("removed")),
        ("provisioned", json!(false)),
        ("port", Value::Null),
        ("profile", Value::Null),
        ("workspace_path", Value::Null),
        ("host_id", Value::Null),
        ("openclaw_id", Value::Null),
    ] {
        assert_eq!(agent[column], value, "{column}");
    }
    // And again, from the beginning.
    s.send(KEY, "start", json!({})).await;
    assert_eq!(s.agent(KEY).await["status"], json!("pending_deploy"));
    assert_eq!(s.work().await, ["deploy"], "what is not there is deployed");
    assert_eq!(s.agent(KEY).await["status"], json!("running"));
}

#[tokio::test]
async fn a_failure_is_an_error_of_the_agent_only_where_it_was_to_run() {
    for (kind, status) in [
        ("deploy", "error"),
        ("start", "error"),
        ("restart", "error"),
        ("stop", "running"),
        ("undeploy", "running"),
        ("update_config", "running"),
    ] {
        let s = Station::with(&[KEY]).await;
        let sent = s.send(KEY, kind, json!({})).await;
        let held = s.take(kind).await;
        let result = json!({ "ok": false, "error": { "code": "port_taken", "message": "port 19001 is taken", "hint": "h" } });
        s.finish(held, "failed", result).await;
        assert_eq!(s.agent(KEY).await["status"], json!(status), "{kind}");
        let error =
            s.f.one("select error from agent_commands where id = $1", id_of(&sent))
                .await;
        assert_eq!(error, "port 19001 is taken");
        assert_eq!(s.dead_letters().await, 1);
        assert_eq!(s.events(KEY).await, ["agent.commanded", "agent.command_failed"]);
        let note =
            s.f.admin
                .query("select state, note from agent_status", &[])
                .await
                .expect("read");
        if status == "error" {
            assert_eq!(note[0].get::<_, String>(0), "error");
            assert_eq!(note[0].get::<_, String>(1), "port 19001 is taken");
        } else {
            assert!(note.is_empty(), "{kind}");
        }
    }
}

#[tokio::test]
async fn nonsense_in_a_result_costs_nothing_but_itself() {
    let long = "x".repeat(70_000);
    let s = Station::with(&[KEY, "agent:other:main"]).await;
    for result in [
        json!({}),
        json!(null),
        json!([1]),
        json!("text"),
        json!({ "state": "levitating", "port": "19001", "workspace": 7, "profile": { "a": 1 } }),
        json!({ "state": "running", "port": 1e300, "workspace": "" }),
        json!({ "state": "running", "port": -1 }),
        json!({ "state": "running", "port": 1.5, "profile": long }),
        json!({ "state": "running", "log": long.repeat(20) }),
        json!({ "state": { "running": true }, "error": 7, "steps": "none" }),
    ] {
        s.send(KEY, "deploy", json!({})).await;
        s.send("agent:other:main", "stop", json!({})).await;
        let items = s.host.claim(10).await;
        let finishes: Vec<Value> = items
            .iter()
            .map(|item| json!({ "token": item["token"], "outcome": "done", "result":
              if item["row"]["type"] == json!("deploy") { result.clone() } else { json!({ "state": "stopped" }) } }))
            .collect();
        let reply = s
            .host
            .call("finish", &json!({ "api": 1, "items": finishes }))
            .await
            .unwrap_or_else(|e| panic!("{result:.100}: {e:?}"));
        for item in reply["items"].as_array().expect("items") {
            assert_eq!(item["status"], json!("acked"), "{result:.100}");
        }
        assert_eq!(s.agent("agent:other:main").await["status"], json!("stopped"));
        let agent = s.agent(KEY).await;
        assert_eq!(agent["workspace_path"], json!("/w"));
        assert_eq!(agent["port"], Value::Null);
    }
}

#[tokio::test]
async fn what_no_host_has_needs_no_host_to_be_stopped_changed_or_removed() {
    let s = Station::with(&[]).await;
    s.send_new(KEY).await;
    for kind in ["stop", "update_config"] {
        s.send(KEY, kind, json!({})).await;
        assert!(s.open(KEY).await.is_empty(), "{kind}");
    }
    assert_eq!(s.commands(KEY).await, ["stop acked", "update_config acked"]);
    let agent = s.agent(KEY).await;
    assert_eq!(agent["status"], json!("pending_deploy"), "nothing was observed");
    assert_eq!(agent["desired_state"], json!("stopped"));
    // A deployment that nobody has begun is needless with it.
    s.send(KEY, "deploy", json!({})).await;
    s.send(KEY, "undeploy", json!({})).await;
    assert!(s.open(KEY).await.is_empty());
    assert_eq!(s.agent(KEY).await["status"], json!("removed"));
    assert!(s.host.claim(10).await.is_empty(), "and no host is chosen for it");
    assert_eq!(s.agent(KEY).await["host_id"], Value::Null);
}

#[tokio::test]
async fn an_agent_whose_host_will_not_come_back_is_removed_without_it() {
    let s = Station::with(&[KEY, "agent:late:main"]).await;
    s.send("agent:late:main", "undeploy", json!({ "delete_row": true }))
        .await;
    s.f.admin
        .execute("update hosts set status = 'retired'", &[])
        .await
        .expect("retire it");
    s.send(KEY, "undeploy", json!({})).await;
    assert_eq!(s.agent(KEY).await["status"], json!("removed"));
    s.f.sweep().await;
    s.f.pass(130).await;
    s.f.sweep().await;
    assert_eq!(
        s.agent("agent:late:main").await,
        Value::Null,
        "also when the host was still there at first"
    );
}

#[tokio::test]
async fn a_dead_command_is_listed_redriven_and_forgotten_when_it_is_sent_anew() {
    let s = Station::with(&[KEY]).await;
    let failure = json!({ "ok": false, "error": { "code": "c", "message": "it broke", "hint": "mend it" } });
    let sent = s.send(KEY, "start", json!({})).await;
    let held = s.take("start").await;
    s.finish(held, "failed", failure.clone()).await;
    let listed =
        s.f.ask_as_person(s.f.owner, "select jsonb_agg(to_jsonb(d)) from dead_letters d")
            .await
            .expect("list");
    assert_eq!(listed[0]["type"], json!("start"));
    assert_eq!(listed[0]["error"]["message"], json!("it broke"));
    let why = format!("select why_pending('{}')", id_of(&sent));
    assert_eq!(
        s.f.ask_as_person(s.f.owner, &why).await.expect("ask")["code"],
        json!("dead")
    );

    let redrive = format!("select redrive('{}')", id_of(&sent));
    s.f.ask_as_person(s.f.owner, &redrive).await.expect("redrive");
    assert_eq!(s.commands(KEY).await, ["start pending"]);
    let held = s.take("start").await;
    s.finish(held, "failed", failure.clone()).await;

    // A stop that was sent later waits no longer when the start is wanted after all.
    s.send(KEY, "update_config", json!({})).await;
    s.f.admin
        .batch_execute("update agents set desired_state = 'stopped'")
        .await
        .expect("write");
    s.f.ask_as_person(s.f.owner, &redrive).await.expect("redrive");
    assert_eq!(s.agent(KEY).await["desired_state"], json!("running"));
    s.work().await;

    // What failed and was sent anew is nothing to look at.
    s.send(KEY, "start", json!({})).await;
    let held = s.take("start").await;
    s.finish(held, "failed", failure).await;
    assert_eq!(s.dead_letters().await, 1);
    s.send(KEY, "restart", json!({})).await;
    assert_eq!(s.dead_letters().await, 0);
    s.f.ask_as_person(s.f.owner, &redrive)
        .await
        .expect_err("it is gone from there");
}

#[tokio::test]
async fn a_command_waits_for_its_host_and_fails_at_its_own_deadline() {
    let s = Station::with(&[KEY]).await;
    s.f.pass(3600).await;
    let row = json!({ "project_id": "p1", "agent_key": KEY, "type": "start",
      "deadline_at": "2099-01-01T00:00:00Z" });
    let sent = s.insert(s.f.owner, &row).await.expect("send");
    s.f.pass(600).await;
    s.f.sweep().await;
    let why = format!("select why_pending('{}')", id_of(&sent));
    let why = s.f.ask_as_person(s.f.owner, &why).await.expect("ask");
    assert_eq!(why["code"], json!("offline"));
    assert_eq!(
        json!(
            s.f.one(
                "select waiting_for from agent_commands where id = $1",
                id_of(&sent)
            )
            .await
        ),
        why["message"],
        "and the row says so"
    );
    s.f.admin
        .batch_execute("update creel.items set deadline_at = now() - interval '1 second'")
        .await
        .expect("let it pass");
    s.f.sweep().await;
    assert_eq!(s.commands(KEY).await, ["start failed deadline_passed"]);
    assert_eq!(s.agent(KEY).await["status"], json!("error"));
}

#[tokio::test]
async fn why_pending_says_that_a_command_is_being_cancelled_or_was_superseded() {
    let s = Station::with(&[KEY]).await;
    let why = async |row: &Value| {
        let ask = format!("select why_pending('{}')", id_of(row));
        s.f.ask_as_person(s.f.owner, &ask).await.expect("ask")["code"].clone()
    };
    let start = s.send(KEY, "start", json!({})).await;
    let held = s.take("start").await;
    assert_eq!(why(&start).await, json!("leased"));
    let stop = s.send(KEY, "stop", json!({})).await;
    assert_eq!(why(&start).await, json!("cancelling"));
    assert_eq!(why(&stop).await, json!("behind"));
    s.host.release(&[held], false).await;
    assert_eq!(why(&start).await, json!("superseded"));
    assert_eq!(why(&stop).await, json!("ready"));
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_and_then_dead() {
    let s = Station::with(&[KEY]).await;
    s.send(KEY, "start", json!({})).await;
    for attempt in 1..=5 {
        s.f.pass(400).await;
        s.host.tick(&[]).await;
        let item = s.host.claim(1).await.pop().expect("it is tried again");
        assert_eq!(item["attempt"], json!(attempt));
        let result = json!({ "ok": false, "error": { "code": "x", "message": "not ready", "hint": "h" } });
        s.finish(token(&item), "retry", result).await;
        if attempt < 5 {
            assert_eq!(
                s.agent(KEY).await["status"],
                json!("running"),
                "not before the last"
            );
        }
    }
    assert_eq!(s.commands(KEY).await, ["start failed x"]);
    assert_eq!(s.agent(KEY).await["status"], json!("error"));
    assert_eq!(s.dead_letters().await, 1);
}

#[tokio::test]
async fn old_commands_go_with_the_events_that_tell_of_them() {
    let s = Station::with(&[KEY]).await;
    s.send(KEY, "stop", json!({})).await;
    s.work().await;
    s.send(KEY, "start", json!({})).await;
    s.f.admin
        .batch_execute(
            "update agent_commands set acked_at = now() - interval '91 days' where status = 'acked'",
        )
        .await
        .expect("let time pass");
    s.f.sweep().await;
    let left =
        s.f.admin
            .query("select type from agent_commands", &[])
            .await
            .expect("read");
    assert_eq!(left.len(), 1, "what is open stays, however old");
}

#[tokio::test]
async fn what_needs_no_host_waits_for_none_when_the_deployment_before_it_died() {
    let s = Station::with(&[]).await;
    s.f.admin
        .batch_execute("update hosts set backends = '{shared}'")
        .await
        .expect("have no backend for it");
    s.send_new(KEY).await;
    s.f.admin
        .batch_execute("update agents set backend = 'docker'")
        .await
        .expect("want another backend");
    s.send(KEY, "deploy", json!({})).await;
    s.send(KEY, "update_config", json!({ "name": "Owl" })).await;
    s.send(KEY, "stop", json!({})).await;
    assert_eq!(s.open(KEY).await, ["deploy", "update_config", "stop"]);
    s.f.admin
        .batch_execute(
            "update creel.items i set deadline_at = now() from agent_commands c where c.id = i.item_id and c.type = 'deploy';
             update hosts set backends = '{shared,docker}'",
        )
        .await
        .expect("let the deployment end");
    s.f.sweep().await;
    // A host that could take the agent by now is not asked to, only to hear that nothing is to be done.
    assert_eq!(s.host.claim(10).await, Vec::<Value>::new());
    s.f.sweep().await;
    assert_eq!(
        s.commands(KEY).await,
        [
            "deploy failed deadline_passed",
            "update_config acked",
            "stop acked"
        ]
    );
    assert_eq!(s.agent(KEY).await["host_id"], Value::Null);
}

#[tokio::test]
async fn a_cancelled_command_ends_among_many_others() {
    let keys: Vec<String> = (0..30).map(|n| format!("agent:a{n}:main")).collect();
    let s = Station::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let all = "insert into agent_commands (agent_id, type) select id, 'start' from agents";
    s.f.as_person(s.f.owner, all).await.expect("send");
    assert_eq!(s.host.claim(100).await.len(), 30);
    s.send(&keys[7], "stop", json!({})).await;
    s.f.pass(60).await;
    s.f.sweep().await;
    for (n, key) in keys.iter().enumerate() {
        let open = s.open(key).await;
        assert_eq!(open, if n == 7 { ["stop"] } else { ["start"] }, "{key}");
    }
}
