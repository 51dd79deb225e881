//! `creel doctor`: what Creel needs on this machine, what is there, and what to do about the rest.

mod machine;
mod remote;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::connection::ConnectionArgs;
use crate::database::DatabaseArgs;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// What `creel doctor` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// OpenClaw's program [default: that of creel up here, else openclaw in PATH].
    #[arg(long, env = "CREEL_OPENCLAW", value_name = "PROGRAM")]
    openclaw: Option<PathBuf>,

    /// OpenClaw's state directory [default: that of creel up here, else ~/.openclaw].
    #[arg(long, env = "CREEL_OPENCLAW_STATE_DIR", value_name = "DIR")]
    openclaw_state_dir: Option<PathBuf>,

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
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    what_to_do: &'static str,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Good,
            found: found.into(),
            what_to_do: "",
        }
    }

    fn absent(name: &'static str, found: impl Into<String>, what_to_do: &'static str) -> Self {
        Self {
            name,
            verdict: Verdict::Absent,
            found: found.into(),
            what_to_do,
        }
    }

    fn broken(name: &'static str, found: impl Into<String>, what_to_do: &'static str) -> Self {
        Self {
            name,
            verdict: Verdict::Broken,
            found: found.into(),
            what_to_do,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name, "verdict": self.verdict.as_str(), "found": self.found,
            "what_to_do": self.what_to_do,
        })
    }
}

/// Runs all checks.
pub(super) async fn run(args: DoctorArgs, out: Output) -> anyhow::Result<()> {
    let local = Path::new(".creel/openclaw");
    let state_dir = args
        .openclaw_state_dir
        .clone()
        .or_else(|| local.is_dir().then(|| local.to_owned()))
        .or_else(|| Some(etcetera::home_dir().ok()?.join(".openclaw")));
    let mut checks = vec![
        machine::check_node().await,
        machine::check_program("npm", Path::new("npm"), "install npm; only creel up needs it").await,
        machine::check_openclaw(args.openclaw.as_deref()).await,
        machine::check_state_dir(state_dir.as_deref()),
        machine::check_disk(state_dir.as_deref()),
    ];
    checks.extend(remote::check_database(&args.database).await);
    checks.push(remote::check_data_api(&args.connection).await);

    let broken: Vec<_> = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Broken)
        .collect();
    let value = json!(checks.iter().map(Check::to_json).collect::<Vec<_>>());
    if broken.is_empty() || !out.is_json() {
        let texts = |check: &Check| {
            [check.name, check.verdict.as_str(), &check.found, check.what_to_do].map(str::to_owned)
        };
        let cells = checks.iter().map(|check| texts(check).to_vec()).collect();
        out.rows(
            &json!({ "ok": true, "checks": value }),
            &["CHECK", "", "FOUND", "WHAT TO DO"],
            cells,
            "",
        );
    }
    let Some(first) = broken.first() else {
        return Ok(());
    };
    let said: Vec<_> = broken
        .iter()
        .map(|check| format!("{}: {}", check.name, check.found))
        .collect();
    let error = CliError::new(ErrorKind::Unhealthy, said.join("; ")).hint(first.what_to_do);
    Err(error.detail("checks", value).into())
}
