//! A database with one host, and agents that each have a folder and documents.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use creel_core::host_api::{
    FetchDocsReply, FetchDocsRequest, ListDocsReply, ListDocsRequest, PutDocsReply, PutDocsRequest,
};
use creel_core::id::AgentId;
use creel_core::status::DocType;
use creel_tests::db::{TestDb, User};
use creel_worker::mirror::{Days, Mirror, MirrorSettings, Mirrored, Rows, Wanted};
use creel_worker::workspace::{DiskFaults, NoFaults, Owner, Workspace};
use futures_util::FutureExt;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::Client;
use uuid::Uuid;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A database with a person.
pub struct Scene {
    pub db: TestDb,
    pub owner: User,
}

impl Scene {
    pub async fn new() -> Self {
        let db = TestDb::new().await.expect("make a database");
        let owner = db.user("owner@example.com").await.expect("make a person");
        let admin = db.postgres().await.expect("connect");
        admin
            .batch_execute(
                "update creel.settings set max_shown_per_minute = 1000000000, max_agents_per_project = 1000000,
                   max_doc_bytes_per_project = 1000000000000",
            )
            .await
            .expect("raise the limits");
        Self { db, owner }
    }

    /// A host of a project, for one agent after the other.
    pub async fn line(&self) -> Line {
        let project = self.db.project(&self.owner).await.expect("make a project");
        let enrolled = self.db.host(&[&project]).await.expect("enrol a host");
        let person = self.db.postgres().await.expect("connect");
        let claims = json!({ "sub": self.owner.id, "role": "authenticated" }).to_string();
        person
            .execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
            .await
            .expect("sign in");
        person
            .batch_execute("set role authenticated")
            .await
            .expect("sign in");
        let host = self.db.connect_as(&enrolled.role, &enrolled.password).await;
        Line {
            project,
            host_id: enrolled.id,
            host: Arc::new(host.expect("connect")),
            person: Arc::new(person),
            admin: Arc::new(self.db.postgres().await.expect("connect")),
        }
    }

    /// An agent with an empty folder and no documents.
    pub async fn agent(&self) -> Stand {
        self.agent_on(&self.line().await).await
    }

    /// The same, by connections that are there.
    pub async fn agent_on(&self, line: &Line) -> Stand {
        // What one host may tell in an hour is for ten thousand agents here.
        line.admin
            .execute(
                "delete from creel.host_budgets where host_id = $1",
                &[&line.host_id],
            )
            .await
            .expect("begin a new hour");
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let id = format!("a{number}");
        let agent_key = format!("agent:{id}:main");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(&id);
        let row = line
            .admin
            .query_one(
                "insert into agents (project_id, agent_key, host_id, openclaw_id, provisioned, status, workspace_path)
                 values ($1, $2, $3, $4, true, 'running', $5) returning id",
                &[
                    &line.project,
                    &agent_key,
                    &line.host_id,
                    &id,
                    &path.to_string_lossy().into_owned(),
                ],
            )
            .await
            .expect("make an agent");
        let owner = Owner {
            agent_id: row.get(0),
            project_id: line.project.clone(),
            agent_key,
        };
        let name = AgentId::parse(&id).expect("an id");
        Workspace::open(folder.path(), &name, &owner).expect("make its folder");
        Stand {
            agent: Mirrored {
                agent_id: owner.agent_id,
                workspace: path,
                owner,
            },
            line: line.clone(),
            clock: Arc::default(),
            _folder: folder,
        }
    }
}

/// A host of a project, and connections as that host, as a person and as an operator.
#[derive(Clone)]
pub struct Line {
    pub project: String,
    pub host_id: Uuid,
    pub host: Arc<Client>,
    pub person: Arc<Client>,
    pub admin: Arc<Client>,
}

/// An agent, and who writes its documents.
pub struct Stand {
    pub agent: Mirrored,
    pub line: Line,
    pub clock: Arc<Clock>,
    _folder: TempDir,
}

/// A row of `brain_docs`.
#[derive(Debug, Clone)]
pub struct DocRow {
    pub content: String,
    pub version: i32,
    pub state: String,
    pub note: Option<String>,
    pub day: Option<Date>,
    pub held_version: Option<i32>,
}

impl Stand {
    pub fn path(&self, file: &str) -> PathBuf {
        self.agent.workspace.join(file)
    }

    pub fn read(&self, file: &str) -> String {
        read(&self.path(file))
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("make a folder");
        fs::write(path, text).expect("write");
    }

    pub fn mirror(&self) -> Mirror {
        self.mirror_with(Arc::new(HostRows(self.line.host.clone())), Arc::new(NoFaults))
    }

    pub fn mirror_with(&self, rows: Arc<dyn Rows>, faults: Arc<dyn DiskFaults>) -> Mirror {
        // A test on a busy machine may take any time.
        self.mirror_that_keeps(Duration::from_secs(3_600), rows, faults)
    }

    /// What is displaced stays for so long.
    pub fn mirror_that_keeps(
        &self,
        displaced_stays: Duration,
        rows: Arc<dyn Rows>,
        faults: Arc<dyn DiskFaults>,
    ) -> Mirror {
        Mirror::new(MirrorSettings {
            rows,
            days: self.clock.clone(),
            faults,
            hold_after: Duration::ZERO,
            displaced_stays,
            templates: Vec::new(),
        })
    }

    pub fn wanted(&self) -> Vec<Wanted> {
        vec![Wanted {
            agent: self.agent.clone(),
            rows_changed: true,
            is_busy: false,
        }]
    }

    /// One pass of a mirror that knows nothing.
    pub async fn pass(&self) {
        self.mirror().pass(self.wanted()).await.expect("a pass");
    }

