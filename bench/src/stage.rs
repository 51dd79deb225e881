//! What all rows of the table share: one durable Postgres with its Data API, one project, hosts and programs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use creel_local::install::Tools;
use creel_local::keys::{self, Passwords};
use creel_local::{Stack, StackConfig};
use creel_worker::HostKey;
use serde_json::{Value, json};
use sysinfo::Pid;
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

/// The project that everything happens in.
pub const PROJECT: &str = "bench";

/// A running stack and where the programs are.
#[derive(Debug)]
pub struct Stage {
    /// The project's folder.
    pub repo: PathBuf,
    /// Node, from npm as for OpenClaw.
    pub node: PathBuf,
    /// The folder of the programs of Node.
    pub js: PathBuf,
    /// A session of the superuser in the stack's database.
    pub admin: Arc<Client>,
    tools: Tools,
    stack: Stack,
    passwords: Passwords,
    port: u16,
    folder: TempDir,
}

/// An enrolled host of the project with a login of its own.
#[derive(Debug, Clone)]
pub struct Host {
    /// Id in `hosts`.
    pub id: Uuid,
    /// Its login role.
    pub role: String,
    /// The role's password.
    pub password: Secret,
    /// Connection string of that role.
    pub url: Secret,
}

/// An enrolled host of the project that speaks HTTPS with a key.
#[derive(Debug, Clone)]
pub struct KeyHost {
    /// Id in `hosts`.
    pub id: Uuid,
    /// The file that holds the key.
    pub key_file: PathBuf,
}

