//! What somebody who means harm, or is merely slow, cannot do to others.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, token};

#[tokio::test]
async fn chosen_ids_of_one_project_do_not_stop_the_claims_of_another() {
    let f = Fixture::new().await;
    f.project("p2", f.owner).await;
    let host = f.host(&["p1", "p2"]).await;
    let write = "insert into agents (project_id, agent_key, agent_id_short, id) values
      ('p1', 'y', 'bob', gen_random_uuid()), ('p1', 'z', 'bob-aaaaaaaaaaaa', gen_random_uuid()),
      ('p1', 'x', 'bob', 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa')";
    f.as_person(f.owner, write).await.expect("write agents");
    let chosen = f
        .admin
        .query(
            "select from agents where id = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa'",
            &[],
        )
        .await;
    assert!(chosen.expect("read").is_empty(), "nobody chooses the id of a row");
    // Should such an id come about all the same, there is still a free name.
    f.admin
        .batch_execute("update agents set id = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' where agent_key = 'x'")
        .await
        .expect("choose it as the owner of the database");
    for key in ["y", "z", "x"] {
        f.request(key).await;
    }
    f.request_in("p2", "agent:victim:main").await;
    let items = host.claim(10).await;
    let mut ids: Vec<&str> = items
        .iter()
        .map(|i| i["agent"]["openclaw_id"].as_str().expect("an id"))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
}

#[tokio::test]
async fn a_host_that_does_not_end_its_transaction_stops_no_other_host() {
    let f = Fixture::new().await;
    let (idle, other) = (f.host(&["p1"]).await, f.host(&["p1"]).await);
    f.request("agent:held:main").await;
    let waiting = f.request("agent:waiting:main").await;
    idle.client.batch_execute("begin").await.expect("begin");
    idle.call("sweep", &json!({ "api": 1 })).await.expect("sweep");
    assert_eq!(idle.claim(1).await.len(), 1);
    let reply = other.tick(&[]).await;
    assert_eq!(reply["work"], json!(true));
    let items = other.claim(10).await;
    assert_eq!(items.len(), 1, "what is free can be had");
    assert_eq!(items[0]["id"], json!(waiting));
    idle.client.batch_execute("rollback").await.expect("end it");
}

#[tokio::test]
async fn a_host_that_no_longer_serves_the_project_loses_what_it_holds() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    f.admin
        .execute("delete from project_hosts", &[])
        .await
        .expect("end it");
    let docs = host
        .call("read_docs", &json!({ "api": 1, "token": held }))
        .await
        .expect("call");
    assert_eq!(docs["held"], json!(false));
    assert_eq!(host.finish(held, "done").await["applied"], json!(false));
    assert_eq!(host.tick(&[held]).await["lost"], json!([held]));
    let other = f.host(&["p1"]).await;
    f.pass(60).await;
    other.tick(&[]).await;
    f.pass(5).await;
    let held = other.claim_one().await;
    other.finish(held, "done").await;
    assert_eq!(f.status(id).await, "done", "another host makes the agent");
}

#[tokio::test]
async fn withdrawing_requests_and_claiming_them_do_not_wait_for_each_other() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let (gone, stays) = (
        f.request("agent:gone:main").await,
        f.request("agent:stays:main").await,
    );
    let deleting = f.test.postgres().await.expect("connect");
    // The row is locked and the queue's lane is not yet.
    deleting.batch_execute("begin").await.expect("begin");
    deleting
        .execute(
            "select from agent_provision_requests where id = $1 for update",
            &[&gone],
        )
        .await
        .expect("lock the row");
    let items = host.claim(10).await;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["id"], json!(stays));
    deleting
        .execute("delete from agent_provision_requests where id = $1", &[&gone])
        .await
        .expect("the person is not the one who gives way");
    deleting.batch_execute("commit").await.expect("commit");
    assert!(host.claim(10).await.is_empty());
    let left = f
        .admin
        .query_one("select count(*) from creel.items", &[])
        .await
        .expect("count");
    assert_eq!(left.get::<_, i64>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_hosts_at_once_run_into_no_deadlock_that_costs_a_row() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let mut writers = Vec::new();
    for writer in 0..3 {
        let client = f.test.postgres().await.expect("connect");
        writers.push(tokio::spawn(async move {
            for n in 0..40 {
                let key = format!("agent:w{}:main", (writer + n) % 4);
                let request = "insert into agent_provision_requests (project_id, agent_key) values ('p1', $1)
                               on conflict do nothing";
                client
                    .execute(request, &[&key])
                    .await
                    .expect("a person's request does not deadlock");
                if n % 3 == 0 {
                    let withdraw =
                        "delete from agent_provision_requests where agent_key = $1 and status = 'queued'";
                    client
                        .execute(withdraw, &[&key])
                        .await
                        .expect("a person's withdrawal does not deadlock");
                }
            }
        }));
    }
    let all = futures_util::future::join_all(writers);
    let working = async {
        loop {
            let args = json!({ "api": 1, "session": host.session, "limit": 5, "woken_by": "poll" });
            // A host gives way and asks again.
            let Ok(reply) = host.call("claim", &args).await else {
                continue;
            };
            for item in reply["items"].as_array().expect("items") {
                let done = json!({ "ok": true, "workspace": "/w", "served": false });
                let args = json!({ "api": 1, "items": [{ "token": item["token"], "outcome": "done", "result": done }] });
                while host.call("finish", &args).await.is_err() {}
            }
        }
    };
    tokio::select! {
        ended = all => for writer in ended { writer.expect("no writer fails"); },
        () = working => {}
    }
    let broken = f
        .admin
        .query_one(
            "select count(*) from agent_provision_requests r
             where r.status in ('queued', 'running') and not exists (select from creel.items i where i.item_id = r.id)",
            &[],
        )
        .await
        .expect("count");
    assert_eq!(broken.get::<_, i64>(0), 0, "every open row is in the queue");
}

