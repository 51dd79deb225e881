//! Order, fences, attempts, deadlines: the protocol of the queue, by its functions alone.

use serde_json::json;
use uuid::Uuid;

use crate::fixture::{Fixture, token};

#[tokio::test]
async fn a_request_is_claimed_once_and_done_once() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    assert_eq!(f.status(id).await, "running");
    assert!(host.claim(10).await.is_empty(), "nothing is claimed twice");
    assert_eq!(host.finish(held, "done").await["applied"], json!(true));
    assert_eq!(f.status(id).await, "done");
    assert_eq!(
        host.finish(held, "done").await["applied"],
        json!(false),
        "a second finish changes nothing"
    );
    let agent = f
        .admin
        .query_one("select provisioned, status from agents", &[])
        .await
        .expect("read the agent");
    assert!(agent.get::<_, bool>(0));
    assert_eq!(agent.get::<_, String>(1), "stopped");
}

#[tokio::test]
async fn a_late_finish_after_a_takeover_changes_nothing() {
    let f = Fixture::new().await;
    let (frozen, other) = (f.host(&["p1"]).await, f.host(&["p1"]).await);
    let id = f.request("agent:scout:main").await;
    let stale = frozen.claim_one().await;
    f.pass(60).await;
    other.tick(&[]).await;
    f.pass(5).await;
    let fresh = other.claim_one().await;
    assert_eq!(frozen.finish(stale, "failed").await["applied"], json!(false));
    assert_eq!(f.status(id).await, "running", "the new holder is still at it");
    assert_eq!(
        frozen.tick(&[stale]).await["lost"],
        json!([stale]),
        "the tick says so too"
    );
    assert_eq!(other.finish(fresh, "done").await["applied"], json!(true));
}

#[tokio::test]
async fn a_finish_after_the_lease_ran_out_changes_nothing_even_before_a_sweep() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    f.pass(60).await;
    assert_eq!(host.finish(held, "done").await["applied"], json!(false));
    assert_eq!(f.status(id).await, "running");
}

#[tokio::test]
async fn a_tick_renews_only_the_leases_that_it_names() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    f.pass(20).await;
    assert_eq!(host.tick(&[held]).await["lost"], json!([]));
    f.pass(20).await;
    assert_eq!(
        host.tick(&[held]).await["lost"],
        json!([]),
        "renewed by the tick before"
    );
    f.pass(10).await;
    host.tick(&[]).await;
    assert_eq!(
        f.status(id).await,
        "queued",
        "what the session forgot is given back"
    );
    assert_eq!(
        f.one("select attempts::text from creel.lanes where item_id = $1", id)
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_restarted_worker_takes_its_dead_self_s_work_at_once_and_the_attempt_counts() {
    let f = Fixture::new().await;
    let mut host = f.host(&["p1"]).await;
    let id = f.request("agent:scout:main").await;
    let dead = host.claim_one().await;
    host.session = Uuid::new_v4();
    assert_eq!(
        host.tick(&[dead]).await["lost"],
        json!([dead]),
        "another session cannot renew it"
    );
    assert_eq!(host.release(&[], true).await, 1);
    let items = host.claim(1).await;
    assert_eq!(items[0]["id"], json!(id));
    assert_eq!(items[0]["attempt"], json!(2));
}

#[tokio::test]
async fn what_is_released_costs_no_attempt() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.request("agent:scout:main").await;
    for _ in 0..7 {
        let held = host.claim_one().await;
        assert_eq!(host.release(&[held], false).await, 1);
    }
    assert_eq!(host.claim(1).await[0]["attempt"], json!(1));
}

#[tokio::test]
async fn attempts_used_up_is_a_dead_letter_and_redrive_brings_it_back() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = f.request("agent:scout:main").await;
    for attempt in 1..=5 {
        f.pass(400).await;
        let item = host
            .claim(1)
            .await
            .pop()
            .unwrap_or_else(|| panic!("attempt {attempt} is there"));
        assert_eq!(item["attempt"], json!(attempt));
        host.finish(token(&item), "retry").await;
    }
    assert_eq!(f.status(id).await, "error");
    assert_eq!(f.result(id).await["error"]["message"], json!("it broke"));
    let why = f
        .ask_as_person(f.owner, &format!("select why_pending('{id}')"))
        .await
        .expect("ask why");
    assert_eq!(
        (&why["code"], &why["reason"]),
        (&json!("dead"), &json!("attempts"))
    );
    let listed = f
        .as_person(f.owner, "select from dead_letters")
        .await
        .expect("list dead letters");
    assert_eq!(listed, 1);

    let stranger = Uuid::new_v4();
    f.person(stranger, "stranger@example.com").await;
    assert_eq!(
        f.as_person(stranger, "select from dead_letters")
            .await
            .expect("list dead letters"),
        0
    );
    f.ask_as_person(stranger, &format!("select redrive('{id}')"))
        .await
        .expect_err("a stranger redrives nothing");
    f.ask_as_person(f.owner, &format!("select redrive('{id}')"))
        .await
        .expect("redrive");
    assert_eq!(f.status(id).await, "queued");
    let again = host.claim_one().await;
    host.finish(again, "done").await;
    assert_eq!(f.status(id).await, "done");
}

