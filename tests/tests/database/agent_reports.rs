//! What a host tells of its agents, and what it is told that it should have.

use creel_core::host_api::{ListAgentsReply, ListedAgent};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::Session;
use crate::station::{Station, code};

const KEY: &str = "agent:scout:main";

async fn tell(host: &Session, agents: Value) -> Value {
    let args = json!({ "api": 1, "session": host.session, "tokens": [], "metrics": [], "agents": agents, "host": {} });
    host.call("tick", &args).await.expect("tick")
}

async fn shown(s: &Station) -> (String, Option<String>) {
    let row =
        s.f.admin
            .query_one("select state, note from agent_status", &[])
            .await
            .expect("read");
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn the_state_of_an_agent_is_what_its_host_says() {
    let s = Station::with(&[KEY]).await;
    let id = s.agent_id(KEY).await;
    // What is told, what the agent's row says then, what the page shows.
    for (told, status, state, note) in [
        (
            json!({ "state": "running", "pid": 7, "restarts": 0 }),
            "running",
            "idle",
            None,
        ),
        (
            json!({ "state": "starting", "note": "it ended with code 1" }),
            "running",
            "offline",
            Some("it ended with code 1"),
        ),
        (
            json!({ "state": "running", "pid": 8, "restarts": 1 }),
            "running",
            "idle",
            None,
        ),
        (
            json!({ "state": "stopped" }),
            "stopped",
            "offline",
            Some("stopped"),
        ),
        (
            json!({ "state": "error", "note": "given up", "restarts": 5 }),
            "error",
            "error",
            Some("given up"),
        ),
        (json!({ "state": "running" }), "running", "idle", None),
    ] {
        let mut report = told.clone();
        report["agent_id"] = json!(id);
        let reply = tell(&s.host, json!([report])).await;
        assert_eq!(reply["warnings"], json!([]));
        assert_eq!(s.agent(KEY).await["status"], json!(status), "{told}");
        assert_eq!(
            shown(&s).await,
            (state.to_owned(), note.map(str::to_owned)),
            "{told}"
        );
    }
    tell(
        &s.host,
        json!([{ "agent_id": id, "state": "error", "restarts": 5, "pid": 9 }]),
    )
    .await;
    let row =
        s.f.admin
            .query_one("select restarts, pid from agent_metrics", &[])
            .await
            .expect("read");
    assert_eq!((row.get::<_, i32>(0), row.get::<_, i32>(1)), (5, 9));
}

#[tokio::test]
async fn an_agent_at_work_stays_so_when_its_host_says_that_it_runs() {
    let s = Station::with(&[KEY]).await;
    let id = s.agent_id(KEY).await;
    s.f.admin
        .batch_execute("insert into agent_status (project_id, agent_key, state, note) values ('p1', 'agent:scout:main', 'thinking', 'about fish')")
        .await
        .expect("write");
    tell(&s.host, json!([{ "agent_id": id, "state": "running" }])).await;
    assert_eq!(
        shown(&s).await,
        ("thinking".to_owned(), Some("about fish".to_owned()))
    );
}

#[tokio::test]
async fn what_a_running_agent_is_warned_of_is_shown_with_since_when_until_it_is_over() {
    let s = Station::with(&[KEY]).await;
    let id = s.agent_id(KEY).await;
    let over = "over limit: it uses more than 50 % of a processor";
    for at_work in [false, true] {
        s.f.admin
            .execute(
                "insert into agent_status as s (project_id, agent_key, state) values ('p1', 'agent:scout:main', $1)
                 on conflict (project_id, agent_key) do update set state = excluded.state",
                &[&if at_work { "thinking" } else { "idle" }],
            )
            .await
            .expect("write");
        let state = if at_work { "thinking" } else { "idle" };
        let report = json!([{ "agent_id": id, "state": "running", "note": over }]);
        tell(&s.host, report.clone()).await;
        let (told_state, note) = shown(&s).await;
        assert_eq!(told_state, state);
        let note = note.expect("a note");
        assert!(note.starts_with(&format!("{over} (since 2")), "{note}");
        let version = "select xmin::text from agent_status";
        let before: String = s.f.admin.query_one(version, &[]).await.expect("read").get(0);
        tell(&s.host, report).await;
        let after: String = s.f.admin.query_one(version, &[]).await.expect("read").get(0);
        assert_eq!(before, after, "it is said once, with the time of the first");
        tell(&s.host, json!([{ "agent_id": id, "state": "running" }])).await;
        assert_eq!(shown(&s).await, (state.to_owned(), None), "it is over");
    }
}

#[tokio::test]
async fn what_is_told_twice_is_written_once() {
    let s = Station::with(&[KEY]).await;
    let report = json!([{ "agent_id": s.agent_id(KEY).await, "state": "stopped", "note": "n" }]);
    tell(&s.host, report.clone()).await;
    let versions =
        "select a.xmin::text || ' ' || t.xmin::text from agents a join agent_status t using (agent_key)";
    let before: String = s.f.admin.query_one(versions, &[]).await.expect("read").get(0);
    tell(&s.host, report).await;
    let after: String = s.f.admin.query_one(versions, &[]).await.expect("read").get(0);
    assert_eq!(before, after, "no message for a page");
}

#[tokio::test]
async fn a_host_tells_of_its_own_agents_only() {
    let s = Station::with(&[KEY]).await;
    let id = s.agent_id(KEY).await;
    let other = s.f.host(&["p1"]).await;
    let reply = tell(
        &other,
        json!([{ "agent_id": id, "state": "error", "note": "mine" }]),
    )
    .await;
    assert_eq!(
        reply["warnings"],
        json!([format!("agent {id} is not on this host")])
    );
    assert_eq!(s.agent(KEY).await["status"], json!("running"));
    s.f.admin
        .batch_execute("delete from project_hosts")
        .await
        .expect("let it serve the project no longer");
    let reply = tell(&s.host, json!([{ "agent_id": id, "state": "error" }])).await;
    assert_eq!(
        reply["warnings"],
        json!([format!("agent {id} is not on this host")])
    );
    assert_eq!(s.agent(KEY).await["status"], json!("running"));
}

#[tokio::test]
async fn nothing_is_told_of_what_was_removed_or_not_made_yet() {
    let s = Station::with(&[KEY]).await;
    let id = s.agent_id(KEY).await;
    s.f.admin
        .batch_execute("update agents set provisioned = false, status = 'deploying'")
        .await
        .expect("write");
    tell(&s.host, json!([{ "agent_id": id, "state": "running" }])).await;
    assert_eq!(
        s.agent(KEY).await["status"],
        json!("deploying"),
        "the deployment says how it goes"
    );
    s.send(KEY, "undeploy", json!({})).await;
    s.work().await;
    let reply = tell(&s.host, json!([{ "agent_id": id, "state": "running" }])).await;
    assert_eq!(
        reply["warnings"],
        json!([format!("agent {id} is not on this host")])
    );
    assert_eq!(s.agent(KEY).await["status"], json!("removed"));
}

#[tokio::test]
async fn a_malformed_report_is_told_and_costs_neither_the_leases_nor_the_rest_of_it() {
    let s = Station::with(&[KEY]).await;
    let id = s.agent_id(KEY).await;
    s.send(KEY, "restart", json!({})).await;
    let held = s.take("restart").await;
    let many: Vec<Value> = (0..1001).map(|_| json!({})).collect();
    for agents in [
        json!("nonsense"),
        json!({ "agent_id": id }),
        json!(7),
        json!(null),
        json!([7, null, "x", [], {}]),
        json!([{ "agent_id": "7", "state": "running" }]),
        json!([{ "agent_id": id, "state": "levitating" }]),
        json!([{ "agent_id": id, "state": 7 }]),
        json!([{ "agent_id": id }]),
        json!(many),
    ] {
        s.f.pass(15).await;
        let args = json!({ "api": 1, "session": s.host.session, "tokens": [held], "agents": agents });
        let reply = s
            .host
            .call("tick", &args)
            .await
            .unwrap_or_else(|e| panic!("{agents}: {e:?}"));
        assert_eq!(reply["lost"], json!([]), "{agents}");
        let warnings = reply["warnings"].as_array().expect("warnings");
        assert_eq!(warnings.is_empty(), agents.is_null(), "{agents}: {warnings:?}");
        assert!(warnings.len() <= 20);
    }
    let odd = json!([
        { "agent_id": "x" },
        { "agent_id": id, "state": "stopped", "note": "n".repeat(100_000), "restarts": "many", "pid": 1e99, "new": true },
    ]);
    let reply = tell(&s.host, odd).await;
    assert_eq!(reply["warnings"].as_array().expect("warnings").len(), 1);
    assert_eq!(
        s.agent(KEY).await["status"],
        json!("stopped"),
        "the good part is taken"
    );
    assert_eq!(shown(&s).await.1.expect("a note").len(), 4000);
}

#[tokio::test]
async fn an_event_of_an_agent_is_its_project_s() {
    let s = Station::with(&[KEY]).await;
    let id = s.agent_id(KEY).await;
    let other = s.f.host(&["p1"]).await;
    let event =
        |kind: &str, agent: Value| json!({ "kind": kind, "agent_id": agent, "payload": { "code": 1 } });
    let events = json!([
        event("agent.crashed", json!(id)),
        event("agent.limit_exceeded", json!(id)),
        event("agent.provisioned", json!(id)),
        event("host.upgrade_needed", Value::Null),
        event("agent.crashed", json!(Uuid::new_v4())),
        event("agent.crashed", json!("x")),
        event("agent.crashed", json!(7)),
    ]);
    let args = |host: &Session| json!({ "api": 1, "session": host.session, "host": { "events": events } });
    s.host.call("tick", &args(&s.host)).await.expect("tick");
    other.call("tick", &args(&other)).await.expect("tick");
    let rows = s
        .f
        .admin
        .query(
            "select kind, project_id, agent_key, host_id, detail from events where actor like 'host:%' order by id",
            &[],
        )
        .await
        .expect("read");
    let told: Vec<(String, Option<String>, Option<String>, Uuid)> = rows
        .iter()
        .map(|r| (r.get(0), r.get(1), r.get(2), r.get(3)))
        .collect();
    let of_agent = |kind: &str| {
        (
            kind.to_owned(),
            Some("p1".to_owned()),
            Some(KEY.to_owned()),
            s.host.host,
        )
    };
    assert_eq!(
        told,
        [
            of_agent("agent.crashed"),
            of_agent("agent.limit_exceeded"),
            ("host.upgrade_needed".to_owned(), None, None, s.host.host),
            ("host.upgrade_needed".to_owned(), None, None, other.host),
        ]
    );
    let seen = "select from events where kind = 'agent.crashed'";
    assert_eq!(s.f.as_person(s.f.owner, seen).await.expect("look"), 1);
    let stranger = Uuid::new_v4();
    s.f.person(stranger, "stranger@example.com").await;
    assert_eq!(s.f.as_person(stranger, seen).await.expect("look"), 0);
}

#[tokio::test]
async fn a_host_cannot_flood_a_project_with_events() {
    let s = Station::with(&[KEY]).await;
    let id = s.agent_id(KEY).await;
    let many: Vec<Value> = (0..50)
        .map(|_| json!({ "kind": "agent.crashed", "agent_id": id }))
        .collect();
    let args = json!({ "api": 1, "session": s.host.session, "host": { "events": many } });
    for _ in 0..55 {
        s.host.call("tick", &args).await.expect("tick");
    }
    let count =
        s.f.admin
            .query_one("select count(*) from events where kind = 'agent.crashed'", &[])
            .await
            .expect("count");
    assert_eq!(count.get::<_, i64>(0), 1000, "within an hour, 20 with one tick");
    // Which leaves the host's own events their room.
    let args =
        json!({ "api": 1, "session": s.host.session, "host": { "events": [{ "kind": "gateway.failed" }] } });
    s.host.call("tick", &args).await.expect("tick");
    let own =
        s.f.admin
            .query("select from events where kind = 'gateway.failed'", &[])
            .await
            .expect("read");
    assert_eq!(own.len(), 1);
}

#[tokio::test]
async fn a_host_is_told_which_agents_it_should_have() {
    let s = Station::with(&[KEY, "agent:other:main"]).await;
    let elsewhere = s.f.host(&["p1"]).await;
    s.send_new("agent:unplaced:main").await;
    s.send("agent:other:main", "stop", json!({})).await;
    s.send(
        KEY,
        "update_config",
        json!({ "config": { "model": "m" }, "limits": { "ram_mb": 5 } }),
    )
    .await;
    s.work().await;
    s.send(KEY, "restart", json!({})).await;
    let args = json!({ "api": 1, "session": s.host.session });
    let reply = s.host.call("list_agents", &args).await.expect("ask");
    let reply: ListAgentsReply = serde_json::from_value(reply).expect("the types of the Rust");
    assert_eq!(reply.agents.len(), 2);
    for row in &reply.agents {
        let listed: ListedAgent = serde_json::from_value(row.clone()).expect("the types of the Rust");
        assert_eq!(listed.open_command, row["agent_key"] == json!(KEY));
        let expected = if listed.open_command { "running" } else { "stopped" };
        assert_eq!(listed.desired_state.as_str(), expected);
        assert_eq!(listed.status.as_str(), expected);
        assert!(listed.provisioned);
        if listed.open_command {
            assert_eq!(row["config"], json!({ "model": "m" }));
            assert_eq!(row["limits"], json!({ "ram_mb": 5 }));
            assert_eq!(row["openclaw_id"], json!("scout"));
        }
    }
    let reply = elsewhere.call("list_agents", &args).await.expect("ask");
    assert_eq!(reply["agents"], json!([]), "another host's are not told");
    s.f.admin
        .batch_execute("delete from project_hosts")
        .await
        .expect("end its service");
    assert_eq!(
        s.host.call("list_agents", &args).await.expect("ask")["agents"],
        json!([])
    );
    let old = json!({ "api": 2, "session": s.host.session });
    let refused = s
        .host
        .call("list_agents", &old)
        .await
        .expect_err("another version");
    assert_eq!(code(&refused), "PT426");
    let person =
        s.f.as_person(s.f.owner, "select list_agents('{\"api\":1}')")
            .await;
    assert_eq!(code(&person.expect_err("no host")), "42501");
}

#[tokio::test]
async fn a_host_reaches_no_other_host_s_commands() {
    let s = Station::with(&[KEY]).await;
    let other = s.f.host(&["p1"]).await;
    s.send(KEY, "stop", json!({})).await;
    assert!(other.claim(10).await.is_empty());
    let held = s.take("stop").await;
    assert_eq!(other.finish(held, "done").await["applied"], json!(false));
    assert_eq!(other.release(&[held], true).await, 0);
    assert_eq!(other.tick(&[held]).await["lost"], json!([held]));
    let args = json!({ "api": 1, "token": held, "result": { "x": 1 } });
    assert_eq!(
        other.call("progress", &args).await.expect("ask")["held"],
        json!(false)
    );
    assert_eq!(
        other.call("read_docs", &args).await.expect("ask")["held"],
        json!(false)
    );
    assert_eq!(s.commands(KEY).await, ["stop sent"]);
}
