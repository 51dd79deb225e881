//! A database of its own for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use creel_local::billing::StripeConfig;
use creel_local::gateway::token;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};
use uuid::Uuid;

use crate::cluster::{TEMPLATE, TEMPLATE_WITH_GRANTS, TestCluster, connect};
use crate::postgrest::Rest;

/// A migrated database that is dropped with this value, also when the test fails.
#[derive(Debug)]
pub struct TestDb {
    name: String,
    cluster: Arc<TestCluster>,
}

/// A person who is in `auth.users`.
#[derive(Debug, Clone)]
pub struct User {
    /// Id in `auth.users`.
    pub id: Uuid,
    /// The email.
    pub email: String,
    /// A token as a sign-in gives it.
    pub jwt: String,
}

/// An enrolled host with a login role of its own.
#[derive(Debug, Clone)]
pub struct Host {
    /// Id in `hosts`.
    pub id: Uuid,
    /// The login role.
    pub role: String,
    /// Its password.
    pub password: Secret,
    /// Connection string of the login role, straight to Postgres.
    pub url: String,
}

/// A worker would tell them with its first tick.
const BACKENDS: [&str; 4] = ["shared", "profile", "docker", "multipass"];

/// A session that was told to end is gone within milliseconds.
const SLOT_LIMIT: Duration = Duration::from_secs(5);

