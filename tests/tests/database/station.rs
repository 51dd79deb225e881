//! An agent that a host has, and the commands about it.

use std::future::poll_fn;

use creel_tests::db::TestDb;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{AsyncMessage, NoTls};
use uuid::Uuid;

use crate::fixture::{Fixture, Session, token};

/// A project, its host, and deployed agents.
pub struct Station {
    pub f: Fixture,
    pub host: Session,
}

impl Station {
    /// With the agents of these keys deployed and running.
    pub async fn with(agents: &[&str]) -> Self {
        let f = Fixture::new().await;
        let host = f.host(&["p1"]).await;
        host.tick(&[]).await;
        f.admin
            .batch_execute("update hosts set backends = '{shared,profile}', tenancy = 'trusted'")
            .await
            .expect("let it run both kinds of agents");
        for key in agents {
            f.admin
                .execute(
                    "insert into agents (project_id, agent_key, name, host_id, openclaw_id, provisioned, workspace_path, status)
                     values ('p1', $1, 'Scout', $2, creel.short_of_key($1), true, '/w', 'running')",
                    &[key, &host.host],
                )
                .await
                .expect("make an agent");
        }
        Self { f, host }
    }

    /// An agent that no host has, as a page makes it.
    pub async fn send_new(&self, key: &str) {
        let sql = format!("insert into agents (project_id, agent_key) values ('p1', '{key}')");
        self.f.as_person(self.f.owner, &sql).await.expect("make an agent");
    }

