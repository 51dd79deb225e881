//! A host that writes as fast as it can writes little; one that is too old is told so, and so are people.

use creel_tests::postgrest::{Answer, As};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::victim::{MARK, Scene};

/// How many calls a flood has.
const CALL_COUNT: usize = 200;

/// Calls a function that often, several at a time; answers how often it was told to wait.
async fn flood(scene: &Scene, function: &str, body: impl Fn(usize) -> Value) -> usize {
    let bodies: Vec<Value> = (0..CALL_COUNT).map(body).collect();
    let calls = bodies.chunks(CALL_COUNT / 10).map(async |part| {
        let mut refused = 0;
        for body in part {
            let answer = rpc(scene, function, body).await;
            // Two of these at the same moment wait for each other, and not for long.
            let is_told_to_wait = answer.status == 429 || answer.code() == "55P03";
            assert!(
                answer.is_ok() || is_told_to_wait,
                "{function}: {} {}",
                answer.status,
                answer.body
            );
            refused += usize::from(is_told_to_wait);
        }
        refused
    });
    futures_util::future::join_all(calls).await.into_iter().sum()
}

async fn rpc(scene: &Scene, function: &str, body: &Value) -> Answer {
    let who = As::HostKey(&scene.victim.key);
    scene.rest.rpc(who, function, body).await.expect("call")
}

async fn number(scene: &Scene, sql: &str) -> i64 {
    scene.admin.query_one(sql, &[]).await.expect(sql).get(0)
}

fn events(scene: &Scene, count: usize) -> Value {
    let event = |n: usize| {
        let agent = n.is_multiple_of(2).then_some(scene.agent_id);
        json!({ "kind": "agent.crashed", "agent_id": agent, "payload": { "note": "x".repeat(1_000) } })
    };
    (0..count).map(event).collect()
}

#[tokio::test]
async fn events_versions_and_reports_of_a_flood_are_few() {
    let scene = Scene::new(false).await;
    let set = "update creel.settings set max_report_bytes_per_hour = 1000000, max_ticks_per_minute = 100000";
    scene.admin.batch_execute(set).await.expect("set the limits");
    let before = number(&scene, "select count(*) from events").await;
    flood(&scene, "tick", |n| {
        json!({
            "api": 1, "session": scene.session, "tokens": [scene.token],
            "host": {
                "worker_version": format!("v{n}"), "events": events(&scene, 40),
                "runtime": { "n": n, "agents": [{ "id": "x".repeat(30_000) }] },
            },
        })
    })
    .await;
    let told = number(&scene, "select count(*) from events").await - before;
    assert!((100..=1_100).contains(&told), "{told} events within an hour");
    let spent = "select spent from creel.host_budgets where kind = 'report_bytes'";
    assert!(number(&scene, spent).await <= 1_000_000);
    let rows = "select count(*) from hosts where worker_version like 'v%'";
    assert_eq!(number(&scene, rows).await, 1, "a version is no row of its own");

    let docs = json!([{ "doc_type": "user", "content": "x" }, { "doc_type": "soul", "content": "stolen" }]);
    flood(&scene, "record_docs", |n| {
        let mut docs = docs.clone();
        docs[0]["content"] = json!(format!("version {n}"));
        json!({ "api": 1, "token": scene.token, "docs": docs })
    })
    .await;
    let versions = number(&scene, "select count(*) from brain_doc_versions").await;
    assert_eq!(versions, 2, "what is there is not written again");
    let soul = format!("select count(*) from brain_docs where doc_type = 'soul' and content = '{MARK}'");
    assert_eq!(number(&scene, &soul).await, 1);
}

#[tokio::test]
async fn ticks_and_metrics_of_a_flood_are_refused_and_the_host_stays_what_it_is() {
    let scene = Scene::new(false).await;
    let set = "update creel.settings set max_ticks_per_minute = 20";
    scene.admin.batch_execute(set).await.expect("set the limit");
    let metrics: Vec<Value> = (0..500)
        .map(
            |n| json!({ "agent_id": if n == 0 { scene.agent_id } else { Uuid::new_v4() }, "cpu_percent": n }),
        )
        .collect();
    let refused = flood(
        &scene,
        "tick",
        |_| json!({ "api": 1, "session": scene.session, "tokens": [scene.token], "metrics": metrics }),
    )
    .await;
    assert!(refused >= CALL_COUNT - 20, "{refused}");
    assert_eq!(number(&scene, "select count(*) from agent_metrics").await, 1);
    let held = "select count(*) from creel.lanes where token is not null";
    assert_eq!(number(&scene, held).await, 1, "it loses nothing that it holds");
    // Somebody else is not in its way.
    let args = json!({ "api": 1, "session": Uuid::new_v4(), "tokens": [] });
    let other = scene
        .rest
        .rpc(As::HostKey(&scene.attacker.key), "tick", &args)
        .await;
    other.expect("call").expect_ok("another host ticks");
    let set = "update host_heartbeats set counted_from = now() - interval '61 s'";
    scene.admin.batch_execute(set).await.expect("let a minute pass");
    let args = json!({ "api": 1, "session": scene.session, "tokens": [scene.token] });
    let answer = rpc(&scene, "tick", &args).await.expect_ok("tick");
    assert_eq!(answer["lost"], json!([]));
}

