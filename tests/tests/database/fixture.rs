//! A project with a member, hosts that serve it, and the host functions called by login.

use creel_core::secret::Secret;
use creel_tests::db::TestDb;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

const BROKEN_LANES: &str = include_str!("../../../sql/ops/broken_lanes.sql");

/// A database with one project.
pub struct Fixture {
    pub test: TestDb,
    pub admin: Client,
    pub owner: Uuid,
}

/// One process of a worker, by a direct connection.
pub struct Session {
    pub client: Client,
    pub host: Uuid,
    pub session: Uuid,
}

impl Fixture {
    pub async fn new() -> Self {
        let test = TestDb::new().await.expect("make a database");
        let admin = test.postgres().await.expect("connect");
        let owner = Uuid::new_v4();
        let fixture = Self { test, admin, owner };
        fixture.person(owner, "owner@example.com").await;
        fixture.project("p1", owner).await;
        fixture
    }

    pub async fn person(&self, id: Uuid, email: &str) {
        self.admin
            .execute(
                "insert into auth.users (id, email) values ($1, $2)",
                &[&id, &email],
            )
            .await
            .expect("make a person");
    }

    pub async fn project(&self, id: &str, owner: Uuid) {
        self.admin
            .execute(
                "insert into projects (id, name, created_by) values ($1, $1, $2)",
                &[&id, &owner],
            )
            .await
            .expect("make a project");
    }

    /// Enrols a host for the projects and opens a session of it.
    pub async fn host(&self, projects: &[&str]) -> Session {
        let password = Uuid::new_v4().to_string();
        let args = json!({
            "name": "mini", "project_ids": projects, "capacity": 1000, "login": { "verifier": password },
            "backends": ["shared", "profile", "docker", "multipass"],
        });
        let row = self
            .admin
            .query_one("select creel.enroll_host($1)", &[&args])
            .await
            .expect("enrol a host");
        let enrolled: Value = row.get(0);
        let role = enrolled["role"].as_str().expect("a role");
        let client = self
            .test
            .connect_as(role, &Secret::new(&password))
            .await
            .expect("connect as the host");
        let host = enrolled["host_id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .expect("a host id");
        Session {
            client,
            host,
            session: Uuid::new_v4(),
        }
    }

    /// Writes a request as an operator would; answers its id.
    pub async fn request(&self, key: &str) -> Uuid {
        self.request_in("p1", key).await
    }

    pub async fn request_in(&self, project: &str, key: &str) -> Uuid {
        self.admin
            .query_one(
                "insert into agent_provision_requests (project_id, agent_key, display_name)
                 values ($1, $2, $2) returning id",
                &[&project, &key],
            )
            .await
            .expect("write a request")
            .get(0)
    }

    /// The status of a request, and the promise that no lane is broken: whatever happened until now.
    pub async fn status(&self, id: Uuid) -> String {
        let broken = self
            .admin
            .query(BROKEN_LANES, &[])
            .await
            .expect("look for broken lanes");
        assert!(broken.is_empty(), "{broken:?}");
        self.one("select status from agent_provision_requests where id = $1", id)
            .await
    }

    pub async fn result(&self, id: Uuid) -> Value {
        let row = self
            .admin
            .query_one(
                "select result from agent_provision_requests where id = $1",
                &[&id],
            )
            .await;
        row.expect("read the request")
            .get::<_, Option<Value>>(0)
            .unwrap_or(Value::Null)
    }

    pub async fn one(&self, sql: &str, id: Uuid) -> String {
        self.admin
            .query_one(sql, &[&id])
            .await
            .expect("read one value")
            .get(0)
    }

    /// Lets time pass for whoever waits: moves everything in the queue that much into the past.
    pub async fn pass(&self, seconds: i32) {
        self.admin
            .batch_execute(&format!(
                "update creel.lanes set expires_at = expires_at - interval '{seconds} s',
                   not_before = not_before - interval '{seconds} s',
                   hopeless_since = hopeless_since - interval '{seconds} s';
                 update creel.items set enqueued_at = enqueued_at - interval '{seconds} s',
                   deadline_at = deadline_at - interval '{seconds} s';
                 update host_heartbeats set last_seen_at = last_seen_at - interval '{seconds} s';
                 update notifications set not_before = not_before - interval '{seconds} s',
                   due_at = due_at - interval '{seconds} s', created_at = created_at - interval '{seconds} s';
                 update creel.notification_leases set expires_at = expires_at - interval '{seconds} s';
                 update creel.sweep_state set swept_at = swept_at - interval '{seconds} s',
                   watching_since = watching_since - interval '{seconds} s'"
            ))
            .await
            .expect("let time pass");
    }

    pub async fn sweep(&self) -> Value {
        self.admin
            .query_one("select sweep('{\"api\":1}')", &[])
            .await
            .expect("sweep")
            .get(0)
    }

    /// Runs a statement as a signed-in person, as PostgREST does.
    pub async fn as_person(&self, person: Uuid, sql: &str) -> Result<u64, tokio_postgres::Error> {
        let client = self.test.postgres().await.expect("connect");
        let claims = json!({ "sub": person, "role": "authenticated" }).to_string();
        client
            .execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
            .await?;
        client.batch_execute("set role authenticated").await?;
        client.execute(sql, &[]).await
    }

    /// Asks one jsonb value as a signed-in person.
    pub async fn ask_as_person(&self, person: Uuid, sql: &str) -> Result<Value, tokio_postgres::Error> {
        let client = self.test.postgres().await.expect("connect");
        let claims = json!({ "sub": person, "role": "authenticated" }).to_string();
        client
            .execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
            .await?;
        client.batch_execute("set role authenticated").await?;
        Ok(client.query_one(sql, &[]).await?.get(0))
    }
}

impl Session {
    pub async fn call(&self, function: &str, args: &Value) -> Result<Value, tokio_postgres::Error> {
        Ok(self
            .client
            .query_one(&format!("select public.{function}($1)"), &[args])
            .await?
            .get(0))
    }