#[tokio::test]
async fn a_pinned_agent_does_not_overrun_its_host() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.admin
        .execute("update hosts set capacity = 1", &[])
        .await
        .expect("make it small");
    let pin = |key: &str| {
        format!(
            "insert into agents (project_id, agent_key, host_id) values ('p1', '{key}', '{}')",
            host.host
        )
    };
    f.as_person(f.owner, &pin("a")).await.expect("one has room");
    let full = f
        .as_person(f.owner, &pin("b"))
        .await
        .expect_err("another one has not");
    assert_eq!(full.code().map(|c| c.code().to_owned()).as_deref(), Some("PT409"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_claims_at_once_do_not_overrun_a_host() {
    let f = Fixture::new().await;
    let mut host = f.host(&["p1"]).await;
    f.admin
        .execute("update hosts set capacity = 1", &[])
        .await
        .expect("make it small");
    f.request("agent:a:main").await;
    f.request("agent:b:main").await;
    let locking = f.test.postgres().await.expect("connect");
    locking
        .batch_execute("begin; select from hosts for update")
        .await
        .expect("let them wait for the host's row");
    let role: String = host
        .client
        .query_one("select session_user::text", &[])
        .await
        .expect("ask")
        .get(0);
    host.session = Uuid::new_v4();
    let (first, release) = tokio::join!(
        async {
            let args = json!({ "api": 1, "session": host.session, "limit": 1, "woken_by": "poll" });
            let (one, two) = tokio::join!(host.call("claim", &args), host.call("claim", &args));
            one.is_ok() || two.is_ok()
        },
        async {
            creel_tests::wait::eventually("a claim waits", std::time::Duration::from_secs(10), async || {
                let waits = f
                    .admin
                    .query_one("select count(*) from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'", &[&role])
                    .await
                    .expect("look");
                waits.get::<_, i64>(0) > 0
            })
            .await;
            locking.batch_execute("commit").await
        }
    );
    release.expect("let them go on");
    assert!(first);
    let placed = f
        .admin
        .query_one("select count(*) from agents where host_id is not null", &[])
        .await
        .expect("count");
    assert_eq!(placed.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn an_agent_that_is_being_made_is_not_deleted_under_its_host() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    f.as_person(f.owner, "delete from agents")
        .await
        .expect("wish it away");
    let row = f
        .admin
        .query_one("select desired_state from agents", &[])
        .await
        .expect("it is still there");
    assert_eq!(row.get::<_, String>(0), "removed");
    assert_eq!(host.finish(held, "done").await["applied"], json!(true));
}

#[tokio::test]
async fn giving_back_for_ever_comes_to_an_end() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = f.request("agent:scout:main").await;
    for _ in 0..20 {
        let held = host.claim_one().await;
        host.release(&[held], false).await;
    }
    for _ in 0..5 {
        f.pass(400).await;
        let held = host.claim_one().await;
        host.release(&[held], false).await;
    }
    assert_eq!(f.status(id).await, "error");
}

#[tokio::test]
async fn a_result_that_is_odd_spoils_no_other_finish() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    for key in ["a", "b", "c"] {
        f.request(key).await;
    }
    let items = host.claim(10).await;
    let odd = json!({ "ok": false, "error": { "message": "x".repeat(30_000) } });
    let args = json!({ "api": 1, "items": [
        { "token": items[0]["token"], "outcome": "failed", "result": odd },
        { "token": items[0]["token"], "outcome": "failed", "result": odd },
        { "token": items[1]["token"], "outcome": "done", "result": { "ok": true, "served": "perhaps" } },
        { "token": items[2]["token"], "outcome": "done", "result": { "ok": true, "workspace": "/w", "served": true } },
    ] });
    host.call("finish", &args).await.expect("the batch is taken");
    let made = f
        .admin
        .query_one("select count(*) from agents where provisioned", &[])
        .await
        .expect("count");
    assert_eq!(made.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn texts_of_a_project_are_bounded_with_all_their_versions() {
    let f = Fixture::new().await;
    f.admin
        .execute("update creel.settings set max_doc_bytes_per_project = 4000", &[])
        .await
        .expect("set");
    let write = |n: u32| {
        format!(
            "insert into brain_docs (project_id, agent_key, doc_type, content) values ('p1', 'a', 'soul', repeat('{n}', 1000))
             on conflict (project_id, agent_key, doc_type) do update set content = excluded.content"
        )
    };
    for n in [1, 2, 1, 2, 1] {
        f.as_person(f.owner, &write(n))
            .await
            .expect("two texts fit, however often");
    }
    let full = f
        .as_person(f.owner, &write(3))
        .await
        .expect_err("a third does not");
    assert_eq!(full.code().map(|c| c.code().to_owned()).as_deref(), Some("PT429"));
}

#[tokio::test]
async fn a_moment_without_a_host_long_ago_does_not_end_what_waits_now() {
    let f = Fixture::new().await;
    let id = f.request("agent:scout:main").await;
    f.sweep().await;
    let host = f.host(&["p1"]).await;
    let held = host.claim_one().await;
    f.pass(10).await;
    host.tick(&[held]).await;
    f.admin
        .execute(
            "update creel.items set enqueued_at = now() - interval '1 day'",
            &[],
        )
        .await
        .expect("age it");
    host.release(&[held], false).await;
    f.admin
        .execute("delete from project_hosts", &[])
        .await
        .expect("swap hosts");
    f.sweep().await;
    assert_eq!(f.status(id).await, "queued", "there is time to add another host");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_not_moved_by_work_that_was_written_while_it_was_placed() {
    let f = Fixture::new().await;
    f.admin
        .batch_execute(
            "create table public.chores (id uuid primary key default gen_random_uuid(), project_id text, agent_key text,
               status text default 'todo', result jsonb, waiting_for text, woken_by text, deadline_at timestamptz,
               begun timestamptz, ended timestamptz);
             insert into creel.queues (queue, tbl, lane_kind, priority, waiting, taken, done, dead, taken_at, done_at)
               values ('chores', 'public.chores', 'work', 0, 'todo', 'doing', 'did', 'dropped', 'begun', 'ended');
             select creel.join_queue('public.chores')",
        )
        .await
        .expect("make a second queue");
    let (first, second) = (f.host(&["p1"]).await, f.host(&["p1"]).await);
    f.request("agent:scout:main").await;
    let writing = f.test.postgres().await.expect("connect");
    writing
        .batch_execute("begin; insert into chores (project_id, agent_key) values ('p1', 'agent:scout:main')")
        .await
        .expect("write work");
    let early = first.claim(10).await;
    writing.batch_execute("commit").await.expect("commit");
    let mut held: Vec<_> = early.iter().chain(&first.claim(10).await).cloned().collect();
    held.extend(second.claim(10).await);
    let places = f
        .admin
        .query("select distinct host_id from creel.lanes", &[])
        .await
        .expect("read lanes");
    assert_eq!(places.len(), 1, "both lanes are where the agent is");
    assert_eq!(places[0].get::<_, Option<Uuid>>(0), Some(first.host));
    assert_eq!(held.len(), 2, "and both items were claimed there");
}

#[tokio::test]
async fn a_row_that_somebody_keeps_locked_is_not_in_the_way_of_the_others() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let locked = f.request("agent:locked:main").await;
    f.request("agent:free:main").await;
    // Placed, so that the host finds both among its own.
    let held: Vec<Uuid> = host.claim(2).await.iter().map(token).collect();
    assert_eq!(host.release(&held, false).await, 2);
    let person = f.test.postgres().await.expect("connect");
    person.batch_execute("begin").await.expect("begin");
    person
        .execute(
            "select from agent_provision_requests where id = $1 for update",
            &[&locked],
        )
        .await
        .expect("lock the row");
    let items = host.claim(1).await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["row"]["agent_key"], json!("agent:free:main"));
    assert_eq!(
        host.finish(token(&items[0]), "done").await["applied"],
        json!(true)
    );
    assert_eq!(host.claim(1).await, Vec::<Value>::new());
    person.batch_execute("commit").await.expect("commit");
    f.pass(1).await;
    let items = host.claim(1).await;
    assert_eq!(items[0]["row"]["id"], json!(locked));
    assert_eq!(items[0]["attempt"], json!(1), "it cost no attempt");
}

#[tokio::test]
async fn an_item_that_cannot_be_settled_keeps_no_other_from_its_end() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let (bad, good) = (
        f.request("agent:bad:main").await,
        f.request("agent:good:main").await,
    );
    f.admin
        .batch_execute(&format!(
            "create function refuse() returns trigger language plpgsql as
               $$ begin raise exception 'no'; end $$;
             create trigger refuse before update on agent_provision_requests for each row
               when (old.id = '{bad}' and new.status <> 'running') execute function refuse()"
        ))
        .await
        .expect("break one");
    // By a lease that ran out.
    let held: Vec<Uuid> = host.claim(2).await.iter().map(token).collect();
    assert_eq!(held.len(), 2);
    f.pass(60).await;
    f.sweep().await;
    assert_eq!(f.status(bad).await, "running");
    assert_eq!(f.status(good).await, "queued");
    for held in held {
        assert_eq!(host.finish(held, "done").await["applied"], json!(false));
    }
    // By its deadline.
    f.admin
        .batch_execute("update creel.items set deadline_at = now()")
        .await
        .expect("let time pass");
    f.sweep().await;
    assert_eq!(f.status(bad).await, "running");
    assert_eq!(f.status(good).await, "error");
    // And when it can be settled, it is.
    f.admin
        .batch_execute("drop trigger refuse on agent_provision_requests")
        .await
        .expect("mend it");
    f.pass(60).await;
    f.sweep().await;
    assert_eq!(f.status(bad).await, "error");
}

