//! What an agent's log says is kept for its project's members, and bounded.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, Session};

const LOG: &str = "select coalesce(jsonb_agg(jsonb_build_array(seq, lines, skipped_bytes) order by seq), '[]') from agent_logs";

/// An agent that lives on a host.
async fn agent(f: &Fixture, project: &str, key: &str, host: &Session) -> Uuid {
    f.admin
        .query_one(
            "insert into agents (project_id, agent_key, host_id) values ($1, $2, $3) returning id",
            &[&project, &key, &host.host],
        )
        .await
        .expect("make an agent")
        .get(0)
}

async fn tell(host: &Session, logs: Value) -> Value {
    host.call("record_logs", &json!({ "api": 1, "logs": logs }))
        .await
        .expect("tell")
}

async fn kept(f: &Fixture) -> Value {
    f.admin.query_one(LOG, &[]).await.expect("read the logs").get(0)
}

#[tokio::test]
async fn new_lines_come_after_the_last_ones_and_are_for_members() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = agent(&f, "p1", "agent:scout:main", &host).await;
    let stranger = Uuid::new_v4();
    f.person(stranger, "stranger@example.com").await;
    for lines in ["one\n", "two\n"] {
        let reply = tell(
            &host,
            json!([{ "agent_id": id, "lines": lines, "skipped_bytes": 3 }]),
        )
        .await;
        assert_eq!(reply, json!({ "taken": 1, "full": false }));
    }
    assert_eq!(kept(&f).await, json!([[1, "one\n", 3], [2, "two\n", 3]]));
    assert_eq!(f.ask_as_person(f.owner, LOG).await.expect("look"), kept(&f).await);
    assert_eq!(f.ask_as_person(stranger, LOG).await.expect("look"), json!([]));
    for write in ["delete from agent_logs", "update agent_logs set lines = 'x'"] {
        assert!(f.as_person(f.owner, write).await.is_err(), "{write}");
    }
}

#[tokio::test]
async fn a_host_tells_of_its_own_agents_only() {
    let f = Fixture::new().await;
    f.project("p2", f.owner).await;
    let (host, other) = (f.host(&["p1"]).await, f.host(&["p1", "p2"]).await);
    let mine = agent(&f, "p1", "agent:mine:main", &host).await;
    let theirs = agent(&f, "p1", "agent:theirs:main", &other).await;
    // A host that may serve the project no more.
    let lost = agent(&f, "p2", "agent:lost:main", &host).await;
    let reply = tell(
        &host,
        json!([
            { "agent_id": theirs, "lines": "forged\n" }, { "agent_id": lost, "lines": "late\n" },
            { "agent_id": "nonsense", "lines": "x\n" }, { "agent_id": mine, "lines": 7 }, 7, null,
            { "agent_id": mine, "lines": "x".repeat(20_000) }, { "agent_id": mine, "lines": "" },
            { "agent_id": mine, "lines": "kept\n", "skipped_bytes": -1e30 },
        ]),
    )
    .await;
    assert_eq!(reply["taken"], 1);
    assert_eq!(kept(&f).await, json!([[1, "kept\n", 0]]));
    for nonsense in [
        json!({ "api": 1 }),
        json!({ "api": 1, "logs": {} }),
        json!({ "logs": [] }),
    ] {
        assert!(host.call("record_logs", &nonsense).await.is_err(), "{nonsense}");
    }
}

#[tokio::test]
async fn old_lines_go_and_a_host_that_tells_too_much_is_not_heard() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = agent(&f, "p1", "agent:scout:main", &host).await;
    let set = |settings: &'static str| f.admin.batch_execute(settings);
    set("update creel.settings set max_log_bytes_per_agent = 530")
        .await
        .expect("set");
    for lines in ["1234\n", "5678\n", "9\n"] {
        tell(&host, json!([{ "agent_id": id, "lines": lines }])).await;
    }
    assert_eq!(kept(&f).await, json!([[2, "5678\n", 0], [3, "9\n", 0]]));
    set("update creel.settings set max_log_bytes_per_hour = 3000")
        .await
        .expect("set");
    let mut full = 0;
    for _ in 0..10 {
        let reply = tell(&host, json!([{ "agent_id": id, "lines": "more\n" }])).await;
        full += u32::from(reply["full"] == true);
    }
    assert!(full > 0, "it is bounded");
    assert!(full < 10, "and heard until then");
    f.admin
        .batch_execute("update agents set openclaw_id = null, provisioned = false; delete from agents")
        .await
        .expect("remove the agent");
    assert_eq!(kept(&f).await, json!([]));
}

#[tokio::test]
async fn many_short_lines_are_no_way_around_the_bounds() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let id = agent(&f, "p1", "agent:scout:main", &host).await;
    f.admin
        .batch_execute(
            "update creel.settings set max_log_bytes_per_agent = 2570, max_log_bytes_per_hour = 10000",
        )
        .await
        .expect("set");
    let mut taken = 0;
    for _ in 0..50 {
        // An id is one however it is written.
        let written = id.to_string().to_uppercase();
        let reply = tell(&host, json!([{ "agent_id": written, "lines": "x" }])).await;
        taken += reply["taken"].as_u64().expect("a number");
    }
    assert!((20..40).contains(&taken), "{taken}");
    assert_eq!(kept(&f).await.as_array().map(Vec::len), Some(10));
}
