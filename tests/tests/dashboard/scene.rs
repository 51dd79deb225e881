//! A project with a person who signs in, and what programs ask for.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use creel_local::billing::StripeConfig;
use creel_tests::cluster::built_program;
use creel_tests::db::{Host, TestDb, User};
use creel_tests::postgrest::Rest;
use creel_tests::up::creel_says;
use creel_tests::worker::{WorkerHome, WorkerProcess, WorkerSetup};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::program::Program;

const EMAIL: &str = "owner@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// A worker starts within a second; this is for machines that do much else.
const WORKER_STARTS: Duration = Duration::from_secs(60);

/// Above what systems hand out by themselves on Linux (32768 to 60999) and macOS (from 49152) begins nothing of ours.
const FIRST_AGENT_PORT: u32 = 23_000;

/// A database, the one port, and an owner of one project.
pub(crate) struct Scene {
    db: TestDb,
    pub(crate) rest: Rest,
    pub(crate) admin: Client,
    pub(crate) owner: User,
    pub(crate) project: String,
    home: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Result<Self> {
        let db = TestDb::new().await?;
        let rest = db.rest().await?;
        Self::of(db, rest).await
    }

    /// The same, with the functions that take payments.
    pub(crate) async fn with_stripe(stripe: &StripeConfig) -> Result<Self> {
        let db = TestDb::new().await?;
        let rest = db.rest_with_stripe(stripe).await?;
        Self::of(db, rest).await
    }

    async fn of(db: TestDb, rest: Rest) -> Result<Self> {
        let owner = sign_up(&rest, EMAIL).await?;
        let project = db.project(&owner).await?;
        Ok(Self {
            admin: db.superuser().await?,
            home: tempfile::tempdir().context("make a home")?,
            db,
            rest,
            owner,
            project,
        })
    }

    /// Somebody else, with the same password.
    pub(crate) async fn person(&self, email: &str) -> Result<User> {
        sign_up(&self.rest, email).await
    }

    /// A project of somebody else's.
    pub(crate) async fn project_of(&self, owner: &User) -> Result<String> {
        self.db.project(owner).await
    }

    /// A program of the owner's browser.
    pub(crate) fn program<'a>(&'a self, name: &'a str, limit: Duration) -> Program<'a> {
        Program {
            name,
            url: self.rest.url(),
            email: EMAIL,
            password: PASSWORD,
            project: &self.project,
            limit,
        }
    }

    /// A host that serves the project; nothing runs on it.
    pub(crate) async fn host(&self) -> Result<Host> {
        self.db.host(&[&self.project]).await
    }

    /// A host that serves no project yet.
    pub(crate) async fn idle_host(&self) -> Result<Host> {
        self.db.host(&[]).await
    }

    /// A worker with a stand-in for OpenClaw, which is at work for the project.
    pub(crate) async fn worker(&self) -> Result<(WorkerProcess, WorkerHome)> {
        self.worker_of(&self.host().await?).await
    }

    /// The same, of a host that is there.
    pub(crate) async fn worker_of(&self, host: &Host) -> Result<(WorkerProcess, WorkerHome)> {
        let home = WorkerHome::new()?;
        std::fs::create_dir_all(home.openclaw_state()).context("make a folder")?;
        let port = FIRST_AGENT_PORT + std::process::id() % 900 * 10;
        let setup = WorkerSetup::new(&host.url, built_program("openclaw-stand-in")?)
            .env("CREEL_AGENT_MEMORY_MB", "1")
            .env("CREEL_FIRST_AGENT_PORT", port.to_string());
        let worker = home.start(&setup)?;
        worker.logged("is at work", WORKER_STARTS).await;
        Ok((worker, home))
    }

    /// Runs statements that give the project's id as `test.project` and its owner's as `test.owner`.
    pub(crate) async fn run(&self, sql: &str) -> Result<()> {
        let owner = self.owner.id.to_string();
        self.admin
            .execute(
                "select set_config('test.project', $1, false), set_config('test.owner', $2, false)",
                &[&self.project, &owner],
            )
            .await
            .context("say whose it is")?;
        self.admin.batch_execute(sql).await.context("run the statements")
    }

    /// The rows of a query, as objects.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Value> {
        let all = format!("select coalesce(jsonb_agg(to_jsonb(r)), '[]') from ({sql}) r");
        let row = self.admin.query_one(&all, &[]).await.context("ask")?;
        Ok(row.get(0))
    }

    /// Runs the command line as the owner, who signs in first.
    pub(crate) async fn creel(&self, args: &[&str]) -> Value {
        let env = [
            ("SUPABASE_URL", self.rest.url()),
            ("SUPABASE_PUBLISHABLE_KEY", self.rest.publishable_key().to_owned()),
            ("CREEL_EMAIL", EMAIL.to_owned()),
            ("CREEL_PASSWORD", PASSWORD.to_owned()),
            ("CREEL_PROJECT", self.project.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let home: &Path = self.home.path();
        if !home.join("signed-in").exists() {
            creel_says(&env, home, &["login"]).await;
            std::fs::write(home.join("signed-in"), "").expect("remember it");
        }
        creel_says(&env, home, args).await
    }
}

async fn sign_up(rest: &Rest, email: &str) -> Result<User> {
    let saved = rest.users().save(email, &Secret::new(PASSWORD)).await?;
    Ok(User {
        id: saved.id,
        email: saved.email,
        jwt: String::new(),
    })
}

/// The words of a command that a program gives.
pub(crate) fn words(asked: &Value) -> Vec<String> {
    let words = asked["args"].as_array().into_iter().flatten();
    words
        .filter_map(|word| word.as_str().map(ToOwned::to_owned))
        .collect()
}

/// Nothing to tell.
pub(crate) fn nothing() -> Value {
    json!(null)
}