#[tokio::test]
async fn a_dead_letter_that_is_there_already_stops_no_sweep() {
    let f = Fixture::new().await;
    let id = f.request("agent:scout:main").await;
    f.admin
        .execute(
            "insert into creel.dead_letters (item_id, queue, project_id, agent_key, attempts, reason)
             values ($1, 'agent_commands', 'p1', 'agent:other:main', 1, 'failed')",
            &[&id],
        )
        .await
        .expect("leave a letter");
    f.admin
        .batch_execute("update creel.items set deadline_at = now()")
        .await
        .expect("let it end");
    f.sweep().await;
    assert_eq!(f.status(id).await, "error");
    let letter = "select queue || ' ' || reason from creel.dead_letters where item_id = $1";
    assert_eq!(f.one(letter, id).await, "agent_provision_requests deadline");
}

#[tokio::test]
async fn a_sweep_that_is_cut_off_costs_no_heartbeat() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    f.admin
        .batch_execute(
            "create or replace function creel.sweep_hope() returns int language plpgsql set search_path = '' as
               $$ begin perform pg_sleep(60); return 0; end $$",
        )
        .await
        .expect("make the sweep slow");
    host.client
        .batch_execute("set statement_timeout = '500ms'")
        .await
        .expect("be impatient");
    let reply = host.tick(&[held]).await;
    assert_eq!(reply["lost"], json!([]));
    let beats = f
        .admin
        .query("select from host_heartbeats where host_id = $1", &[&host.host])
        .await
        .expect("read");
    assert_eq!(beats.len(), 1, "it is written");
}

