//! Only who owns the host and edits the project turns the host's agents into the project's, once each.

use creel_tests::wait::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, Session, token};

fn call(project: &str, host: Uuid, ids: &[&str]) -> String {
    let agents: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "openclaw_id": id, "name": format!("Agent {id}"), "emoji": "🦉" }))
        .collect();
    let args = json!({ "project_id": project, "host_id": host, "agents": agents });
    format!("select public.adopt_agents('{args}')")
}

async fn owned_host(f: &Fixture, owner: Uuid, projects: &[&str]) -> Session {
    let host = f.host(projects).await;
    f.admin
        .execute(
            "update hosts set owner_id = $1 where id = $2",
            &[&owner, &host.host],
        )
        .await
        .expect("give the host its owner");
    host
}

async fn adopt(f: &Fixture, person: Uuid, project: &str, host: Uuid, ids: &[&str]) -> Vec<Value> {
    let answer = f.ask_as_person(person, &call(project, host, ids)).await;
    answer.expect("adopt")["agents"]
        .as_array()
        .expect("agents")
        .clone()
}

fn outcomes(answers: &[Value]) -> Vec<&str> {
    answers
        .iter()
        .map(|answer| answer["outcome"].as_str().expect("an outcome"))
        .collect()
}

async fn refused(f: &Fixture, person: Uuid, project: &str, host: Uuid) -> String {
    let answer = f.ask_as_person(person, &call(project, host, &["scout"])).await;
    let error = answer.expect_err("refused");
    error.code().map(|c| c.code().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn an_adopted_agent_is_a_row_on_its_host_and_a_request_that_says_so() {
    let f = Fixture::new().await;
    let host = owned_host(&f, f.owner, &["p1"]).await;
    let answers = adopt(&f, f.owner, "p1", host.host, &["scout", "ada"]).await;
    assert_eq!(outcomes(&answers), ["adopted", "adopted"], "{answers:?}");
    let items = host.claim(10).await;
    assert_eq!(items.len(), 2);
    for (item, id) in items.iter().zip(["scout", "ada"]) {
        assert_eq!(item["row"]["adopt"], json!(true));
        assert_eq!(item["agent"]["openclaw_id"], json!(id));
        assert_eq!(item["agent"]["agent_key"], json!(format!("agent:{id}:main")));
        assert_eq!(item["agent"]["host_id"], json!(host.host));
        assert_eq!(item["agent"]["host_pinned"], json!(true));
        assert_eq!(item["agent"]["name"], json!(format!("Agent {id}")));
    }
    assert_eq!(
        host.finish(token(&items[0]), "done").await["applied"],
        json!(true)
    );
    let row = f
        .admin
        .query_one(
            "select provisioned, workspace_path from agents where openclaw_id = 'scout'",
            &[],
        )
        .await
        .expect("read the agent");
    assert!(row.get::<_, bool>(0));
    assert_eq!(row.get::<_, &str>(1), "/w");
}

#[tokio::test]
async fn who_lacks_one_of_both_rights_adopts_nothing() {
    let f = Fixture::new().await;
    let host = owned_host(&f, f.owner, &["p1"]).await;
    let (stranger, viewer, editor) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    for (person, name) in [(stranger, "stranger"), (viewer, "viewer"), (editor, "editor")] {
        f.person(person, &format!("{name}@example.com")).await;
    }
    for (person, role) in [(viewer, "viewer"), (editor, "editor")] {
        f.admin
            .execute(
                "insert into project_members (project_id, user_id, role) values ('p1', $1, $2)",
                &[&person, &role],
            )
            .await
            .expect("add a member");
    }
    for person in [stranger, viewer, editor] {
        assert_eq!(refused(&f, person, "p1", host.host).await, "42501");
    }
    // A viewer who owns the host is no editor; the project's owner does not own that host.
    let theirs = owned_host(&f, viewer, &["p1"]).await;
    assert_eq!(refused(&f, viewer, "p1", theirs.host).await, "42501");
    assert_eq!(refused(&f, f.owner, "p1", theirs.host).await, "42501");
    assert_eq!(refused(&f, f.owner, "p1", Uuid::new_v4()).await, "42501");
    // Nobody at all.
    let call = call("p1", host.host, &["scout"]);
    let sql = format!("begin; set local role anon; {call}; commit");
    f.admin.batch_execute(&sql).await.expect_err("refused");
    f.admin.batch_execute("rollback").await.expect("roll back");
    let own = owned_host(&f, editor, &["p1"]).await;
    assert_eq!(
        outcomes(&adopt(&f, editor, "p1", own.host, &["scout"]).await),
        ["adopted"]
    );
    let agents: i64 = f
        .admin
        .query_one("select count(*) from agents", &[])
        .await
        .expect("count")
        .get(0);
    assert_eq!(agents, 1);
}

#[tokio::test]
async fn a_host_that_does_not_serve_the_project_gives_it_no_agent() {
    let f = Fixture::new().await;
    f.project("p2", f.owner).await;
    let host = owned_host(&f, f.owner, &["p2"]).await;
    assert_eq!(refused(&f, f.owner, "p1", host.host).await, "PT409");
}

#[tokio::test]
async fn an_agent_of_another_project_on_the_same_host_stays_there() {
    let f = Fixture::new().await;
    f.project("p2", f.owner).await;
    let host = owned_host(&f, f.owner, &["p1", "p2"]).await;
    assert_eq!(
        outcomes(&adopt(&f, f.owner, "p1", host.host, &["scout"]).await),
        ["adopted"]
    );
    let answers = adopt(&f, f.owner, "p2", host.host, &["scout", "ada"]).await;
    assert_eq!(outcomes(&answers), ["refused", "adopted"], "{answers:?}");
    assert_eq!(answers[0]["reason"]["code"], json!("other_project"));
    assert!(
        !answers[0].to_string().contains("p1"),
        "it says nothing of that project"
    );
}

#[tokio::test]
async fn adopting_again_changes_nothing() {
    let f = Fixture::new().await;
    let host = owned_host(&f, f.owner, &["p1"]).await;
    let first = adopt(&f, f.owner, "p1", host.host, &["scout", "scout"]).await;
    assert_eq!(outcomes(&first), ["adopted", "exists"]);
    assert_eq!(
        first[0]["request_id"], first[1]["request_id"],
        "whoever asks again waits for the same"
    );
    let held = host.claim_one().await;
    assert_eq!(
        outcomes(&adopt(&f, f.owner, "p1", host.host, &["scout"]).await),
        ["exists"]
    );
    host.finish(held, "done").await;
    let last = adopt(&f, f.owner, "p1", host.host, &["scout"]).await;
    assert_eq!(outcomes(&last), ["exists"]);
    assert_eq!(last[0]["request_id"], Value::Null);
    assert!(host.claim(10).await.is_empty());
    let requests: i64 = f
        .admin
        .query_one("select count(*) from agent_provision_requests", &[])
        .await
        .expect("count")
        .get(0);
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn two_who_adopt_the_same_agents_at_once_make_each_once() {
    let f = Fixture::new().await;
    let host = owned_host(&f, f.owner, &["p1"]).await;
    let (one, other) = tokio::join!(
        adopt(&f, f.owner, "p1", host.host, &["ada", "bob", "eve"]),
        adopt(&f, f.owner, "p1", host.host, &["eve", "bob", "ada"]),
    );
    let both: Vec<&str> = outcomes(&one).into_iter().chain(outcomes(&other)).collect();
    assert_eq!(both.iter().filter(|o| **o == "adopted").count(), 3, "{both:?}");
    assert_eq!(both.iter().filter(|o| **o == "exists").count(), 3, "{both:?}");
}

#[tokio::test]
async fn an_agent_whose_plain_request_was_refused_can_be_adopted() {
    let f = Fixture::new().await;
    let host = owned_host(&f, f.owner, &["p1"]).await;
    let open = f.request("agent:scout:main").await;
    let answers = adopt(&f, f.owner, "p1", host.host, &["scout"]).await;
    assert_eq!(answers[0]["reason"]["code"], json!("open_request"));
    let held = host.claim_one().await;
    host.finish(held, "failed").await;
    assert_eq!(f.status(open).await, "error");
    let answers = adopt(&f, f.owner, "p1", host.host, &["scout"]).await;
    assert_eq!(outcomes(&answers), ["adopted"], "{answers:?}");
    let items = host.claim(10).await;
    assert_eq!(items[0]["row"]["adopt"], json!(true));
}

#[tokio::test]
async fn names_that_creel_cannot_have_are_refused_one_by_one() {
    let f = Fixture::new().await;
    let host = owned_host(&f, f.owner, &["p1"]).await;
    let long = "a".repeat(64);
    let answers = adopt(
        &f,
        f.owner,
        "p1",
        host.host,
        &["main", "", "../x", &long, "UP", "scout"],
    )
    .await;
    assert_eq!(
        outcomes(&answers),
        ["refused", "refused", "refused", "refused", "refused", "adopted"]
    );
    assert!(
        answers[0]["reason"]["message"]
            .to_string()
            .contains("OpenClaw's own")
    );
    let args = json!({ "project_id": "p1", "host_id": host.host, "agents": [
        { "openclaw_id": "ada", "name": "x".repeat(20_000) }, { "openclaw_id": "bob" }, 7,
    ]});
    let answer = f
        .ask_as_person(f.owner, &format!("select public.adopt_agents('{args}')"))
        .await;
    let answer = answer.expect("adopt");
    let answers = answer["agents"].as_array().expect("agents");
    assert_eq!(
        outcomes(answers),
        ["refused", "adopted", "refused"],
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_full_host_keeps_its_agents_to_itself() {
    let f = Fixture::new().await;
    let host = owned_host(&f, f.owner, &["p1"]).await;
    f.admin
        .batch_execute("update hosts set capacity = 1")
        .await
        .expect("make it small");
    let answers = adopt(&f, f.owner, "p1", host.host, &["ada", "bob"]).await;
    assert_eq!(outcomes(&answers), ["adopted", "refused"], "{answers:?}");
    assert!(
        answers[1]["reason"]["message"].to_string().contains("full"),
        "{answers:?}"
    );
}

#[tokio::test]
async fn nobody_writes_a_request_that_takes_over_a_folder() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.as_person(
        f.owner,
        "insert into agent_provision_requests (project_id, agent_key, adopt)
         values ('p1', 'agent:scout:main', true)",
    )
    .await
    .expect("the column is not believed");
    f.admin
        .batch_execute(
            "set role service_role;
             insert into agent_provision_requests (project_id, agent_key, adopt)
             values ('p1', 'agent:ada:main', true); reset role",
        )
        .await
        .expect("nor from a server");
    let items = host.claim(10).await;
    assert_eq!(items.len(), 2);
    assert!(
        items.iter().all(|item| item["row"]["adopt"] == json!(false)),
        "{items:?}"
    );
}

#[tokio::test]
async fn adopting_and_claiming_at_the_same_time_do_not_block_each_other() {
    let f = Fixture::new().await;
    let host = owned_host(&f, f.owner, &["p1"]).await;
    let ids: Vec<String> = (0..40).map(|n| format!("agent-{n}")).collect();
    let adopting = async {
        for part in ids.chunks(5) {
            let part: Vec<&str> = part.iter().map(String::as_str).collect();
            let answers = adopt(&f, f.owner, "p1", host.host, &part).await;
            assert!(outcomes(&answers).iter().all(|o| *o == "adopted"), "{answers:?}");
        }
    };
    let claiming = async {
        let mut done = 0;
        eventually(
            "all are claimed",
            std::time::Duration::from_secs(60),
            async || {
                for item in host.claim(10).await {
                    host.finish(token(&item), "done").await;
                    done += 1;
                }
                done == ids.len()
            },
        )
        .await;
    };
    tokio::join!(adopting, claiming);
}

#[tokio::test]
async fn an_agent_that_is_being_placed_elsewhere_at_this_moment_stays_there() {
    let f = Fixture::new().await;
    let host = owned_host(&f, f.owner, &["p1"]).await;
    let other = f.host(&["p1"]).await;
    f.admin
        .batch_execute(
            "create table public.chores (id uuid primary key default gen_random_uuid(), project_id text, agent_key text,
               status text default 'todo', result jsonb, waiting_for text, woken_by text, deadline_at timestamptz,
               begun timestamptz, ended timestamptz);
             insert into creel.queues (queue, tbl, lane_kind, priority, waiting, taken, done, dead, taken_at, done_at)
               values ('chores', 'public.chores', 'work', 0, 'todo', 'doing', 'did', 'dropped', 'begun', 'ended');
             select creel.join_queue('public.chores');
             insert into agents (project_id, agent_key) values ('p1', 'agent:scout:main');
             insert into chores (project_id, agent_key) values ('p1', 'agent:scout:main')",
        )
        .await
        .expect("make an agent with work");
    other.client.batch_execute("begin").await.expect("begin");
    let held = other.claim_one().await;
    let adopting = async { adopt(&f, f.owner, "p1", host.host, &["scout"]).await };
    let placing = async {
        eventually(
            "the adoption waits",
            std::time::Duration::from_secs(10),
            async || {
                let waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%adopt_agents%'";
                !f.admin.query(waiting, &[]).await.expect("look").is_empty()
            },
        )
        .await;
        other.client.batch_execute("commit").await.expect("commit");
    };
    let (answers, ()) = tokio::join!(adopting, placing);
    assert_eq!(outcomes(&answers), ["refused"], "{answers:?}");
    assert_eq!(answers[0]["reason"]["code"], json!("key_taken"));
    assert_eq!(other.finish(held, "done").await["applied"], json!(true));
}
