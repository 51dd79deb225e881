//! One PostgREST process, for one database.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use creel_core::secret::Secret;
use rustix::process::Signal;
use tokio::process::Child;

use crate::{ports, process};

/// It is ready in half a second; a loaded machine gets a hundred times that.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How often it is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// It holds nothing that would need more.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How often other ports are tried: PostgREST cannot say which free port it was given.
const PORT_ATTEMPTS: u32 = 5;

/// How PostgREST is run.
#[derive(Debug, Clone)]
pub struct PostgrestConfig {
    /// The executable.
    pub program: PathBuf,
    /// Port of Postgres.
    pub database_port: u16,
    /// The database.
    pub database: String,
    /// Password of the role `authenticator`.
    pub password: Secret,
    /// What tokens are signed with.
    pub jwt_secret: Secret,
    /// Connections to the database.
    pub pool: u32,
    /// Where it logs to.
    pub log: PathBuf,
    /// Folder of the stack, as the mark of its programs.
    pub mark: PathBuf,
}

/// A running PostgREST. It is killed when it is dropped.
#[derive(Debug)]
pub struct Postgrest {
    child: Child,
    port: u16,
}

impl Postgrest {
    /// Starts it and waits until its schema cache is loaded.
    pub async fn start(config: &PostgrestConfig, http: &reqwest::Client) -> Result<Self> {
        for _ in 0..PORT_ATTEMPTS {
            let (port, admin_port) = (ports::free_port()?, ports::free_port()?);
            let mut child = spawn(config, port, admin_port)?;
            if wait_ready(&mut child, admin_port, http, &config.log).await? {
                return Ok(Self { child, port });
            }
            if ports::is_free(port) && ports::is_free(admin_port) {
                break;
            }
        }
        bail!(
            "PostgREST did not start; its log {} ends with:\n{}",
            config.log.display(),
            process::log_tail(&config.log)
        )
    }

    /// Where it answers, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until it ends by itself, which it does not do in health.
    pub async fn ended(&mut self) {
        let _status = self.child.wait().await;
    }

    /// Stops it and waits for the end.
    pub async fn stop(mut self) -> Result<()> {
        process::stop(&mut self.child, Signal::TERM, STOP_LIMIT)
            .await
            .context("stop PostgREST")?;
        Ok(())
    }
}

fn spawn(config: &PostgrestConfig, port: u16, admin_port: u16) -> Result<Child> {
    let database_url = format!(
        "postgresql://authenticator:{}@127.0.0.1:{}/{}?application_name=postgrest",
        config.password.expose(),
        config.database_port,
        config.database
    );
    let mut command = process::command(&config.program);
    // By the environment: arguments can be read by everybody on the machine.
    command
        .env(process::MARK, &config.mark)
        .env("PGRST_DB_URI", database_url)
        .env("PGRST_DB_SCHEMAS", "public")
        .env("PGRST_DB_EXTRA_SEARCH_PATH", "public, extensions")
        .env("PGRST_DB_ANON_ROLE", "anon")
        .env("PGRST_DB_CHANNEL_ENABLED", "true")
        .env("PGRST_DB_POOL", config.pool.to_string())
        .env("PGRST_JWT_SECRET", config.jwt_secret.expose())
        .env("PGRST_SERVER_HOST", "127.0.0.1")
        .env("PGRST_SERVER_PORT", port.to_string())
        .env("PGRST_ADMIN_SERVER_PORT", admin_port.to_string())
        .env("PGRST_LOG_LEVEL", "error");
    process::log_to(&mut command, &config.log)?;
    command
        .spawn()
        .with_context(|| format!("start {}", config.program.display()))
}

/// True when it is ready, false when it ended.
async fn wait_ready(child: &mut Child, admin_port: u16, http: &reqwest::Client, log: &Path) -> Result<bool> {
    let ready = format!("http://127.0.0.1:{admin_port}/ready");
    let limit = Instant::now() + START_LIMIT;
    loop {
        if child.try_wait().context("look at PostgREST")?.is_some() {
            return Ok(false);
        }
        if http
            .get(&ready)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            return Ok(true);
        }
        if Instant::now() > limit {
            bail!(
                "PostgREST is not ready; its log ends with:\n{}",
                process::log_tail(log)
            );
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
