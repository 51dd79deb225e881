//! Hosts that cannot LISTEN hear of work by Realtime: who is sent what, and what it may cost.

use serde_json::{Value, json};

use crate::fixture::{Fixture, Session, token};

const SCOUT: &str = "agent:scout:main";

impl Session {
    /// A tick of a host that hears, or would like to hear, by a channel. Answers what it is told of it.
    async fn tick_with_channel(&self, channel: &Value) -> Value {
        let args = json!({
            "api": 1, "session": self.session, "tokens": [], "metrics": [], "host": {}, "channel": channel,
        });
        self.call("tick", &args).await.expect("tick")["topic"].clone()
    }

    /// It listens from now on; answers where.
    async fn listen(&self) -> String {
        let topic = self
            .tick_with_channel(&json!({ "topic": null, "live": false }))
            .await;
        let known = json!({ "topic": topic, "live": true });
        assert_eq!(self.tick_with_channel(&known).await, Value::Null, "it knows that");
        topic.as_str().expect("a topic").to_owned()
    }
}

/// What was sent since this was last asked: event and topic, in the order of the events.
async fn sent(f: &Fixture) -> Vec<(String, String)> {
    let db = f.test.superuser().await.expect("connect");
    let rows = db
        .query(
            "with gone as (delete from realtime.messages returning event, topic, payload, private, extension)
             select event, topic, payload - 'id' = '{}' and not private and extension = 'broadcast' from gone order by 1, 2",
            &[],
        )
        .await
        .expect("read what was sent");
    rows.iter()
        .map(|row| {
            assert!(
                row.get::<_, bool>(2),
                "it says nothing, and whoever knows the topic hears it"
            );
            (row.get(0), row.get(1))
        })
        .collect()
}

fn hint(event: &str, topic: &str) -> (String, String) {
    (event.to_owned(), topic.to_owned())
}

#[tokio::test]
async fn a_host_that_listens_is_sent_a_hint_for_each_statement_and_nobody_else() {
    let f = Fixture::new().await;
    let (host, silent) = (f.host(&["p1"]).await, f.host(&["p1"]).await);
    silent.tick(&[]).await;
    f.request("agent:before:main").await;
    assert_eq!(sent(&f).await, [], "nobody listens");
    assert_eq!(host.claim(10).await.len(), 1);

    let topic = host.listen().await;
    assert!(topic.len() > 32, "{topic} cannot be guessed");
    f.admin
        .batch_execute(
            "insert into agent_provision_requests (project_id, agent_key, display_name)
             select 'p1', 'agent:a' || n || ':main', 'x' from generate_series(1, 50) n",
        )
        .await
        .expect("write requests");
    assert_eq!(sent(&f).await, [hint("work", &topic)]);
    f.admin
        .batch_execute(
            "begin;
             insert into agent_provision_requests (project_id, agent_key, display_name) values ('p1', 'agent:b:main', 'b');
             insert into agent_provision_requests (project_id, agent_key, display_name) values ('p1', 'agent:c:main', 'c');
             commit",
        )
        .await
        .expect("write two requests");
    assert_eq!(sent(&f).await, [hint("work", &topic)], "once a transaction");

    // Another project's work is nobody's business here.
    f.project("p2", f.owner).await;
    f.request_in("p2", "agent:far:main").await;
    assert_eq!(sent(&f).await, []);

    // Whoever has not ticked for long hears nothing any more, whatever it said.
    f.admin
        .execute("update creel.settings set tick_secs = 60", &[])
        .await
        .expect("set");
    f.pass(120).await;
    f.request("agent:seldom:main").await;
    assert_eq!(
        sent(&f).await,
        [hint("work", &topic)],
        "for ticks that are rare that is not long"
    );
    f.admin
        .execute("update creel.settings set tick_secs = 10", &[])
        .await
        .expect("set");
    f.request("agent:late:main").await;
    assert_eq!(sent(&f).await, []);
    // And whoever says that it does not listen.
    host.tick_with_channel(&json!({ "topic": topic, "live": false }))
        .await;
    f.request("agent:later:main").await;
    assert_eq!(sent(&f).await, []);
}

