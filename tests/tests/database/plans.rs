//! What a call reads does not grow with what waits elsewhere, however old the plan and the statistics are.

use serde_json::json;
use tokio_postgres::Client;

use crate::fixture::{Fixture, token};

/// More than a call on one item has to look at, and far less than what waits.
const MOST_ROWS_READ: i64 = 200;

const CHORES: &str = "create table public.chores (id uuid primary key default gen_random_uuid(), project_id text, agent_key text,
   status text default 'todo', result jsonb, waiting_for text, woken_by text, deadline_at timestamptz, begun timestamptz, ended timestamptz);
 insert into creel.queues (queue, tbl, lane_kind, priority, waiting, taken, done, dead, taken_at, done_at)
   values ('chores', 'public.chores', 'work', 0, 'todo', 'doing', 'did', 'dropped', 'begun', 'ended');
 select creel.join_queue('public.chores');
 update creel.settings set max_agents_per_project = 100000";

/// Rows read so far from the tables of the queue, by scans and by indexes; `seq_scan`: of lanes as a whole.
async fn rows_read(f: &Fixture, reader: &Client) -> (i64, i64) {
    // What the other session has read until now is not to be told in the middle of what is measured.
    for session in [&f.admin, reader] {
        session
            .batch_execute("select pg_stat_force_next_flush()")
            .await
            .expect("let the session tell what it read");
    }
    f.admin
        .batch_execute("select pg_stat_clear_snapshot()")
        .await
        .expect("look anew");
    let row = f
        .admin
        .query_one(
            "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint,
               sum(seq_scan) filter (where relname = 'lanes')::bigint
             from pg_stat_user_tables where schemaname = 'creel' and relname in ('lanes', 'items', 'dead_letters')
               or relname in ('chores', 'agents', 'agent_commands')",
            &[],
        )
        .await
        .expect("read the statistics");
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_session_that_began_with_an_empty_queue_reads_only_its_own_of_ten_thousand_lanes() {
    let f = Fixture::new().await;
    f.admin.batch_execute(CHORES).await.expect("make a queue");
    let host = f.host(&["p1"]).await;
    // The plans of this session are made, and kept, while there is next to nothing.
    f.admin
        .batch_execute("analyze creel.lanes, creel.items, public.chores, public.agents")
        .await
        .expect("remember that it is empty");
    for n in 0..8 {
        let key = format!("agent:warm{n}:main");
        f.admin
            .execute(
                "insert into agents (project_id, agent_key, host_id, openclaw_id) values ('p1', $1, $2, $1)",
                &[&key, &host.host],
            )
            .await
            .expect("make an agent");
        f.admin
            .execute(
                "insert into chores (project_id, agent_key) values ('p1', $1)",
                &[&key],
            )
            .await
            .expect("add a chore");
        let held = host.claim_one().await;
        assert_eq!(host.finish(held, "done").await["applied"], json!(true));
    }
    f.admin
        .batch_execute(
            "insert into hosts (name) select 'h' || n from generate_series(1, 100) n;
             insert into project_hosts (project_id, host_id) select 'p1', id from hosts on conflict do nothing;
             insert into agents (project_id, agent_key, host_id, openclaw_id)
               select 'p1', 'agent:o' || g || ':main', h.id, 'o' || g
               from (select id, row_number() over () as n from hosts where name like 'h%') h
               join generate_series(1, 10000) g on g % 100 + 1 = h.n;
             insert into chores (project_id, agent_key) select project_id, agent_key from agents where agent_key like 'agent:o%';
             insert into chores (project_id, agent_key)
               select 'p1', 'agent:warm' || n % 8 || ':main' from generate_series(1, 2000) n",
        )
        .await
        .expect("fill the queue");
    for _ in 0..3 {
        let before = rows_read(&f, &host.client).await;
        let item = host.claim(1).await.pop().expect("work is there");
        let claimed = rows_read(&f, &host.client).await;
        assert!(
            claimed.0 - before.0 < MOST_ROWS_READ,
            "claim read {} rows",
            claimed.0 - before.0
        );
        assert_eq!(host.finish(token(&item), "done").await["applied"], json!(true));
        let finished = rows_read(&f, &host.client).await;
        assert!(
            finished.0 - claimed.0 < MOST_ROWS_READ,
            "finish read {} rows",
            finished.0 - claimed.0
        );
        assert_eq!(finished.1, before.1, "lanes are not read as a whole");
    }
}

#[tokio::test]
async fn a_sweep_reads_no_agents_and_lanes_at_rest() {
    let f = Fixture::new().await;
    f.admin.batch_execute(CHORES).await.expect("make a queue");
    let host = f.host(&["p1"]).await;
    f.admin
        .execute(
            "insert into agents (project_id, agent_key, host_id, openclaw_id, provisioned, workspace_path)
             select 'p1', 'agent:o' || n || ':main', $1, 'o' || n, true, '/w' from generate_series(1, 3000) n",
            &[&host.host],
        )
        .await
        .expect("make agents");
    f.admin
        .batch_execute(
            "insert into chores (project_id, agent_key) select project_id, agent_key from agents;
             delete from chores",
        )
        .await
        .expect("use every lane once");
    f.admin
        .batch_execute("analyze creel.lanes, creel.items, public.agents; select pg_stat_force_next_flush()")
        .await
        .expect("know what is there");
    for call in ["tick", "sweep"] {
        let due = "update creel.sweep_state set swept_at = '-infinity', reasoned_at = '-infinity'";
        f.admin.batch_execute(due).await.expect("make it due");
        let before = rows_read(&f, &host.client).await;
        let args = json!({ "api": 1, "session": host.session });
        host.call(call, &args).await.expect(call);
        let read = rows_read(&f, &host.client).await.0 - before.0;
        assert!(read < MOST_ROWS_READ, "{call} read {read} rows");
    }
}

#[tokio::test]
async fn who_deleted_many_rows_still_deletes_one_by_looking_up_one() {
    let f = Fixture::new().await;
    f.admin.batch_execute(CHORES).await.expect("make a queue");
    f.admin
        .batch_execute(
            "insert into agents (project_id, agent_key) select 'p1', 'agent:o' || n || ':main' from generate_series(1, 3000) n;
             insert into chores (project_id, agent_key) select project_id, agent_key from agents;
             insert into chores (project_id, agent_key, status) select project_id, agent_key, 'dropped' from agents;
             insert into creel.dead_letters (item_id, queue, project_id, agent_key, attempts, reason)
               select id, 'chores', project_id, agent_key, 1, 'failed' from chores where status = 'dropped';
             analyze creel.lanes, creel.items, creel.dead_letters",
        )
        .await
        .expect("fill the queue");
    let person = f.test.postgres().await.expect("connect");
    let many = "delete from chores where status = 'todo' and agent_key like 'agent:o1%'";
    person.batch_execute(many).await.expect("delete many");
    let one = person
        .query_one(
            "select id from chores where agent_key = 'agent:o7:main' and status = 'todo'",
            &[],
        )
        .await
        .expect("choose one")
        .get::<_, uuid::Uuid>(0);
    let before = rows_read(&f, &person).await;
    person
        .execute("delete from chores where id = $1", &[&one])
        .await
        .expect("delete one");
    let read = rows_read(&f, &person).await.0 - before.0;
    assert!(read < MOST_ROWS_READ, "deleting one row read {read}");
}

#[tokio::test]
async fn a_command_is_sent_and_done_by_looking_at_its_own_agent() {
    let f = Fixture::new().await;
    let (host, elsewhere) = (f.host(&["p1"]).await, f.host(&["p1"]).await);
    let person = f.test.postgres().await.expect("connect");
    // The plans of these sessions are made, and kept, while there is next to nothing.
    let send = "insert into agent_commands (project_id, agent_key, type) values ('p1', $1, 'restart')";
    let finish = async |token| {
        let result = json!({ "ok": true, "state": "running" });
        let args = json!({ "api": 1, "items": [{ "token": token, "outcome": "done", "result": result }] });
        host.call("finish", &args).await.expect("finish")
    };
    for n in 0..8 {
        let key = format!("agent:warm{n}:main");
        f.admin
            .execute(
                "insert into agents (project_id, agent_key, host_id, openclaw_id, provisioned, workspace_path)
                 values ('p1', $1, $2, $1, true, '/w')",
                &[&key, &host.host],
            )
            .await
            .expect("make an agent");
        person.execute(send, &[&key]).await.expect("send");
        finish(host.claim_one().await).await;
    }
    f.admin
        .execute(
            "insert into agents (project_id, agent_key, host_id, openclaw_id, provisioned, workspace_path)
             select 'p1', 'agent:o' || n || ':main', $1, 'o' || n, true, '/w' from generate_series(1, 1900) n",
            &[&elsewhere.host],
        )
        .await
        .expect("make agents");
    f.admin
        .batch_execute(
            "insert into agent_commands (project_id, agent_key, type)
               select project_id, agent_key, t from agents, unnest(array['deploy', 'update_config', 'stop']) t
               where agent_key like 'agent:o%'",
        )
        .await
        .expect("let much wait");
    for n in 0..3 {
        let before = rows_read(&f, &person).await;
        person
            .execute(send, &[&format!("agent:warm{n}:main")])
            .await
            .expect("send");
        let sent = rows_read(&f, &person).await;
        assert!(
            sent.0 - before.0 < MOST_ROWS_READ,
            "sending read {}",
            sent.0 - before.0
        );
        let held = host.claim_one().await;
        let before = rows_read(&f, &host.client).await;
        assert_eq!(finish(held).await["items"][0]["applied"], json!(true));
        let finished = rows_read(&f, &host.client).await;
        assert!(
            finished.0 - before.0 < MOST_ROWS_READ,
            "finishing read {}",
            finished.0 - before.0
        );
    }
}

#[tokio::test]
async fn two_queues_in_one_claim_and_three_outcomes_in_one_finish_end_each_as_it_should() {
    let f = Fixture::new().await;
    f.admin.batch_execute(CHORES).await.expect("make a queue");
    let host = f.host(&["p1"]).await;
    for key in ["agent:a:main", "agent:b:main"] {
        f.request(key).await;
        f.admin
            .execute(
                "insert into chores (project_id, agent_key) values ('p1', $1)",
                &[&key],
            )
            .await
            .expect("add a chore");
    }
    let items = host.claim(10).await;
    assert_eq!(items.len(), 4);
    let outcomes = ["done", "retry", "failed", "done"];
    let mut finishes = Vec::new();
    for (item, outcome) in items.iter().zip(outcomes) {
        assert_eq!(item["id"], item["row"]["id"], "the row is the item's own");
        assert_eq!(item["row"]["agent_key"], item["agent"]["agent_key"]);
        assert!(item["agent"]["openclaw_id"].is_string(), "it is named: {item}");
        finishes.push(json!({ "token": item["token"], "outcome": outcome, "result": { "ok": outcome == "done", "for": item["id"] } }));
    }
    let args = json!({ "api": 1, "items": finishes });
    let reply = host.call("finish", &args).await.expect("finish");
    let requests = ["done", "queued", "error", "done"];
    let chores = ["did", "todo", "dropped", "did"];
    for (n, item) in items.iter().enumerate() {
        let is_chore = item["queue"] == json!("chores");
        let expected = if is_chore { chores[n] } else { requests[n] };
        assert_eq!(
            reply["items"][n]["token"], item["token"],
            "in the order of the request"
        );
        assert_eq!(reply["items"][n]["status"], json!(expected));
        let table = if is_chore {
            "chores"
        } else {
            "agent_provision_requests"
        };
        let id = item["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let written = f
            .one(
                &format!("select status || ' ' || (result ->> 'for') from {table} where id = $1"),
                id,
            )
            .await;
        assert_eq!(
            written,
            format!("{expected} {id}"),
            "with the result that is its own"
        );
    }
    let left = f
        .admin
        .query_one("select count(*), min(i.item_id::text) from creel.items i", &[])
        .await
        .expect("count");
    assert_eq!(left.get::<_, i64>(0), 1, "only what is tried again is left");
    assert_eq!(json!(left.get::<_, String>(1)), items[1]["id"]);
}

#[tokio::test]
async fn a_token_of_the_right_lane_with_another_secret_opens_nothing() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    let forged = uuid::Uuid::from_u128(held.as_u128() ^ 1);
    assert_eq!(host.finish(forged, "done").await["applied"], json!(false));
    assert_eq!(host.tick(&[held, forged]).await["lost"], json!([forged]));
    let args = json!({ "api": 1, "token": forged, "result": { "step": 1 } });
    assert_eq!(
        host.call("progress", &args).await.expect("call")["held"],
        json!(false)
    );
    assert_eq!(f.status(id).await, "running");
    assert_eq!(host.finish(held, "done").await["applied"], json!(true));
}

/// Where Postgres can compile plans, a forbidden scan that is done nevertheless is dear enough for it: a tick took 100 ms.
#[tokio::test]
async fn no_call_compiles_its_plans() {
    let f = Fixture::new().await;
    let rows = f
        .admin
        .query(
            "select p.oid::regprocedure::text from pg_proc p
             where (p.pronamespace = 'public'::regnamespace and p.proconfig @> '{enable_seqscan=off}'
                 or p.oid in ('public.sweep(jsonb)'::regprocedure, 'creel.enqueue_items'::regproc))
               and not p.proconfig @> '{jit=off}'",
            &[],
        )
        .await
        .expect("list functions");
    let compiled: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(compiled.is_empty(), "functions without jit = off: {compiled:?}");
}

#[tokio::test]
async fn who_deletes_many_agents_at_once_has_each_looked_up_alone() {
    const AGENTS: i64 = 300;
    /// With all that its triggers look at: some dozens, however many there are.
    const MOST_FOR_EACH: i64 = 100;

    // A database in which nothing was ever looked at, as the plans are of one that is empty.
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.admin
        .execute(
            "insert into agents (project_id, agent_key, host_id, openclaw_id, provisioned, workspace_path, status)
             select 'p1', 'agent:o' || n || ':main', $1, 'o' || n, true, '/w', 'running' from generate_series(1, $2::bigint) n",
            &[&host.host, &AGENTS],
        )
        .await
        .expect("make agents");
    let person = f.test.postgres().await.expect("connect");
    let claims = json!({ "sub": f.owner, "role": "authenticated" }).to_string();
    person
        .execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
        .await
        .expect("be a person");
    person
        .batch_execute("set role authenticated")
        .await
        .expect("be a person");
    let before = rows_read(&f, &person).await.0;
    person.execute("delete from agents", &[]).await.expect("delete");
    let read = rows_read(&f, &person).await.0 - before;
    assert!(read < AGENTS * MOST_FOR_EACH, "{read} rows for {AGENTS} agents");
    let sent = f
        .admin
        .query_one("select count(*) from agent_commands where type = 'undeploy'", &[])
        .await
        .expect("count");
    assert_eq!(sent.get::<_, i64>(0), AGENTS);
}