    /// What is notified from now on.
    pub async fn listen(&self) -> mpsc::UnboundedReceiver<String> {
        let (client, mut connection) = self
            .f
            .test
            .postgres_config()
            .connect(NoTls)
            .await
            .expect("connect");
        let (said, heard) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let listening = async move {
            client.batch_execute("listen creel_work").await.expect("listen");
            ready.send(()).expect("somebody waits");
            // The connection ends with its client.
            std::future::pending::<()>().await;
        };
        tokio::spawn(listening);
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(note) = message {
                    let _test_is_over = said.send(note.payload().to_owned());
                }
            }
        });
        is_ready.await.expect("it listens");
        heard
    }

    pub async fn agent_id(&self, key: &str) -> Uuid {
        self.f
            .admin
            .query_one("select id from agents where agent_key = $1", &[&key])
            .await
            .expect("read the agent")
            .get(0)
    }

    /// The agent's row; null when there is none.
    pub async fn agent(&self, key: &str) -> Value {
        let rows = self
            .f
            .admin
            .query("select to_jsonb(a) from agents a where agent_key = $1", &[&key])
            .await
            .expect("read the agent");
        rows.first().map_or(Value::Null, |row| row.get(0))
    }

    /// Sends a command as the project's owner does; answers its row.
    pub async fn send(&self, key: &str, kind: &str, payload: Value) -> Value {
        self.try_send(self.f.owner, key, kind, &payload)
            .await
            .unwrap_or_else(|e| panic!("{kind} of {key}: {e:?}"))
    }

    pub async fn try_send(
        &self,
        person: Uuid,
        key: &str,
        kind: &str,
        payload: &Value,
    ) -> Result<Value, tokio_postgres::Error> {
        let row = json!({ "project_id": "p1", "agent_key": key, "type": kind, "payload": payload });
        self.insert(person, &row).await
    }

    /// Inserts a command as PostgREST does: the columns that the object names.
    pub async fn insert(&self, person: Uuid, row: &Value) -> Result<Value, tokio_postgres::Error> {
        insert_as(&self.f.test, person, row).await
    }

    /// `type status` of each command of the agent, in the order in which they were sent.
    pub async fn commands(&self, key: &str) -> Vec<String> {
        let rows = self
            .f
            .admin
            .query(
                "select c.type || ' ' || c.status || coalesce(' ' || (c.result #>> '{error,code}'), '')
                 from agent_commands c left join events e on e.item_id = c.id and e.kind = 'agent.commanded'
                 where c.agent_key = $1 order by e.id",
                &[&key],
            )
            .await
            .expect("read the commands");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The types of what waits or is at work.
    pub async fn open(&self, key: &str) -> Vec<String> {
        let rows = self
            .f
            .admin
            .query(
                "select coalesce(c.type, i.queue) from creel.lanes l join creel.items i on i.lane_id = l.id
                 left join agent_commands c on c.id = i.item_id where l.agent_key = $1 order by i.seq",
                &[&key],
            )
            .await
            .expect("read the queue");
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub async fn finish(&self, held: Uuid, outcome: &str, result: Value) -> Value {
        let args = json!({ "api": 1, "items": [{ "token": held, "outcome": outcome, "result": result }] });
        self.host.call("finish", &args).await.expect("finish")["items"][0].clone()
    }

    /// Claims the one command that there must be, of this kind; answers its token.
    pub async fn take(&self, kind: &str) -> Uuid {
        let items = self.host.claim(10).await;
        assert_eq!(items.len(), 1, "one item is there: {items:?}");
        assert_eq!(items[0]["row"]["type"], json!(kind));
        assert_eq!(items[0]["row"]["status"], json!("sent"));
        token(&items[0])
    }

    /// Claims everything of the host and does it as a worker would, until nothing is left; answers the kinds.
    pub async fn work(&self) -> Vec<String> {
        let mut done = Vec::new();
        loop {
            let items = self.host.claim(10).await;
            if items.is_empty() {
                return done;
            }
            for item in items {
                let kind = item["row"]["type"].as_str().unwrap_or("provision").to_owned();
                let result = match kind.as_str() {
                    "provision" => {
                        json!({ "ok": true, "openclaw_id": "x", "workspace": "/w", "served": true })
                    }
                    "deploy" => json!({ "ok": true, "state": "running", "workspace": "/w" }),
                    "stop" => json!({ "ok": true, "state": "stopped" }),
                    "undeploy" => json!({ "ok": true, "state": "removed" }),
                    _ => json!({ "ok": true, "state": "running" }),
                };
                assert_eq!(
                    self.finish(token(&item), "done", result).await["applied"],
                    json!(true)
                );
                done.push(kind);
            }
        }
    }

    pub async fn dead_letters(&self) -> i64 {
        self.f
            .admin
            .query_one("select count(*) from creel.dead_letters", &[])
            .await
            .expect("count")
            .get(0)
    }

    /// Kinds of the events about an agent, in order.
    pub async fn events(&self, key: &str) -> Vec<String> {
        let rows = self
            .f
            .admin
            .query(
                "select kind from events where agent_key = $1 order by id",
                &[&key],
            )
            .await
            .expect("read the events");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Inserts a command as PostgREST does for this person; answers the row.
pub async fn insert_as(test: &TestDb, person: Uuid, row: &Value) -> Result<Value, tokio_postgres::Error> {
    let client = test.postgres().await.expect("connect");
    let claims = json!({ "sub": person, "role": "authenticated" }).to_string();
    client
        .execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
        .await?;
    client.batch_execute("set role authenticated").await?;
    let columns: Vec<String> = row
        .as_object()
        .expect("an object")
        .keys()
        .map(|key| format!("\"{key}\""))
        .collect();
    let columns = columns.join(", ");
    let sql = format!(
        "with w as (insert into agent_commands ({columns})
           select {columns} from jsonb_populate_record(null::agent_commands, $1) returning *)
         select to_jsonb(w) from w"
    );
    Ok(client.query_one(&sql, &[row]).await?.get(0))
}

pub fn code(error: &tokio_postgres::Error) -> String {
    error.code().map(|c| c.code().to_owned()).unwrap_or_default()
}

pub fn message(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map(|e| e.message().to_owned())
        .unwrap_or_default()
}
