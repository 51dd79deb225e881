//! `creel doctor`: what Creel needs on this machine, what is there, and what to do about the rest.

mod fix;
mod gateway;
mod machine;
mod remote;

use std::path::{Path, PathBuf};

pub(crate) use self::machine::check_openclaw;
use creel_worker::config::{ConfigError, Origins, TransportConfig};
use creel_worker::{WorkerArgs, WorkerConfig};
use serde_json::{Value, json};

use crate::connection::ConnectionArgs;
use crate::database::{self, DatabaseArgs};
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// What `creel doctor` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// The worker's configuration file, whose OpenClaw and database are looked at [default:
    /// ~/.config/creel/worker.toml, when it is there and this is no folder of creel up].
    #[arg(long, env = "CREEL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// OpenClaw's program [default: that of the configuration, else of creel up here, else
    /// openclaw in PATH].
    #[arg(long, env = "CREEL_OPENCLAW", value_name = "PROGRAM")]
    openclaw: Option<PathBuf>,

    /// OpenClaw's state directory [default: that of the configuration, else of creel up here, else
    /// ~/.openclaw].
    #[arg(long, env = "CREEL_OPENCLAW_STATE_DIR", value_name = "DIR")]
    openclaw_state_dir: Option<PathBuf>,

    /// File that holds the database's URL.
    #[arg(long, env = "CREEL_DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,

    /// Where OpenClaw is missing, or too old, install the version that Creel is tested with: by npm, after a question.
    #[arg(long)]
    fix: bool,

    /// Install without a question.
    #[arg(long, requires = "fix")]
    yes: bool,

    #[command(flatten)]
    origins: Origins,

    #[command(flatten)]
    connection: ConnectionArgs,

    #[command(flatten)]
    database: DatabaseArgs,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// As it should be.
    Good,
    /// Not needed for everything.
    Absent,
    /// Something will not work.
    Broken,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Absent => "-",
            Self::Broken => "broken",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
pub(crate) struct Check {
    name: &'static str,
    verdict: Verdict,
    pub(crate) found: String,
    pub(crate) what_to_do: String,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Good,
            found: found.into(),
            what_to_do: String::new(),
        }
    }

    fn absent(name: &'static str, found: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Absent,
            found: found.into(),
            what_to_do: what_to_do.into(),
        }
    }

    fn broken(name: &'static str, found: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Broken,
            found: found.into(),
            what_to_do: what_to_do.into(),
        }
    }

    /// Nothing is to be done.
    pub(crate) fn is_good(&self) -> bool {
        self.verdict == Verdict::Good
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name, "verdict": self.verdict.as_str(), "found": self.found,
            "what_to_do": self.what_to_do,
        })
    }
}

/// Runs all checks.
pub(super) async fn run(mut args: DoctorArgs, out: Output) -> anyhow::Result<()> {
    if let Some(url) = &args.connection.url {
        args.database.database_of = Some(url.clone());
    }
    let mut checks = Vec::new();
    let worker = match args.worker_config() {
        None => None,
        Some((path, Ok(config))) => {
            let found = [vec![path.display().to_string()], config.warnings.clone()].concat();
            checks.push(Check::good("configuration", found.join("; ")));
            Some(config)
        }
        Some((_, Err(error))) => {
            let what_to_do = "correct the file; creel worker --help lists the settings";
            checks.push(Check::broken("configuration", error.to_string(), what_to_do));
            None
        }
    };
    let (openclaw, state_dir) = match &worker {
        Some(config) => (
            Some(config.openclaw.clone()),
            Some(config.openclaw_state_dir.clone()),
        ),
        None => (args.openclaw.clone(), args.state_dir()),
    };
    if args.fix {
        fix::fix_openclaw(openclaw.as_deref(), args.yes, out).await?;
    }
    checks.extend([
        machine::check_node().await,
        machine::check_program(
            "npm",
            Path::new("npm"),
            "install npm; only creel up and creel doctor --fix need it",
        )
        .await,
        machine::check_openclaw(openclaw.as_deref()).await,
        machine::check_state_dir(state_dir.as_deref()),
        machine::check_disk(state_dir.as_deref()),
        gateway::check_gateway(state_dir.as_deref(), args.data_dir(worker.as_ref()).as_deref()).await,
    ]);
    checks.extend(match &worker {
        Some(config) => match &config.transport {
            TransportConfig::Direct(database) => {
                remote::check_database(database::connect_to(database).await).await
            }
            TransportConfig::Rest(api) => remote::check_host_key(api).await,
        },
        None if args.database.url()?.is_none() => vec![remote::no_database()],
        None => remote::check_database(args.database.connect().await).await,
    });
    checks.push(remote::check_data_api(&args.connection).await);
    report(&checks, out)
}

impl DoctorArgs {
    /// The configuration of the worker on this host, with what was typed before it; none where it has none.
    fn worker_config(&self) -> Option<(PathBuf, Result<WorkerConfig, ConfigError>)> {
        let is_local = Path::new(".creel").is_dir();
        let usual = || WorkerConfig::default_file().filter(|path| path.exists() && !is_local);
        let path = self.config.clone().or_else(usual);
        let path = path.or_else(|| self.database_url_file.clone())?;
        let args = WorkerArgs {
            config: self.config.clone(),
            database_url: self.database.database_url.clone(),
            database_url_file: self.database_url_file.clone(),
            origins: self.origins,
            database_ca_file: self.database.database_ca_file.clone(),
            openclaw: self.openclaw.clone(),
            openclaw_state_dir: self.openclaw_state_dir.clone(),
            ..WorkerArgs::default()
        };
        Some((path, args.resolve()))
    }

    /// The worker's own folder, in which it says where its pages are.
    fn data_dir(&self, worker: Option<&WorkerConfig>) -> Option<PathBuf> {
        let local = Path::new(".creel/worker");
        match worker {
            Some(config) => Some(config.data_dir.clone()),
            None => local.is_dir().then(|| local.to_owned()),
        }
    }

    /// OpenClaw's state directory, where no configuration names it.
    fn state_dir(&self) -> Option<PathBuf> {
        let local = Path::new(".creel/openclaw");
        self.openclaw_state_dir
            .clone()
            .or_else(|| local.is_dir().then(|| local.to_owned()))
            .or_else(|| Some(etcetera::home_dir().ok()?.join(".openclaw")))
    }
}

/// Shows all checks; an error when something is broken.
fn report(checks: &[Check], out: Output) -> anyhow::Result<()> {
    let broken: Vec<_> = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Broken)
        .collect();
    let value = json!(checks.iter().map(Check::to_json).collect::<Vec<_>>());
    if broken.is_empty() || !out.is_json() {
        let texts = |check: &Check| {
            [
                check.name,
                check.verdict.as_str(),
                &check.found,
                &check.what_to_do,
            ]
            .map(str::to_owned)
        };
        let cells = checks.iter().map(|check| texts(check).to_vec()).collect();
        out.rows("checks", &value, &["CHECK", "", "FOUND", "WHAT TO DO"], cells, "");
    }
    let Some(first) = broken.first() else {
        return Ok(());
    };
    let said: Vec<_> = broken
        .iter()
        .map(|check| format!("{}: {}", check.name, check.found))
        .collect();
    let error = CliError::new(ErrorKind::Unhealthy, said.join("; ")).hint(&first.what_to_do);
    Err(error.detail("checks", value).into())
}