#[tokio::test]
async fn a_failed_attempt_waits_longer_each_time() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    host.finish(held, "retry").await;
    assert!(host.claim(1).await.is_empty(), "not before the pause is over");
    let wake = host.tick(&[]).await["wake_in_ms"]
        .as_u64()
        .expect("the tick says when");
    assert!(wake <= 1000, "{wake}");
    f.pass(1).await;
    let held = host.claim_one().await;
    host.finish(held, "retry").await;
    let wake = host.tick(&[]).await["wake_in_ms"]
        .as_u64()
        .expect("the tick says when");
    assert!((1001..=2000).contains(&wake), "{wake}");
}

#[tokio::test]
async fn items_of_one_agent_are_worked_on_in_order_and_one_at_a_time() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    // A second queue table joins by a row of the registry and the triggers, and shares the agent's lane.
    f.admin
        .batch_execute(
            "create table public.chores (id uuid primary key default gen_random_uuid(), project_id text, agent_key text,
               status text default 'todo', result jsonb, waiting_for text, woken_by text, deadline_at timestamptz, begun timestamptz, ended timestamptz);
             insert into creel.queues (queue, tbl, lane_kind, priority, waiting, taken, done, dead, taken_at, done_at)
               values ('chores', 'public.chores', 'control', 10, 'todo', 'doing', 'did', 'dropped', 'begun', 'ended');
             select creel.join_queue('public.chores');",
        )
        .await
        .expect("make a second queue");
    let request = f.request("agent:scout:main").await;
    f.admin
        .batch_execute(
            "insert into chores (project_id, agent_key) select 'p1', 'agent:scout:main' from generate_series(1, 3)",
        )
        .await
        .expect("add chores");
    let first = host.claim(10).await;
    assert_eq!(first.len(), 1, "one item of a lane at a time");
    assert_eq!(first[0]["id"], json!(request));
    host.finish(token(&first[0]), "done").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let items = host.claim(10).await;
        assert_eq!(items.len(), 1);
        seen.push(items[0]["id"].as_str().expect("an id").to_owned());
        host.finish(token(&items[0]), "done").await;
    }
    let written = f
        .admin
        .query("select id::text from chores", &[])
        .await
        .expect("read chores");
    let written: Vec<String> = written.iter().map(|row| row.get(0)).collect();
    assert_eq!(seen, written);
    let left = f
        .admin
        .query_one("select count(*) from chores where status <> 'did'", &[])
        .await
        .expect("count");
    assert_eq!(left.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn an_offline_host_is_waited_for_and_the_row_says_so() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    host.tick(&[]).await;
    f.pass(3600).await;
    let id = f.request("agent:scout:main").await;
    f.pass(600).await;
    f.sweep().await;
    assert_eq!(f.status(id).await, "queued", "waiting is not failing");
    let why = f
        .ask_as_person(f.owner, &format!("select why_pending('{id}')"))
        .await
        .expect("ask why");
    assert_eq!(why["code"], json!("offline"));
    let column = f
        .one(
            "select waiting_for from agent_provision_requests where id = $1",
            id,
        )
        .await;
    assert_eq!(json!(column), why["message"]);
    assert_eq!(
        f.one("select shown_status from host_status where id = $1", host.host)
            .await,
        "offline"
    );
    let held = host.claim_one().await;
    host.finish(held, "done").await;
    assert_eq!(f.status(id).await, "done", "it goes on when the host is back");
}

#[tokio::test]
async fn no_host_at_all_is_an_error_after_the_queue_s_patience() {
    let f = Fixture::new().await;
    let id = f.request("agent:scout:main").await;
    f.sweep().await;
    f.pass(119).await;
    f.sweep().await;
    assert_eq!(f.status(id).await, "queued");
    f.pass(2).await;
    f.sweep().await;
    assert_eq!(f.status(id).await, "error");
    let error = f.result(id).await["error"].clone();
    assert_eq!(error["code"], json!("no_host"));
    assert!(
        error["hint"]
            .as_str()
            .expect("a hint")
            .contains("creel host enroll"),
        "{error}"
    );
}