#[tokio::test]
async fn who_writes_is_not_told_where_hosts_listen() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let topic = host.listen().await;
    f.admin
        .batch_execute("begin; set local realtime.topic = 'before'")
        .await
        .expect("begin");
    f.request(SCOUT).await;
    let row = f
        .admin
        .query_one(
            "select current_setting('creel.hints_sent', true), current_setting('realtime.topic', true)",
            &[],
        )
        .await
        .expect("look around");
    f.admin.batch_execute("commit").await.expect("commit");
    assert!(!row.get::<_, String>(0).contains(&topic));
    assert_eq!(row.get::<_, String>(1), "before");
    assert_eq!(sent(&f).await, [hint("work", &topic)]);
}

#[tokio::test]
async fn cancellations_and_documents_are_hinted_to_the_agents_own_host() {
    let f = Fixture::new().await;
    let (host, other) = (f.host(&["p1"]).await, f.host(&["p1"]).await);
    let id = f.request(SCOUT).await;
    let held = host.claim_one().await;
    host.finish(held, "done").await;
    assert_eq!(f.status(id).await, "done");
    let (topic, _elsewhere) = (host.listen().await, other.listen().await);
    sent(&f).await;

    let command = |kind: &str| {
        format!("insert into agent_commands (project_id, agent_key, type) values ('p1', '{SCOUT}', '{kind}')")
    };
    f.admin.batch_execute(&command("start")).await.expect("command");
    assert_eq!(sent(&f).await, [hint("work", &topic)]);
    let item = host.claim(1).await.pop().expect("the start");
    f.admin.batch_execute(&command("stop")).await.expect("command");
    assert_eq!(sent(&f).await, [hint("cancel", &topic), hint("work", &topic)]);
    host.release(&[token(&item)], false).await;
    sent(&f).await;

    f.admin
        .batch_execute(&format!(
            "insert into brain_docs (project_id, agent_key, doc_type, content) values ('p1', '{SCOUT}', 'soul', 'words')"
        ))
        .await
        .expect("write a document");
    assert_eq!(sent(&f).await, [hint("docs", &topic)]);
}

#[tokio::test]
async fn another_key_is_another_channel() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let topic = host.listen().await;
    let add_key = "insert into creel.host_keys (host_id, key_sha256) values ($1, sha256('k'))";
    f.admin.execute(add_key, &[&host.host]).await.expect("add a key");
    let known = json!({ "topic": topic, "live": true });
    assert_eq!(host.tick_with_channel(&known).await, Value::Null);
    f.admin
        .batch_execute("update creel.host_keys set replaced_at = now()")
        .await
        .expect("replace it");
    let next = host.tick_with_channel(&known).await;
    assert!(next.as_str().is_some_and(|next| next != topic), "{next}");
    f.admin
        .batch_execute("update creel.host_keys set revoked_at = now()")
        .await
        .expect("revoke it");
    f.request(SCOUT).await;
    assert_eq!(sent(&f).await, [], "nobody is told by what a revoked key knew");
}

#[tokio::test]
async fn a_hint_that_cannot_be_sent_costs_nothing() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    host.listen().await;
    let db = f.test.superuser().await.expect("connect");
    db.batch_execute(
        "create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
         returns void language plpgsql as $$ begin raise exception 'no'; end $$",
    )
    .await
    .expect("break Realtime");
    f.request(SCOUT).await;
    db.batch_execute("drop function realtime.send(jsonb, text, text, boolean)")
        .await
        .expect("take Realtime away");
    f.request("agent:second:main").await;
    assert_eq!(host.claim(10).await.len(), 2);
}

#[tokio::test]
async fn lost_hints_are_counted_on_the_host() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    for lost in [json!(2), json!(1), json!(0), json!(-9)] {
        host.tick_with_channel(&json!({ "topic": null, "live": true, "lost": lost }))
            .await;
    }
    let counted = f
        .admin
        .query_one(
            "select lost_hints, listens from host_heartbeats where host_id = $1",
            &[&host.host],
        )
        .await
        .expect("read the heartbeat");
    assert_eq!((counted.get::<_, i64>(0), counted.get::<_, bool>(1)), (3, true));
    host.tick(&[]).await;
    let listens = "select listens::text from host_heartbeats where host_id = $1";
    assert_eq!(
        f.one(listens, host.host).await,
        "false",
        "an older worker took its place"
    );
}
