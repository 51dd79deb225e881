//! Every setting, once: its flag, its environment variable and its key in the file.

use std::net::SocketAddr;
use std::path::PathBuf;

use creel_core::secret::Secret;
use serde::Deserialize;

use super::{OpenClawDriver, Origins};

/// Settings of `creel worker`. A flag goes before the environment, that before the file; but the database
/// that a file named by `--config` has goes before one that only the environment names.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerArgs {
    /// Which of the others are from the environment. It stands first, as whatever is read from the command
    /// line's matches is taken out of them.
    #[command(flatten)]
    #[serde(skip)]
    pub origins: Origins,

    /// Configuration file (TOML; the keys are the long names with underscores) [default:
    /// ~/.config/creel/worker.toml, when it is there]
    #[arg(long, value_name = "FILE", env = "CREEL_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Database as `postgresql://…`. Prefer the environment or a file: other users of this machine
    /// can read a process' command line
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret>,

    /// File that holds the database's URL
    #[arg(long, value_name = "FILE", env = "CREEL_DATABASE_URL_FILE")]
    pub database_url_file: Option<PathBuf>,

    /// Certificate (PEM) that signs the database's own; hosted Supabase has one to download. Without
    /// it the system's certificates are trusted
    #[arg(long, value_name = "FILE", env = "CREEL_DATABASE_CA_FILE")]
    pub database_ca_file: Option<PathBuf>,

    /// In place of a database: URL of the Supabase project, for a host that was enrolled by a code and has a key
    #[arg(long, value_name = "URL", env = "CREEL_DATA_API_URL")]
    pub data_api_url: Option<String>,

    /// The project's publishable key, with --data-api-url. Every page of the project carries it; it opens nothing
    /// without the host's own key
    #[arg(
        long,
        value_name = "KEY",
        env = "CREEL_PUBLISHABLE_KEY",
        hide_env_values = true
    )]
    pub publishable_key: Option<Secret>,

    /// File that holds the host's own key, with --data-api-url; mode 0600 [default: host.key beside the usual
    /// configuration file]
    #[arg(long, value_name = "FILE", env = "CREEL_HOST_KEY_FILE")]
    pub host_key_file: Option<PathBuf>,

    /// Certificate (PEM) that signs the Data API's own, or that of a proxy which opens connections. Without it the
    /// system's certificates are trusted
    #[arg(long, value_name = "FILE", env = "CREEL_DATA_API_CA_FILE")]
    pub data_api_ca_file: Option<PathBuf>,

    /// Proxy by which the Data API is reached [default: what HTTPS_PROXY, ALL_PROXY and NO_PROXY say]
    #[arg(
        long,
        value_name = "URL",
        env = "CREEL_DATA_API_PROXY",
        hide_env_values = true
    )]
    pub data_api_proxy: Option<Secret>,

    /// URL of the Realtime by which a host with --data-api-url hears at once that there is work, or off to look every 10 s
    /// only [default: that of the Supabase project]
    #[arg(long, value_name = "URL", env = "CREEL_REALTIME_URL")]
    pub realtime_url: Option<String>,

    /// How many jobs run at the same time [default: 64, as the gateway makes many agents at once; with
    /// --openclaw-driver=cli 4: a run of OpenClaw's command line takes a core for 5–15 s]
    #[arg(long, value_name = "N", env = "CREEL_PERMITS")]
    pub permits: Option<usize>,

    /// How OpenClaw is told what to do: by its gateway, by its command line, or by the gateway where one is
    /// ready and belongs to this user, else by the command line [default: auto]
    #[arg(long, value_name = "DRIVER", env = "CREEL_OPENCLAW_DRIVER")]
    pub openclaw_driver: Option<OpenClawDriver>,

    /// OpenClaw's program, a path or a name in PATH [default: openclaw]
    #[arg(long, value_name = "PROGRAM", env = "CREEL_OPENCLAW")]
    pub openclaw: Option<PathBuf>,

    /// OpenClaw's state directory [default: ~/.openclaw, as OpenClaw's own]
    #[arg(long, value_name = "DIR", env = "CREEL_OPENCLAW_STATE_DIR")]
    pub openclaw_state_dir: Option<PathBuf>,

    /// Seconds that one run of OpenClaw's command line may take before it is stopped [default: by
    /// command, 20 for --version, 60 to list, 90 to change something]
    #[arg(long, value_name = "SECS", env = "CREEL_OPENCLAW_TIMEOUT_SECS")]
    pub openclaw_timeout_secs: Option<u64>,

    /// Folder in which each agent's workspace is made [default: workspaces in the state directory]
    #[arg(long, value_name = "DIR", env = "CREEL_WORKSPACE_ROOT")]
    pub workspace_root: Option<PathBuf>,

    /// The worker's own folder, which holds its lock [default: ~/.local/state/creel]
    #[arg(long, value_name = "DIR", env = "CREEL_DATA_DIR")]
    pub data_dir: Option<PathBuf>,

    /// Keep OpenClaw's gateway running on this host, where nobody else does [default: no; launchd, systemd or a
    /// person keeps it]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          env = "CREEL_KEEP_GATEWAY")]
    pub keep_gateway: Option<bool>,

    /// File (JSON5, in OpenClaw's words) with what every agent that has a gateway of its own is to have, model
    /// providers first. It is the owner's of this host; nobody who deploys an agent can change it
    #[arg(long, value_name = "FILE", env = "CREEL_PROFILE_BASE")]
    pub profile_base: Option<PathBuf>,

    /// Megabytes of memory that an agent's own gateway needs; none is started where that is not free [default: 1300]
    #[arg(long, value_name = "MB", env = "CREEL_AGENT_MEMORY_MB")]
    pub agent_memory_mb: Option<u64>,

    /// Port of the first agent that has a gateway of its own; the others' are 120 apart [default: 19001]
    #[arg(long, value_name = "PORT", env = "CREEL_FIRST_AGENT_PORT")]
    pub first_agent_port: Option<u16>,

    /// Days for which the last copy of an undeployed agent's files is kept in the data directory [default: 30]
    #[arg(long, value_name = "DAYS", env = "CREEL_ARCHIVE_DAYS")]
    pub archive_days: Option<u64>,

    /// Loopback address of /healthz, /readyz and /metrics; port 0 takes a free one and writes it to
    /// http.addr in the data directory [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR:PORT", env = "CREEL_HTTP_LISTEN")]
    pub http_listen: Option<SocketAddr>,

    /// Seconds that jobs may go on after SIGTERM before they are given back [default: 30, which is less
    /// than systemd waits; launchd kills after 20 unless ExitTimeOut says otherwise]
    #[arg(long, value_name = "SECS", env = "CREEL_DRAIN_GRACE_SECS")]
    pub drain_grace_secs: Option<u64>,

    /// Log filter, in the syntax of RUST_LOG [default: info]
    #[arg(long, value_name = "FILTER", env = "CREEL_LOG")]
    pub log: Option<String>,
}