    pub async fn claim(&self, limit: usize) -> Vec<Value> {
        let args = json!({ "api": 1, "session": self.session, "limit": limit, "woken_by": "poll" });
        let reply = self.call("claim", &args).await.expect("claim");
        reply["items"].as_array().expect("items").clone()
    }

    /// Claims the one item that there must be; answers its token.
    pub async fn claim_one(&self) -> Uuid {
        let items = self.claim(10).await;
        assert_eq!(items.len(), 1, "one item is there: {items:?}");
        token(&items[0])
    }

    pub async fn tick(&self, tokens: &[Uuid]) -> Value {
        let args = json!({ "api": 1, "session": self.session, "tokens": tokens, "metrics": [], "host": {} });
        self.call("tick", &args).await.expect("tick")
    }

    pub async fn finish(&self, token: Uuid, outcome: &str) -> Value {
        let result = match outcome {
            "done" => {
                json!({ "ok": true, "openclaw_id": Uuid::new_v4(), "workspace": "/w", "served": false })
            }
            _ => json!({ "ok": false, "error": { "code": "x", "message": "it broke", "hint": "mend it" } }),
        };
        let args = json!({ "api": 1, "items": [{ "token": token, "outcome": outcome, "result": result }] });
        self.call("finish", &args).await.expect("finish")["items"][0].clone()
    }

    pub async fn release(&self, tokens: &[Uuid], others: bool) -> u64 {
        let args = json!({ "api": 1, "session": self.session, "tokens": tokens, "others": others });
        self.call("release", &args).await.expect("release")["released"]
            .as_u64()
            .expect("a number")
    }
}

pub fn token(item: &Value) -> Uuid {
    item["token"]
        .as_str()
        .and_then(|t| t.parse().ok())
        .expect("a token")
}