/// What is not dropped by then goes with the cluster.
const DROP_LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl TestDb {
    /// A database without automatic grants, as new Supabase projects are.
    pub async fn new() -> Result<Self> {
        Self::from_template(TEMPLATE).await
    }

    /// A database with automatic grants, as old Supabase projects are.
    pub async fn with_automatic_grants() -> Result<Self> {
        Self::from_template(TEMPLATE_WITH_GRANTS).await
    }

    async fn from_template(template: &str) -> Result<Self> {
        let cluster = tokio::task::spawn_blocking(TestCluster::get)
            .await
            .context("find the cluster")??;
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("creel_test_{}_{count}", std::process::id());
        let admin = cluster.superuser("postgres").await?;
        admin
            .batch_execute(&format!(
                "create database {name} template {template} owner postgres"
            ))
            .await
            .context("make the test's database")?;
        Ok(Self { name, cluster })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster that it is in.
    pub fn cluster(&self) -> &Arc<TestCluster> {
        &self.cluster
    }

    /// A session of the role `postgres`, as a project's owner has on Supabase.
    pub async fn postgres(&self) -> Result<Client> {
        connect(&self.postgres_config()).await
    }

    /// A session of the superuser, whom Supabase gives to nobody.
    pub async fn superuser(&self) -> Result<Client> {
        self.cluster.superuser(&self.name).await
    }

    /// A session of any login role.
    pub async fn connect_as(&self, role: &str, password: &Secret) -> Result<Client> {
        connect(&self.config_as(role, password)).await
    }

    /// How to connect as a login role.
    pub fn config_as(&self, role: &str, password: &Secret) -> Config {
        self.cluster.config(role, password, &self.name)
    }

    /// How to connect as the role `postgres`.
    pub fn postgres_config(&self) -> Config {
        self.config_as("postgres", &self.cluster.passwords.postgres)
    }

    /// How to connect as PostgREST does.
    pub fn authenticator_config(&self) -> Config {
        self.config_as("authenticator", &self.cluster.passwords.authenticator)
    }

    /// A connection string for the role `postgres`.
    pub fn postgres_url(&self) -> String {
        self.url_as("postgres", &self.cluster.passwords.postgres)
    }

    /// A connection string for a login role.
    pub fn url_as(&self, role: &str, password: &Secret) -> String {
        self.url_through(self.cluster.port, role, password)
    }

    /// A connection string for a login role by way of a proxy's port.
    pub fn url_through(&self, port: u16, role: &str, password: &Secret) -> String {
        format!(
            "postgresql://{role}:{}@127.0.0.1:{port}/{}?sslmode=disable",
            password.expose(),
            self.name
        )
    }

    /// PostgREST and a gateway on this database.
    pub async fn rest(&self) -> Result<Rest> {
        Rest::start(self, None).await
    }

    /// The same, with the functions that take payments.
    pub async fn rest_with_stripe(&self, stripe: &StripeConfig) -> Result<Rest> {
        Rest::start(self, Some(stripe)).await
    }

    /// A new person with a token.
    pub async fn user(&self, email: &str) -> Result<User> {
        let id = Uuid::new_v4();
        let admin = self.superuser().await?;
        admin
            .execute(
                "insert into auth.users (id, aud, role, email) values ($1, 'authenticated', 'authenticated', $2::text)",
                &[&id, &email],
            )
            .await
            .context("make a user")?;
        let jwt = token::user_token(&self.cluster.keys.jwt_secret, id, email, Uuid::new_v4())?;
        Ok(User {
            id,
            email: email.to_owned(),
            jwt,
        })
    }

    /// A new project that the person owns; returns its id.
    pub async fn project(&self, owner: &User) -> Result<String> {
        let id = format!("p{}", &Uuid::new_v4().simple().to_string()[..12]);
        let postgres = self.postgres().await?;
        postgres
            .execute(
                "insert into public.projects (id, name, created_by) values ($1, $1, $2)",
                &[&id, &owner.id],
            )
            .await
            .context("make a project")?;
        Ok(id)
    }

    /// Makes a person a member of a project: owner, editor or viewer.
    pub async fn member(&self, project: &str, user: &User, role: &str) -> Result<()> {
        let postgres = self.postgres().await?;
        postgres
            .execute(
                "insert into public.project_members (project_id, user_id, role) values ($1, $2, $3)",
                &[&project, &user.id, &role],
            )
            .await
            .context("make a member")?;
        Ok(())
    }

    /// A new host with a login role, which serves the projects.
    pub async fn host(&self, projects: &[&str]) -> Result<Host> {
        let password = Secret::new(Uuid::new_v4().simple().to_string());
        let args = serde_json::json!({
            "name": format!("host-{}", Uuid::new_v4().simple()),
            "project_ids": projects,
            "platform": std::env::consts::OS,
            "capacity": 1_000,
            "backends": BACKENDS,
            // Postgres takes a password in place of a verifier; only people's logs mind.
            "login": { "verifier": password.expose() },
        });
        let made = self.enroll(&args).await?;
        let id = made["host_id"].as_str().context("read the host's id")?.parse()?;
        let role = made["role"].as_str().context("read the host's role")?.to_owned();
        let url = self.url_as(&role, &password);
        Ok(Host {
            id,
            role,
            password,
            url,
        })
    }

    /// A new host that comes by HTTPS; returns its id and its key.
    pub async fn host_with_key(&self, projects: &[&str]) -> Result<(Uuid, String)> {
        use sha2::{Digest, Sha256};
        let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let args = serde_json::json!({
            "name": format!("host-{}", Uuid::new_v4().simple()),
            "project_ids": projects,
            "capacity": 1_000,
            "backends": BACKENDS,
            "key": { "sha256": hex::encode(Sha256::digest(key.as_bytes())) },
        });
        let made = self.enroll(&args).await?;
        Ok((
            made["host_id"].as_str().context("read the host's id")?.parse()?,
            key,
        ))
    }

    async fn enroll(&self, args: &serde_json::Value) -> Result<serde_json::Value> {
        let postgres = self.postgres().await?;
        let row = postgres
            .query_one("select creel.enroll_host($1)", &[args])
            .await
            .context("enroll a host")?;
        Ok(row.get(0))
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (cluster, name) = (Arc::clone(&self.cluster), self.name.clone());
        // A runtime of its own, as that of the test may be ending.
        let dropped = std::thread::spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let admin = cluster.superuser("postgres").await?;
                let drop = format!("drop database if exists {name} with (force)");
                // It waits for every session of the cluster, and so also for one whose client waits for this thread.
                admin
                    .batch_execute(&format!("set statement_timeout = {}", DROP_LIMIT.as_millis()))
                    .await?;
                // Realtime's slot ends with its session, which ends a moment after its owner.
                let limit = Instant::now() + SLOT_LIMIT;
                loop {
                    match admin.batch_execute(&drop).await {
                        Err(error)
                            if error.code() == Some(&SqlState::OBJECT_IN_USE) && Instant::now() < limit =>
                        {
                            tokio::time::sleep(LOOK_EVERY).await;
                        }
                        dropped => return Ok(dropped?),
                    }
                }
            })
        })
        .join();
        if let Ok(Err(error)) = dropped {
            tracing::warn!(error = %format_args!("{error:#}"), "failed to drop the test database {}", self.name);
        }
    }
}