#[tokio::test]
async fn a_deadline_that_passed_is_an_error_be_it_waiting_or_at_work() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let sql = "insert into agent_provision_requests (project_id, agent_key, deadline_at)
               values ('p1', $1, now() + interval '1 minute') returning id";
    let waiting: Uuid = f
        .admin
        .query_one(sql, &[&"agent:a:main"])
        .await
        .expect("write")
        .get(0);
    f.admin
        .execute(
            "update creel.lanes set not_before = now() + interval '1 hour'",
            &[],
        )
        .await
        .expect("hold it");
    let working: Uuid = f
        .admin
        .query_one(sql, &[&"agent:b:main"])
        .await
        .expect("write")
        .get(0);
    let held = host.claim_one().await;
    f.pass(20).await;
    host.tick(&[held]).await;
    f.pass(20).await;
    host.tick(&[held]).await;
    f.pass(21).await;
    let reply = host.tick(&[held]).await;
    let reply = if reply["lost"] == json!([]) {
        host.tick(&[held]).await
    } else {
        reply
    };
    assert_eq!(reply["lost"], json!([held]), "whoever is at work is told to stop");
    for id in [waiting, working] {
        assert_eq!(f.status(id).await, "error");
        assert_eq!(f.result(id).await["error"]["code"], json!("deadline_passed"));
    }
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_request_and_other_content_a_conflict() {
    let f = Fixture::new().await;
    let write = |name: &str| {
        format!(
            "insert into agent_provision_requests (project_id, agent_key, display_name, idempotency_key)
             values ('p1', 'agent:scout:main', '{name}', 'k1') on conflict (project_id, idempotency_key) do nothing"
        )
    };
    assert_eq!(f.as_person(f.owner, &write("Scout")).await.expect("write"), 1);
    assert_eq!(
        f.as_person(f.owner, &write("Scout")).await.expect("write again"),
        0
    );
    let conflict = f
        .as_person(f.owner, &write("Other"))
        .await
        .expect_err("other content");
    assert_eq!(
        conflict.code().map(|c| c.code().to_owned()).as_deref(),
        Some("PT409")
    );
}

#[tokio::test]
async fn a_withdrawn_request_leaves_the_queue() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = f.request("agent:scout:main").await;
    let gone = format!("delete from agent_provision_requests where id = '{id}'");
    assert_eq!(f.as_person(f.owner, &gone).await.expect("withdraw"), 1);
    assert!(host.claim(10).await.is_empty());
    let id = f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    let gone = format!("delete from agent_provision_requests where id = '{id}'");
    assert_eq!(
        f.as_person(f.owner, &gone).await.expect("too late"),
        0,
        "what runs is not withdrawn"
    );
    host.finish(held, "done").await;
}

#[tokio::test]
async fn a_draining_host_finishes_and_takes_nothing_new() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let first = f.request("agent:a:main").await;
    let held = host.claim_one().await;
    f.admin
        .execute("update hosts set status = 'draining'", &[])
        .await
        .expect("drain");
    f.request("agent:b:main").await;
    assert!(host.claim(10).await.is_empty());
    host.finish(held, "done").await;
    assert_eq!(f.status(first).await, "done");
}

#[tokio::test]
async fn a_full_host_takes_no_more_agents_and_why_pending_says_so() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.admin
        .execute("update hosts set capacity = 1", &[])
        .await
        .expect("make it small");
    host.tick(&[]).await;
    f.request("agent:a:main").await;
    let second = f.request("agent:b:main").await;
    assert_eq!(host.claim(10).await.len(), 1);
    let why = f
        .ask_as_person(f.owner, &format!("select why_pending('{second}')"))
        .await
        .expect("ask why");
    assert_eq!(why["code"], json!("capacity"));
}

#[tokio::test]
async fn an_agent_that_was_never_made_leaves_a_silent_host_for_one_that_is_there() {
    let f = Fixture::new().await;
    let gone = f.host(&["p1"]).await;
    gone.tick(&[]).await;
    f.request("agent:scout:main").await;
    let held = gone.claim_one().await;
    gone.release(&[held], false).await;
    f.pass(60).await;
    f.sweep().await;
    let there = f.host(&["p1"]).await;
    assert!(
        there.claim(1).await.is_empty(),
        "it waits for its host while there is no other"
    );
    there.tick(&[]).await;
    f.sweep().await;
    let held = there.claim_one().await;
    there.finish(held, "done").await;
    f.admin
        .execute("update agents set desired_state = 'stopped'", &[])
        .await
        .expect("write");
    f.request("agent:scout:main").await;
    f.pass(60).await;
    gone.tick(&[]).await;
    f.sweep().await;
    assert!(
        gone.claim(1).await.is_empty(),
        "an agent that was made stays on its host"
    );
}
