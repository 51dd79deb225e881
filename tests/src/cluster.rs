//! The Postgres cluster of a test run, with a migrated template for the databases of the tests.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result, bail};
use creel_core::secret::Secret;
use creel_local::install::Tools;
use creel_local::keys::{self, ApiKeys, Passwords};
use creel_local::postgres::{Cluster, ClusterConfig};
use creel_local::{database, migrations};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

/// Names the file that tells the tests of a run where their cluster is.
pub const CLUSTER_VARIABLE: &str = "CREEL_TEST_CLUSTER";

/// All tests of a run share it, each with a handful of sessions, some with many workers.
const MAX_CONNECTIONS: u32 = 300;

/// Migrated, and without automatic grants, as new Supabase projects are.
pub const TEMPLATE: &str = "creel_template";

/// Migrated, and with automatic grants, as old Supabase projects are.
pub const TEMPLATE_WITH_GRANTS: &str = "creel_template_with_grants";

/// Where a run's cluster is: what the file of [`CLUSTER_VARIABLE`] holds.
#[derive(Debug, Serialize, Deserialize)]
struct ClusterFile {
    port: u16,
    keys_file: PathBuf,
    postgrest: PathBuf,
}

/// The folder that programs from npm are installed in, once for all tests.
pub fn tools() -> Tools {
    Tools::new(std::env::var_os("CREEL_TOOLS_DIR").map_or_else(|| repo().join(".creel/tools"), PathBuf::from))
}

/// The folder of the whole project.
pub fn repo() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A built program of this workspace, by its name.
pub fn built_program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("find the test program")?;
    let found = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.with_context(|| format!("{name} is not built; run: cargo build --workspace --bins"))
}

/// A cluster made for a run of tests. Stop it at the end.
#[derive(Debug)]
pub struct RunCluster {
    cluster: Cluster,
    file: PathBuf,
    folder: TempDir,
}

impl RunCluster {
    /// Makes a cluster that is fast and survives no power cut, with both templates.
    pub async fn start() -> Result<Self> {
        let tools = tools();
        let (install, postgrest) = (tools.postgres().await?, tools.postgrest().await?);
        // Root's Postgres runs as another user, who must be able to pass through.
        let folder = tempfile::Builder::new()
            .prefix("creel-test-")
            .permissions(std::fs::Permissions::from_mode(0o711))
            .tempdir()
            .context("make the folder of the test cluster")?;
        let keys_file = folder.path().join("keys.json");
        let (_, passwords) = keys::load_or_create(&keys_file)?;
        let config = ClusterConfig {
            dir: folder.path().join("postgres"),
            install,
            log: folder.path().join("postgres.log"),
            port: None,
            durable: false,
            max_connections: MAX_CONNECTIONS,
        };
        let cluster = Cluster::start(&config, &passwords.supabase_admin).await?;
        let admin = cluster.superuser(&passwords, "postgres").await?;
        database::bootstrap_roles(&admin, &passwords).await?;
        for (template, with_grants) in [(TEMPLATE, false), (TEMPLATE_WITH_GRANTS, true)] {
            admin
                .batch_execute(&format!("create database {template}"))
                .await
                .context("make a template")?;
            make_template(&cluster, &passwords, template, with_grants).await?;
        }
        let file = folder.path().join("cluster.json");
        let told = ClusterFile {
            port: cluster.port(),
            keys_file,
            postgrest,
        };
        keys::write_private(&file, &serde_json::to_string(&told)?)?;
        Ok(Self {
            cluster,
            file,
            folder,
        })
    }

    /// The value for [`CLUSTER_VARIABLE`].
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Stops the cluster and removes its folder.
    pub async fn stop(self) -> Result<()> {
        self.cluster.stop().await?;
        self.folder
            .close()
            .context("remove the folder of the test cluster")
    }
}

async fn make_template(
    cluster: &Cluster,
    passwords: &Passwords,
    template: &str,
    with_grants: bool,
) -> Result<()> {
    let admin = cluster.superuser(passwords, template).await?;
    database::bootstrap_database(&admin).await?;
    if with_grants {
        database::grant_automatically(&admin).await?;
    }
    let mut postgres = cluster.postgres(passwords, template).await?;
    migrations::apply(&mut postgres, &migrations::built_in()?).await?;
    Ok(())
}

/// The cluster that a test uses: that of the run, or one of this process alone.
#[derive(Debug)]
pub struct TestCluster {
    /// Port of Postgres.
    pub port: u16,
    /// What the gateways of this run accept and sign with.
    pub keys: ApiKeys,
    /// Passwords of the login roles.
    pub passwords: Passwords,
    /// PostgREST's executable.
    pub postgrest: PathBuf,
    own: Option<Mutex<Child>>,
}

static SHARED: Mutex<Weak<TestCluster>> = Mutex::new(Weak::new());

impl TestCluster {
    /// The run's cluster; without a run, one that ends with the last test of this process that uses it.
    pub fn get() -> Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = shared.upgrade() {
            return Ok(cluster);
        }
        let cluster = Arc::new(match std::env::var_os(CLUSTER_VARIABLE) {
            Some(file) => Self::read(Path::new(&file), None)?,
            None => Self::serve()?,
        });
        *shared = Arc::downgrade(&cluster);
        Ok(cluster)
    }

    /// Starts a cluster that ends when this process ends, however that comes about: by the pipe.
    fn serve() -> Result<Self> {
        let mut child = Command::new(built_program("creel-test-cluster")?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start creel-test-cluster")?;
        let stdout = child.stdout.take().context("read from creel-test-cluster")?;
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("read from creel-test-cluster")?;
        if line.is_empty() {
            bail!("creel-test-cluster did not start; what it said is above");
        }
        Self::read(Path::new(line.trim_end()), Some(Mutex::new(child)))
    }

    fn read(file: &Path, own: Option<Mutex<Child>>) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| {
            format!(
                "read {}; start the tests by: creel-test-cluster run -- …",
                file.display()
            )
        })?;
        let told: ClusterFile = serde_json::from_str(&text).context("read where the test cluster is")?;
        let (keys, passwords) = keys::load_or_create(&told.keys_file)?;
        Ok(Self {
            port: told.port,
            keys,
            passwords,
            postgrest: told.postgrest,
            own,
        })
    }

    /// How to connect as a role.
    pub fn config(&self, role: &str, password: &Secret, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(role)
            .password(password.expose())
            .dbname(database);
        config.application_name("creel-test");
        config
    }

    /// Connects as the superuser.
    pub async fn superuser(&self, database: &str) -> Result<Client> {
        connect(&self.config("supabase_admin", &self.passwords.supabase_admin, database)).await
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        if let Some(child) = self.own.take() {
            let mut child = child.into_inner().unwrap_or_else(PoisonError::into_inner);
            // The end of its input is the sign to stop.
            drop(child.stdin.take());
            let _status = child.wait();
        }
    }
}

/// Connects, and keeps the connection's task for as long as the client is there.
pub async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .context("connect to the test database")?;
    tokio::spawn(connection);
    Ok(client)
}