#[tokio::test]
async fn states_and_progress_of_a_flood_reach_the_pages_seldom() {
    let scene = Scene::new(false).await;
    let set = "update creel.settings set max_shown_per_minute = 40, max_ticks_per_minute = 100000";
    scene.admin.batch_execute(set).await.expect("set the limits");
    // Every write of a row that is published is counted.
    let count = "create table written (kind text);
        create function count_write() returns trigger language plpgsql security definer as
          $$begin insert into public.written values (tg_table_name); return null; end$$;
        create trigger w after update on agent_status for each row execute function count_write();
        create trigger w after update on agents for each row execute function count_write();
        create trigger w after update on agent_commands for each row execute function count_write();";
    scene.admin.batch_execute(count).await.expect("count writes");
    flood(
        &scene,
        "progress",
        |n| json!({ "api": 1, "token": scene.token, "result": { "step": n } }),
    )
    .await;
    let shown = number(
        &scene,
        "select count(*) from written where kind = 'agent_commands'",
    )
    .await;
    assert!((1..=40).contains(&shown), "{shown}");
    flood(&scene, "tick", |n| {
        let state = if n % 2 == 0 { "running" } else { "error" };
        let states = json!([{ "agent_id": scene.agent_id, "state": state, "note": n.to_string() }]);
        json!({ "api": 1, "session": scene.session, "tokens": [scene.token], "agents": states })
    })
    .await;
    let shown = number(
        &scene,
        "select count(*) from written where kind in ('agents', 'agent_status')",
    )
    .await;
    assert!((1..=80).contains(&shown), "{shown}");
    // What is written for good is written all the same.
    let items =
        json!([{ "token": scene.token, "outcome": "done", "result": { "ok": true, "state": "running" } }]);
    let answer = rpc(&scene, "finish", &json!({ "api": 1, "items": items }))
        .await
        .expect_ok("finish");
    assert_eq!(answer["items"][0]["applied"], json!(true));
}

#[tokio::test]
async fn a_worker_below_the_lowest_version_gets_no_work_and_people_see_why() {
    let scene = Scene::new(false).await;
    let set = "update creel.settings set min_api = 2; update creel.lanes set token = null, session_id = null, expires_at = null";
    scene.admin.batch_execute(set).await.expect("ask for more");
    let args = json!({
        "api": 1, "session": scene.session, "tokens": [], "limit": 10, "token": scene.token, "worker_version": "0.1.0",
        "agent_id": scene.agent_id, "key_sha256": "00",
    });
    let functions = [
        "claim",
        "tick",
        "progress",
        "finish",
        "release",
        "read_docs",
        "record_docs",
        "sweep",
        "list_agents",
        "heartbeat",
        "deploy_config",
    ];
    for function in functions {
        let refused = rpc(&scene, function, &args).await;
        assert_eq!(
            (refused.status, refused.code()),
            (426, "PT426"),
            "{function}: {}",
            refused.body
        );
        let hint = refused.body["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("Upgrade Creel on the host"), "{hint}");
    }
    for _ in 0..3 {
        let told = rpc(&scene, "report_outdated", &args).await.expect_ok("say so");
        assert_eq!(told, json!({ "outdated": true }));
    }
    let events = "select count(*) from events where kind = 'host.upgrade_needed'";
    assert_eq!(number(&scene, events).await, 1, "it is told once");
    let silent = "update host_heartbeats set last_seen_at = now() - interval '1 hour'";
    scene
        .admin
        .batch_execute(silent)
        .await
        .expect("let it fall silent");
    let of_item = json!({ "id": scene.item_ids[0] });
    let why = scene
        .rest
        .rpc(As::User(&scene.victim.owner), "why_pending", &of_item)
        .await;
    let why = why.expect("call").expect_ok("ask why");
    assert_eq!(why["code"], json!("outdated"), "{why}");

    let set = "update creel.settings set min_api = 1";
    scene.admin.batch_execute(set).await.expect("as before");
    rpc(&scene, "tick", &args).await.expect_ok("after the upgrade");
    let told = rpc(&scene, "report_outdated", &args).await.expect_ok("it is not");
    assert_eq!(told, json!({ "outdated": false }));
    let outdated = "select count(*) from hosts where outdated_since is not null";
    assert_eq!(number(&scene, outdated).await, 0);
}