    /// The rows as a member sees them.
    pub async fn rows(&self) -> BTreeMap<DocType, DocRow> {
        let rows = self
            .line
            .person
            .query(
                "select doc_type, content, version, sync_state, sync_note, doc_date::text, held_version
                 from brain_docs where project_id = $1 and agent_key = $2",
                &[&self.agent.owner.project_id, &self.agent.owner.agent_key],
            )
            .await
            .expect("read the rows");
        rows.iter()
            .map(|row| {
                let day: Option<String> = row.get(5);
                let found = DocRow {
                    content: row.get(1),
                    version: row.get(2),
                    state: row.get(3),
                    note: row.get(4),
                    day: day.map(|day| day.parse().expect("a day")),
                    held_version: row.get(6),
                };
                (row.get::<_, String>(0).parse().expect("a type"), found)
            })
            .collect()
    }

    /// One of them.
    pub async fn row(&self, doc_type: DocType) -> Option<DocRow> {
        self.rows().await.remove(&doc_type)
    }

    /// What a page writes that knows nothing of versions.
    pub async fn upsert(&self, doc_type: DocType, content: &str) {
        self.line
            .person
            .execute(
                "insert into brain_docs (project_id, agent_key, doc_type, content) values ($1, $2, $3, $4)
                 on conflict (project_id, agent_key, doc_type) do update set content = excluded.content",
                &[
                    &self.agent.owner.project_id,
                    &self.agent.owner.agent_key,
                    &doc_type.as_str(),
                    &content,
                ],
            )
            .await
            .expect("write a row");
    }

    /// Calls a function as the project's owner.
    pub async fn call(&self, function: &str, doc_type: DocType, more: Value) -> Value {
        let mut argument = json!({
            "project_id": self.agent.owner.project_id,
            "agent_key": self.agent.owner.agent_key,
            "doc_type": doc_type,
        });
        let all = argument.as_object_mut().expect("an object");
        all.extend(more.as_object().cloned().unwrap_or_default());
        self.line
            .person
            .query_one(&format!("select public.{function}($1)"), &[&argument])
            .await
            .unwrap_or_else(|error| panic!("{function}({argument}): {error:?}"))
            .get(0)
    }

    /// All versions of all documents: type, number, text, reason and day.
    pub async fn versions(&self) -> Vec<Version> {
        let rows = self
            .line
            .person
            .query(
                "select v.doc_type, v.version, c.content, v.reason, v.doc_date::text, v.side
                 from brain_doc_versions v join brain_doc_contents c using (project_id, sha256)
                 where v.project_id = $1 and v.agent_key = $2 order by v.doc_type, v.version",
                &[&self.agent.owner.project_id, &self.agent.owner.agent_key],
            )
            .await
            .expect("read the versions");
        rows.iter()
            .map(|row| Version {
                doc_type: row.get::<_, String>(0).parse().expect("a type"),
                version: row.get(1),
                content: row.get(2),
                reason: row.get(3),
                day: row.get(4),
                side: row.get(5),
            })
            .collect()
    }

    /// The events of a kind: type of the document and payload.
    pub async fn events(&self, kind: &str) -> Vec<Value> {
        let rows = self
            .line
            .admin
            .query(
                "select to_jsonb(e) from events e where project_id = $1 and agent_key = $2 and kind = $3 order by id",
                &[
                    &self.agent.owner.project_id,
                    &self.agent.owner.agent_key,
                    &kind,
                ],
            )
            .await
            .expect("read the events");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// A version of a document.
#[derive(Debug, Clone)]
pub struct Version {
    pub doc_type: DocType,
    pub version: i32,
    pub content: String,
    pub reason: Option<String>,
    pub day: Option<String>,
    pub side: bool,
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A clock that goes as it is told.
pub struct Clock(pub Mutex<(Timestamp, TimeZone)>);

impl Default for Clock {
    fn default() -> Self {
        let begin = "2026-11-21T11:00:00Z".parse().expect("a time");
        Self(Mutex::new((begin, TimeZone::UTC)))
    }
}

impl Days for Clock {
    fn today(&self) -> Date {
        let (now, zone) = &*self.0.lock().expect("no holder of this lock panics");
        now.to_zoned(zone.clone()).date()
    }
}

/// The functions of the database, called as the host.
pub struct HostRows(pub Arc<Client>);

impl HostRows {
    async fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        request: &(impl Serialize + Sync),
    ) -> anyhow::Result<R> {
        let argument = serde_json::to_value(request)?;
        let row = self
            .0
            .query_one(&format!("select public.{function}($1)"), &[&argument])
            .await?;
        Ok(serde_json::from_value(row.get(0))?)
    }
}

#[async_trait]
impl Rows for HostRows {
    async fn list(&self, request: &ListDocsRequest) -> anyhow::Result<ListDocsReply> {
        self.call("list_docs", request).await
    }

    async fn fetch(&self, request: &FetchDocsRequest) -> anyhow::Result<FetchDocsReply> {
        self.call("fetch_docs", request).await
    }

    async fn put(&self, request: &PutDocsRequest) -> anyhow::Result<PutDocsReply> {
        self.call("put_docs", request).await
    }
}

/// The worker is killed.
pub struct Killed;

pub fn kill() -> ! {
    resume_unwind(Box::new(Killed))
}

/// Runs until its end, or until it is killed; whatever it had is dropped then.
pub async fn until_killed<T>(work: impl Future<Output = T>) -> Option<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => Some(done),
        Err(thrown) if thrown.is::<Killed>() => None,
        Err(thrown) => resume_unwind(thrown),
    }
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
pub fn say(text: &str) {
    eprintln!("{text}");
}
