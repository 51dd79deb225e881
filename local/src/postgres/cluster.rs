//! Makes, starts and stops a cluster.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use creel_core::secret::Secret;
use rustix::process::Signal;
use tokio::process::Child;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::account::Account;
use super::place::Place;
use super::postmaster;
use crate::keys::Passwords;
use crate::{ports, process};

/// `initdb` takes half a second; a loaded machine gets a hundred times that.
const INITDB_LIMIT: Duration = Duration::from_secs(60);

/// A start after a crash replays the log first.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A fast shutdown ends sessions and writes a checkpoint.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How often we try to connect while Postgres starts.
const TRY_EVERY: Duration = Duration::from_millis(25);

/// How often another port is tried when the chosen one was taken meanwhile.
const PORT_ATTEMPTS: u32 = 5;

/// How a cluster is run.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The cluster's folder.
    pub dir: PathBuf,
    /// The folder with Postgres' `bin`, from [`crate::install::Tools::postgres`].
    pub install: PathBuf,
    /// Where Postgres logs to.
    pub log: PathBuf,
    /// The port to try first.
    pub port: Option<u16>,
    /// Off for tests only: a power cut may destroy the cluster, and writing is several times as fast.
    pub durable: bool,
    /// How many sessions there can be at once.
    pub max_connections: u32,
}

/// A running Postgres on a port of loopback. It is stopped by [`Cluster::stop`], and told to stop when it
/// is dropped.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    child: Child,
}

impl Cluster {
    /// Makes the cluster if there is none yet, and starts it. What an earlier run left running is stopped.
    pub async fn start(config: &ClusterConfig, superuser_password: &Secret) -> Result<Self> {
        let account = Account::choose()?;
        let place = Place::prepare(&config.dir, &config.install, account)?;
        let data = place.home.join("data");
        if !data.join("PG_VERSION").exists() {
            make(&place, &data, account, superuser_password)
                .await
                .context("make the Postgres cluster")?;
        }
        postmaster::stop_left_behind(&data).await?;
        let mut port = match config.port.filter(|&port| ports::is_free(port)) {
            Some(port) => port,
            None => ports::free_port()?,
        };
        for _ in 0..PORT_ATTEMPTS {
            let mut child = spawn(config, &place, &data, account, port)?;
            if wait_ready(&mut child, port, superuser_password).await? {
                tracing::debug!(port, "Postgres is ready");
                return Ok(Self { port, child });
            }
            if ports::is_free(port) {
                break;
            }
            port = ports::free_port()?;
        }
        bail!(
            "Postgres did not start; its log {} ends with:\n{}",
            config.log.display(),
            process::log_tail(&config.log)
        )
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to connect as a role.
    pub fn config(&self, role: &str, password: &Secret, database: &str) -> Config {
        config(self.port, role, password, database)
    }

    /// Connects as the superuser.
    pub async fn superuser(&self, passwords: &Passwords, database: &str) -> Result<Client> {
        connect(&self.config("supabase_admin", &passwords.supabase_admin, database)).await
    }

    /// Connects as the role `postgres`.
    pub async fn postgres(&self, passwords: &Passwords, database: &str) -> Result<Client> {
        connect(&self.config("postgres", &passwords.postgres, database)).await
    }

    /// Waits until Postgres ends by itself, which it does not do in health.
    pub async fn ended(&mut self) {
        let _status = self.child.wait().await;
    }

    /// Ends all sessions, writes everything down and waits for the end.
    pub async fn stop(mut self) -> Result<()> {
        process::stop(&mut self.child, Signal::INT, STOP_LIMIT)
            .await
            .context("stop Postgres")?;
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A fast shutdown instead of the kill that dropping the child would be: no recovery at the next start.
        if let Some(pid) = self
            .child
            .id()
            .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()))
        {
            let _already_gone = rustix::process::kill_process(pid, Signal::INT);
        }
    }
}

/// How to connect to a Postgres on loopback.
pub(crate) fn config(port: u16, role: &str, password: &Secret, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(role)
        .password(password.expose())
        .dbname(database);
    config.application_name("creel-local");
    config
}

/// Connects, and keeps the connection's task for as long as the client is there.
pub(crate) async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .context("connect to the local Postgres")?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a connection to the local Postgres ended: {error}");
        }
    });
    Ok(client)
}