impl Stage {
    /// Starts everything.
    pub async fn set_up(repo: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("creel-bench-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711))
            .tempdir()
            .context("make a folder for the database")?;
        let mut config = StackConfig::new(folder.path().join("stack"));
        config.tools_dir = Some(repo.join(".creel/tools"));
        let node = config.tools().node().await?;
        let stack = Stack::up(&config).await?;
        let (_, passwords) = keys::load_or_create(&config.state_dir.join("keys.json"))?;
        let port = stack
            .database_url()
            .expose()
            .parse::<Config>()
            .context("read the database's address")?
            .get_ports()
            .first()
            .copied()
            .context("read the database's port")?;
        let admin = connect(&login(
            port,
            "supabase_admin",
            &passwords.supabase_admin,
            "postgres",
        ))
        .await?;
        admin
            .batch_execute(&format!(
                "insert into public.projects (id, name) values ('{PROJECT}', 'Bench') on conflict do nothing"
            ))
            .await
            .context("make a project")?;
        Ok(Self {
            repo: repo.to_owned(),
            node,
            js: repo.join("bench/js"),
            admin: Arc::new(admin),
            tools: config.tools(),
            stack,
            passwords,
            port,
            folder,
        })
    }

    /// A new folder that is removed at the end.
    pub fn new_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self
            .folder
            .path()
            .join(format!("{name}-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).context("make a folder")?;
        Ok(folder)
    }

    /// Programs from npm.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// The stack itself.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Postgres' port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process that all processes of the database come from.
    pub async fn postmaster(&self) -> Result<Pid> {
        let row = self
            .admin
            .query_one(
                "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)",
                &[],
            )
            .await
            .context("find the database's process")?;
        let pid: String = row.get(0);
        Ok(Pid::from_u32(pid.trim().parse().context("read a process id")?))
    }

    /// One more session of the superuser.
    pub async fn session(&self) -> Result<Client> {
        connect(&self.superuser("postgres")).await
    }

    /// How the superuser connects to a database.
    pub fn superuser(&self, database: &str) -> Config {
        login(
            self.port,
            "supabase_admin",
            &self.passwords.supabase_admin,
            database,
        )
    }

    /// Name and password of the superuser.
    pub fn superuser_login(&self) -> (String, String) {
        let password = self.passwords.supabase_admin.expose().to_owned();
        ("supabase_admin".to_owned(), password)
    }

    /// A connection string of the superuser for a database of its own; made when it is not there.
    pub async fn own_database(&self, name: &str) -> Result<Secret> {
        self.admin
            .batch_execute(&format!("drop database if exists {name} with (force)"))
            .await
            .context("drop a database")?;
        self.admin
            .batch_execute(&format!("create database {name}"))
            .await
            .context("make a database")?;
        Ok(Secret::new(format!(
            "postgresql://supabase_admin:{}@127.0.0.1:{}/{name}",
            self.passwords.supabase_admin.expose(),
            self.port
        )))
    }

    /// A new host of the project that may have this many agents.
    pub async fn host(&self, capacity: u32) -> Result<Host> {
        let password = Secret::new(Uuid::new_v4().simple().to_string());
        let args = json!({
            "name": format!("bench-{}", Uuid::new_v4().simple()),
            "project_ids": [PROJECT],
            "capacity": capacity,
            "login": { "verifier": password.expose() },
        });
        let made: Value = self
            .admin
            .query_one("select creel.enroll_host($1)", &[&args])
            .await
            .context("enrol a host")?
            .get(0);
        let id = made["host_id"].as_str().context("read the host's id")?.parse()?;
        let role = made["role"].as_str().context("read the host's role")?.to_owned();
        // What is compared to it takes ten at once.
        self.admin
            .batch_execute(&format!("alter role {role} connection limit 100"))
            .await
            .context("raise a limit")?;
        let url = self.stack.database_url_for(&role, &password);
        Ok(Host {
            id,
            role,
            password,
            url,
        })
    }

    /// A new host of the project that has a key and no login.
    pub async fn host_with_key(&self) -> Result<KeyHost> {
        let key = HostKey::generate();
        let args = json!({
            "name": format!("bench-{}", Uuid::new_v4().simple()),
            "project_ids": [PROJECT],
            "capacity": 1_000,
            "key": { "sha256": key.sha256() },
        });
        let made: Value = self
            .admin
            .query_one("select creel.enroll_host($1)", &[&args])
            .await
            .context("enrol a host")?
            .get(0);
        let key_file = self.new_folder("key")?.join("host.key");
        key.write(&key_file).context("write the host's key")?;
        Ok(KeyHost {
            id: made["host_id"].as_str().context("read the host's id")?.parse()?,
            key_file,
        })
    }

    /// Statements that clients of a role, or of a database, have sent so far, as Postgres counts them.
    pub async fn statements(&self, whose: Whose<'_>) -> Result<i64> {
        let (column, name) = match whose {
            Whose::Role(role) => (
                "userid = (select oid from pg_roles where rolname = $1::text)",
                role,
            ),
            Whose::Database(name) => (
                "dbid = (select oid from pg_database where datname = $1::text)",
                name,
            ),
        };
        let sql = format!(
            "select coalesce(sum(calls), 0)::bigint from extensions.pg_stat_statements where {column}"
        );
        let row = self
            .admin
            .query_one(&sql, &[&name])
            .await
            .context("count statements")?;
        Ok(row.get(0))
    }

    /// Removes dead rows and writes everything down, so that no measurement pays for the one before.
    pub async fn settle(&self) -> Result<()> {
        for statement in ["vacuum (analyze)", "checkpoint"] {
            self.admin
                .batch_execute(statement)
                .await
                .with_context(|| statement.to_owned())?;
        }
        Ok(())
    }

    /// Stops everything.
    pub async fn tear_down(self) -> Result<()> {
        self.stack.down().await?;
        self.folder.close().context("remove the folder of the database")
    }
}

/// Whose statements.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// Of one login role.
    Role(&'a str),
    /// Of whoever uses one database.
    Database(&'a str),
}

/// Connects, and keeps the connection's task for as long as the client is there.
pub async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config.connect(NoTls).await.context("connect to the database")?;
    tokio::spawn(connection);
    Ok(client)
}

fn login(port: u16, role: &str, password: &Secret, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(role)
        .password(password.expose())
        .dbname(database)
        .application_name("creel-bench");
    config
}
