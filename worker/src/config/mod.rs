//! The worker's configuration: flag, else environment, else file, else default.

mod args;
mod data_api;
mod database;
mod origins;
mod resolve;
mod source;
mod tls;
mod transport;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_core::secret::Secret;
use etcetera::BaseStrategy;

pub use args::WorkerArgs;
pub use data_api::{DataApiConfig, RealtimeConfig};
pub use database::{DatabaseConfig, TlsMode};
pub use origins::Origins;
pub use transport::TransportConfig;

/// What waits at the same moment becomes one request to the gateway. Without a gateway, the broker lets one
/// command change the configuration at a time, and the others wait for next to nothing.
pub const DEFAULT_PERMITS: usize = 64;
/// Small hosts are the rule, and a run of OpenClaw's command line takes a core for 5–15 s: more are not
/// claimed than are soon worked on.
pub const DEFAULT_CLI_PERMITS: usize = 4;
/// More would be claimed than a host can work on within a lease.
pub const MAX_PERMITS: usize = 1_000;
/// The database takes no more results in one call. What ends within the same moment is written together.
pub const MAX_FINISH_BATCH: usize = 1_000;
/// Longer than a run of OpenClaw's command line, and shorter than systemd waits (90 s). launchd waits for
/// 20 s unless its `ExitTimeOut` is raised.
pub const DEFAULT_DRAIN_GRACE: Duration = Duration::from_secs(30);
/// Loopback, as it has no login; the port is free in the list of Prometheus exporters' neighbours.
pub const DEFAULT_HTTP_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
/// What a person wants to read: what was claimed and what became of it.
pub const DEFAULT_LOG: &str = "info";
/// Found in PATH, as a person's shell would.
pub const DEFAULT_OPENCLAW: &str = "openclaw";

/// What a worker needs to know, complete and checked.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// How the database is reached.
    pub transport: TransportConfig,
    /// How many jobs run at the same time.
    pub permits: usize,
    /// How many results are written in one call at most; 1 writes each by itself.
    pub finish_batch: usize,
    /// How OpenClaw is told what to do.
    pub openclaw_driver: OpenClawDriver,
    /// OpenClaw's program: a path, or a name to be found in PATH.
    pub openclaw: PathBuf,
    /// OpenClaw's state directory.
    pub openclaw_state_dir: PathBuf,
    /// How long one run of OpenClaw's command line may take; none for the usual limit of each command.
    pub openclaw_timeout: Option<Duration>,
    /// The folder in which each agent's workspace is made.
    pub workspace_root: PathBuf,
    /// The worker's own folder: `worker.lock`, `http.addr`.
    pub data_dir: PathBuf,
    /// Whether the worker keeps OpenClaw's gateway running.
    pub keep_gateway: KeepGateway,
    /// What every agent with a gateway of its own is to have, in a file of the host's owner.
    pub profile_base: Option<PathBuf>,
    /// What a gateway needs of the machine's memory.
    pub agent_memory_mb: u64,
    /// Port of the first agent with a gateway of its own.
    pub first_agent_port: u16,
    /// How long the last copy of an undeployed agent's files is kept.
    pub archive_retention: Duration,
    /// Whether agents with a gateway of their own are stopped when the worker ends.
    pub agents_end_with_worker: bool,
    /// Where `/healthz`, `/readyz` and `/metrics` are; always loopback.
    pub http_listen: SocketAddr,
    /// How long jobs may go on after the first signal.
    pub drain_grace: Duration,
    /// Log filter, in the syntax of `RUST_LOG`.
    pub log: String,
    /// What is odd about the configuration; logged at the start.
    pub warnings: Vec<String>,
}

/// How OpenClaw is told what to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenClawDriver {
    /// By the gateway where one is ready and belongs to the worker's user, else by the command line.
    #[default]
    Auto,
    /// By the command line.
    Cli,
    /// By the gateway, or not at all.
    Gateway,
}

/// Whether a worker keeps the host's gateway running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepGateway {
    /// Somebody else does, or nobody.
    Never,
    /// It does, and leaves it running when it ends: its agents go on, and the next worker finds it.
    BeyondEnd,
    /// It does, and stops it when it ends.
    UntilEnd,
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {key} {}: {source}", path.display())]
    Read {
        /// Which setting names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not what it should be; the message names key and line.
    #[error("{} is not a valid worker configuration:\n{message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        message: String,
    },
    /// A value is not possible.
    #[error("{key} is not usable: {message}")]
    Value {
        /// Which setting.
        key: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The host's key cannot be used.
    #[error("host_key_file is not usable: {0}")]
    HostKey(#[from] crate::host_key::HostKeyError),
    /// There is no home directory to derive defaults from.
    #[error("there is no home directory: set HOME, or give {0}")]
    NoHome(&'static str),
}

impl WorkerConfig {
    /// The defaults for a database: what a program starts from that runs a worker inside itself.
    ///
    /// Fails when `url` is no database's or there is no home directory.
    pub fn new(url: Secret) -> Result<Self, ConfigError> {
        WorkerArgs {
            database_url: Some(url),
            ..WorkerArgs::default()
        }
        .resolve_without_file()
    }

    /// Where a host's key is when no other file is named: beside the usual configuration file.
    pub fn default_host_key_file() -> Option<PathBuf> {
        Some(Self::default_file()?.with_file_name("host.key"))
    }

    /// The file that is read when no other is named: `worker.toml` in the XDG folder of Creel.
    pub fn default_file() -> Option<PathBuf> {
        let strategy = etcetera::choose_base_strategy().ok()?;
        Some(strategy.config_dir().join("creel").join("worker.toml"))
    }
}

/// The folder for what the worker keeps: XDG's state folder on both systems.
fn default_data_dir() -> Result<PathBuf, ConfigError> {
    let strategy = etcetera::choose_base_strategy().map_err(|_| ConfigError::NoHome("data_dir"))?;
    Ok(strategy
        .state_dir()
        .unwrap_or_else(|| strategy.data_dir())
        .join("creel"))
}

/// OpenClaw's own default.
fn default_openclaw_state_dir() -> Result<PathBuf, ConfigError> {
    let home = etcetera::home_dir().map_err(|_| ConfigError::NoHome("openclaw_state_dir"))?;
    Ok(home.join(".openclaw"))
}

/// Files have no shell that would know `~`.
fn absolute(key: &'static str, path: &Path) -> Result<PathBuf, ConfigError> {
    let expanded = match path.strip_prefix("~") {
        Ok(rest) => etcetera::home_dir()
            .map_err(|_| ConfigError::NoHome(key))?
            .join(rest),
        Err(_) => path.to_owned(),
    };
    std::path::absolute(&expanded).map_err(|source| ConfigError::Read {
        key,
        path: expanded,
        source,
    })
}