#[tokio::test]
async fn nobody_keeps_another_one_from_writing_by_a_transaction_without_an_end() {
    let f = Fixture::new().await;
    f.as_person(
        f.owner,
        "insert into agents (project_id, agent_key) values ('p1', 'agent:a:main'), ('p1', 'agent:b:main')",
    )
    .await
    .expect("make agents");
    let slow = f.test.postgres().await.expect("connect");
    let claims = json!({ "sub": f.owner, "role": "authenticated" }).to_string();
    slow.execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
        .await
        .expect("be the owner");
    slow.batch_execute(
        "set role authenticated; begin; update agents set name = 'A' where agent_key = 'agent:a:main'",
    )
    .await
    .expect("write, and stay");
    for sql in [
        "update agents set name = 'B' where agent_key = 'agent:b:main'",
        "insert into agent_commands (project_id, agent_key, type) values ('p1', 'agent:b:main', 'deploy')",
        "insert into agent_provision_requests (project_id, agent_key) values ('p1', 'agent:c:main')",
        "delete from agent_provision_requests",
        "delete from agents where agent_key = 'agent:b:main'",
    ] {
        assert_eq!(f.as_person(f.owner, sql).await.expect(sql), 1, "{sql}");
    }
    slow.batch_execute("rollback").await.expect("end it");
}