/// The first number of `initdb (PostgreSQL) 17.10`.
async fn major_version(place: &Place, account: Option<Account>) -> Result<u32> {
    let mut command = process::command(place.install.join("bin/initdb"));
    command.arg("--version").current_dir(&place.home);
    if let Some(account) = account {
        account.apply(&mut command);
    }
    let said = process::run(&mut command, INITDB_LIMIT).await?;
    let version = said
        .split_whitespace()
        .find_map(|word| word.split('.').next()?.parse().ok());
    version.with_context(|| format!("read the version in {said:?}"))
}

/// Runs initdb into a folder beside the final one: an interrupted one leaves no half cluster.
async fn make(place: &Place, data: &Path, account: Option<Account>, password: &Secret) -> Result<()> {
    let draft = place.home.join("data.new");
    if draft.exists() {
        fs::remove_dir_all(&draft).context("remove a half-made cluster")?;
    }
    let password_file = place.home.join("superuser-password");
    write_password(&password_file, password, account).context("hand the password to initdb")?;
    let mut command = process::command(place.install.join("bin/initdb"));
    command.args([
        "--username=supabase_admin",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    // Knows letters beyond ASCII on every system alike; since 17.
    if major_version(place, account).await? >= 17 {
        command.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]);
    }
    command
        .arg("--pwfile")
        .arg(&password_file)
        .arg("--pgdata")
        .arg(&draft);
    command.current_dir(&place.home);
    if let Some(account) = account {
        account.apply(&mut command);
    }
    let made = process::run(&mut command, INITDB_LIMIT).await;
    fs::remove_file(&password_file).context("remove the password that initdb was given")?;
    made?;
    fs::rename(&draft, data).context("give the made cluster its name")
}

/// Writes a file that is the account's. The folder is the account's too: no name in it is followed.
fn write_password(file: &Path, password: &Secret, account: Option<Account>) -> Result<()> {
    if fs::symlink_metadata(file).is_ok() {
        fs::remove_file(file)?;
    }
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(password.expose().as_bytes())?;
    if let Some(account) = account {
        fchown(&file, Some(account.uid), Some(account.gid))?;
    }
    Ok(())
}

fn spawn(
    config: &ClusterConfig,
    place: &Place,
    data: &Path,
    account: Option<Account>,
    port: u16,
) -> Result<Child> {
    let mut command = process::command(place.install.join("bin/postgres"));
    command
        .arg("-D")
        .arg(data)
        .current_dir(&place.home)
        .env(process::MARK, &config.dir);
    let mut set = |name: &str, value: &str| {
        command.arg("-c").arg(format!("{name}={value}"));
    };
    set("listen_addresses", "127.0.0.1");
    set("port", &port.to_string());
    set("unix_socket_directories", "");
    set("max_connections", &config.max_connections.to_string());
    // As on Supabase: Realtime decodes the publication.
    set("wal_level", "logical");
    set("shared_preload_libraries", "pg_stat_statements");
    set("timezone", "UTC");
    // Nothing is ever encrypted or sent beyond this machine.
    set("password_encryption", "scram-sha-256");
    if !config.durable {
        set("fsync", "off");
        set("full_page_writes", "off");
    }
    process::log_to(&mut command, &config.log)?;
    // The end is a fast shutdown, by `stop` or by `drop`.
    command.kill_on_drop(false);
    if let Some(account) = account {
        account.apply(&mut command);
    }
    command.spawn().context("start Postgres")
}

/// True when it accepts connections, false when it ended.
async fn wait_ready(child: &mut Child, port: u16, password: &Secret) -> Result<bool> {
    let config = config(port, "supabase_admin", password, "postgres");
    let limit = Instant::now() + START_LIMIT;
    loop {
        if child.try_wait().context("look at Postgres")?.is_some() {
            return Ok(false);
        }
        match config.connect(NoTls).await {
            Ok(_) => return Ok(true),
            Err(error) if error.code() == Some(&SqlState::INVALID_PASSWORD) => bail!(
                "the Postgres cluster was made with other passwords; put keys.json back, or remove the state folder"
            ),
            Err(error) if Instant::now() > limit => {
                return Err(error).context("wait for Postgres to accept connections");
            }
            Err(_) => tokio::time::sleep(TRY_EVERY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_place_of_the_password_file_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (others, file) = (folder.path().join("others"), folder.path().join("password"));
        fs::write(&others, "kept").expect("write");
        std::os::unix::fs::symlink(&others, &file).expect("link");
        write_password(&file, &Secret::new("pw"), None).expect("written");
        assert_eq!(fs::read_to_string(&others).expect("read"), "kept");
        assert_eq!(fs::read_to_string(&file).expect("read"), "pw");
    }
}
