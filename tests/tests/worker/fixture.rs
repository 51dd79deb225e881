//! A database with a project, and what can be seen of the requests in it.

use std::time::{Duration, Instant};

use creel_tests::db::{TestDb, User};
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::gate::Gate;
use crate::station::{By, Station};

/// Most of what is waited for happens within a second; this is for machines that do much else.
pub const SOON: Duration = Duration::from_secs(30);

/// How often a row is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The agent of tests that need only one.
pub const SCOUT: &str = "agent:scout:main";

/// A database with one project.
pub struct Stage {
    pub db: TestDb,
    pub admin: Client,
    pub owner: User,
    pub project: String,
}

impl Stage {
    pub async fn new() -> Self {
        let db = TestDb::new().await.expect("make a database");
        let admin = db.postgres().await.expect("connect");
        let owner = db.user("owner@example.com").await.expect("make a person");
        let project = db.project(&owner).await.expect("make a project");
        Self {
            db,
            admin,
            owner,
            project,
        }
    }

    /// A dead worker is noticed within two seconds, and each host ticks every second.
    pub async fn with_short_leases() -> Self {
        let stage = Self::new().await;
        stage.set("lease_secs = 2, tick_secs = 1").await;
        stage
    }

    /// Changes settings of the queue.
    pub async fn set(&self, settings: &str) {
        self.run(&format!("update creel.settings set {settings}")).await;
    }

    /// As often is tried what may succeed another time.
    pub async fn set_attempts(&self, most: u32) {
        self.run(&format!("update creel.queues set max_attempts = {most}"))
            .await;
    }

    pub async fn run(&self, sql: &str) {
        self.admin.batch_execute(sql).await.expect(sql);
    }

    /// A host of the project.
    pub async fn station(&self) -> Station {
        self.station_for(&[&self.project]).await
    }

    /// A host of the project that speaks by the one way or the other.
    pub async fn station_by(&self, by: By) -> Station {
        match by {
            By::Login => self.station().await,
            By::Key => Station::with_key(&self.db, &[&self.project]).await,
        }
    }

    /// A host of these projects.
    pub async fn station_for(&self, projects: &[&str]) -> Station {
        Station::new(self.db.host(projects).await.expect("enrol a host"))
    }

    /// Holds up what updates or inserts rows that meet the condition.
    pub async fn gate(&self, table: &str, event: &str, condition: &str) -> Gate {
        Gate::new(&self.db, table, event, condition).await
    }

    /// A request as an operator writes it; answers its id.
    pub async fn request(&self, key: &str) -> Uuid {
        self.write(&json!({ "agent_key": key, "display_name": "Scout", "emoji": "🦞" }))
            .await
    }

    /// A request with these columns.
    pub async fn write(&self, columns: &Value) -> Uuid {
        let text = |name: &str| columns[name].as_str().map(ToOwned::to_owned);
        let project = text("project_id").unwrap_or_else(|| self.project.clone());
        let row = self
            .admin
            .query_one(
                "insert into agent_provision_requests
                   (project_id, agent_key, agent_id_short, display_name, emoji, role_short)
                 values ($1, $2, $3, $4, $5, $6) returning id",
                &[
                    &project,
                    &text("agent_key"),
                    &text("agent_id_short"),
                    &text("display_name"),
                    &text("emoji"),
                    &text("role_short"),
                ],
            )
            .await;
        row.expect("write a request").get(0)
    }

    /// A row of `agent_provision_requests`.
    pub async fn row(&self, id: Uuid) -> Value {
        self.json(
            "select to_jsonb(r) from agent_provision_requests r where id = $1",
            id,
        )
        .await
    }

    /// The row of a request's agent.
    pub async fn agent(&self, id: Uuid) -> Value {
        self.json(
            "select to_jsonb(a) from agents a join agent_provision_requests r using (project_id, agent_key)
             where r.id = $1",
            id,
        )
        .await
    }

    /// Waits until a request has this status; answers its row.
    pub async fn until(&self, id: Uuid, status: &str, limit: Duration) -> Value {
        let begin = Instant::now();
        loop {
            let row = self.row(id).await;
            if row["status"] == json!(status) {
                return row;
            }
            assert!(
                begin.elapsed() < limit,
                "the request is not {status} within {} s: {row:#}",
                limit.as_secs()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a request is done; answers its row.
    pub async fn done(&self, id: Uuid) -> Value {
        let row = self.until(id, "done", SOON).await;
        assert_eq!(row["result"]["ok"], json!(true), "{row:#}");
        row
    }

    /// Waits until a request has failed; answers its error, of which all three parts say something.
    pub async fn failed(&self, id: Uuid, limit: Duration) -> Value {
        let row = self.until(id, "error", limit).await;
        let error = &row["result"]["error"];
        for part in ["code", "message", "hint"] {
            assert!(
                error[part].as_str().is_some_and(|text| !text.is_empty()),
                "the error has a {part}: {row:#}"
            );
        }
        error.clone()
    }

    /// One number.
    pub async fn count(&self, sql: &str) -> i64 {
        self.admin.query_one(sql, &[]).await.expect(sql).get(0)
    }

    /// How often the database was told that this request's agent is there.
    pub async fn provisioned_count(&self, id: Uuid) -> i64 {
        self.count(&format!(
            "select count(*) from events where kind = 'agent.provisioned' and item_id = '{id}'"
        ))
        .await
    }

    /// Asks why a request waits, as the project's owner.
    pub async fn why_pending(&self, id: Uuid) -> Value {
        self.ask_as_owner(&format!("select why_pending('{id}')")).await
    }

    /// One JSON value, asked for as the project's owner.
    pub async fn ask_as_owner(&self, sql: &str) -> Value {
        let client = self.db.postgres().await.expect("connect");
        let claims = json!({ "sub": self.owner.id, "role": "authenticated" }).to_string();
        client
            .execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
            .await
            .expect("sign in");
        client
            .batch_execute("set role authenticated")
            .await
            .expect("sign in");
        client.query_one(sql, &[]).await.expect(sql).get(0)
    }

    async fn json(&self, sql: &str, id: Uuid) -> Value {
        self.admin
            .query_one(sql, &[&id])
            .await
            .expect("read a row")
            .get(0)
    }
}
