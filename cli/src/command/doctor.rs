//! `creel doctor`: what Creel needs on this machine, what is there, and what to do about the rest.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::database::DatabaseArgs;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;
use crate::session::SessionStore;

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

/// `openclaw --version` takes 0.1 s; ten seconds are for a machine that is busy.
const PROGRAM_LIMIT: Duration = Duration::from_secs(10);
/// OpenClaw with what it needs is 790 MB, and workspaces grow.
const DISK_NEEDED_MB: u64 = 1_500;
/// Tokens are refused when clocks differ by more than this.
const SKEW_ALLOWED_SECS: i64 = 30;
/// The OpenClaw that Creel was tried with.
const OPENCLAW_TESTED: &str = "2026.9.6";

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
        check_node().await,
        check_program("npm", Path::new("npm"), "install npm; only creel up needs it").await,
        check_openclaw(args.openclaw.as_deref()).await,
        check_state_dir(state_dir.as_deref()),
        check_disk(state_dir.as_deref()),
    ];
    checks.extend(check_database(&args.database).await);
    checks.push(check_data_api(&args.connection).await);

    let broken_count = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Broken)
        .count();
    let cells = checks
        .iter()
        .map(|check| {
            [check.name, check.verdict.as_str(), &check.found, check.what_to_do]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    if broken_count == 0 || !out.is_json() {
        let value = json!({ "ok": broken_count == 0, "checks": checks.iter().map(Check::to_json).collect::<Vec<_>>() });
        out.rows(&value, &["CHECK", "", "FOUND", "WHAT TO DO"], cells, "");
    }
    if broken_count == 0 {
        return Ok(());
    }
    let broken: Vec<_> = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Broken)
        .collect();
    let said: Vec<_> = broken
        .iter()
        .map(|check| format!("{}: {}", check.name, check.found))
        .collect();
    Err(CliError::new(ErrorKind::Unhealthy, said.join("; "))
        .hint(broken[0].what_to_do)
        .into())
}

/// What a program prints about its version.
async fn version_of(program: &Path) -> Result<String, String> {
    let mut command = tokio::process::Command::new(program);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(PROGRAM_LIMIT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Err("not found".to_owned()),
        Ok(Err(error)) => return Err(format!("cannot be started: {error}")),
        Err(_) => return Err(format!("did not answer within {PROGRAM_LIMIT:?}")),
    };
    let said = String::from_utf8_lossy(if output.status.success() {
        &output.stdout
    } else {
        &output.stderr
    });
    let line = said
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .to_owned();
    if output.status.success() {
        Ok(line)
    } else {
        Err(format!("{}: {line}", output.status))
    }
}

async fn check_program(name: &'static str, program: &Path, what_to_do: &'static str) -> Check {
    match version_of(program).await {
        Ok(version) => Check::good(name, version),
        Err(why) => Check::absent(name, why, what_to_do),
    }
}

async fn check_node() -> Check {
    let what_to_do = "OpenClaw wants Node 24.16 or later in 24, or 26.1 or later; creel up installs its own";
    match version_of(Path::new("node")).await {
        Ok(version) if node_runs_openclaw(&version) => Check::good("node", version),
        Ok(version) => Check::absent("node", format!("{version} does not run OpenClaw"), what_to_do),
        Err(why) => Check::absent("node", why, what_to_do),
    }
}

/// Whether OpenClaw accepts this node: `>=24.16 <25 || >=26.1`.
fn node_runs_openclaw(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    match (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) {
        (24, minor) => minor >= 16,
        (26, minor) => minor >= 1,
        (major, _) => major > 26,
    }
}

async fn check_openclaw(given: Option<&Path>) -> Check {
    let what_to_do = "npm install -g openclaw, or give its path by --openclaw; creel up installs its own";
    let own = Path::new(".creel/tools/bin/openclaw");
    let program = given.unwrap_or(if own.exists() { own } else { Path::new("openclaw") });
    match version_of(program).await {
        Ok(version) if version.contains(OPENCLAW_TESTED) => Check::good("openclaw", version),
        Ok(version) => Check::good(
            "openclaw",
            format!("{version} (Creel was tried with {OPENCLAW_TESTED})"),
        ),
        Err(why) => Check::broken("openclaw", format!("{}: {why}", program.display()), what_to_do),
    }
}

fn check_state_dir(state_dir: Option<&Path>) -> Check {
    let name = "state directory";
    let Some(path) = state_dir else {
        return Check::broken(
            name,
            "there is no home directory",
            "set HOME, or give --openclaw-state-dir",
        );
    };
    let shown = path.display();
    let nearest = path
        .ancestors()
        .find(|folder| folder.exists() && !folder.as_os_str().is_empty());
    let nearest = nearest.unwrap_or(Path::new("."));
    if let Err(error) = tempfile::tempfile_in(nearest) {
        let found = format!("{shown} cannot be written: {error}");
        return Check::broken(
            name,
            found,
            "give the folder to the worker's user: chown, chmod u+rwx",
        );
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o777);
    match mode {
        Ok(mode) if mode & 0o022 != 0 => Check::broken(
            name,
            format!("{shown} can be written by other users (mode {mode:o})"),
            "chmod go-w the folder: it holds the agents' keys and instructions",
        ),
        Ok(mode) => Check::good(name, format!("{shown} (mode {mode:o})")),
        Err(_) => Check::good(name, format!("{shown} (will be made)")),
    }
}

fn check_disk(state_dir: Option<&Path>) -> Check {
    let name = "disk space";
    let path = state_dir
        .and_then(|path| path.ancestors().find(|folder| folder.is_dir()))
        .unwrap_or(Path::new("."));
    let Ok(status) = rustix::fs::statvfs(path) else {
        return Check::absent(name, "not known", "look at it yourself: df -h");
    };
    let free_mb = status.f_bavail.saturating_mul(status.f_frsize) / 1_048_576;
    let found = format!("{free_mb} MB free at {}", path.display());
    if free_mb < DISK_NEEDED_MB {
        return Check::broken(
            name,
            found,
            "free some: OpenClaw and its workspaces want 1.5 GB and more",
        );
    }
    Check::good(name, found)
}

const INSPECT: &str = include_str!("../../../sql/queries/inspect_database.sql");

async fn check_database(args: &DatabaseArgs) -> Vec<Check> {
    let name = "database";
    if args.url().is_none() {
        let what_to_do = "a host needs it: creel host enroll prints it";
        return vec![Check::absent(name, "DATABASE_URL is not set", what_to_do)];
    }
    let client = match args.connect().await {
        Ok(client) => client,
        Err(error) => {
            let why = CliError::from_anyhow(error).message;
            return vec![Check::broken(
                name,
                why,
                "check DATABASE_URL, and that this machine reaches the database",
            )];
        }
    };
    let row = match client.query_one(INSPECT, &[]).await {
        Ok(row) => row,
        Err(error) => return vec![Check::broken(name, error.to_string(), "check the login's rights")],
    };
    let (user, server, epoch_ms): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
    let (has_creel, is_host_role): (bool, bool) = (row.get(3), row.get(4));
    let mut checks = vec![Check::good(name, format!("Postgres {server}, as {user}"))];
    checks.push(if !has_creel {
        Check::broken("Creel in it", "missing", "apply the migrations: supabase db push")
    } else if is_host_role {
        check_host_calls(&client).await
    } else {
        let what_to_do = "for a worker, use the login that creel host enroll prints";
        Check::absent("host login", format!("{user} is no host"), what_to_do)
    });
    let skew_secs = (jiff::Timestamp::now().as_millisecond() - epoch_ms) / 1000;
    checks.push(if skew_secs.abs() > SKEW_ALLOWED_SECS {
        let found = format!("{skew_secs} s away from the database's");
        Check::broken(
            "clock",
            found,
            "set the clock by NTP: tokens are refused otherwise",
        )
    } else {
        Check::good("clock", format!("{skew_secs} s away from the database's"))
    });
    checks
}

/// Asks a host function for nothing, to see whether versions match and the login is not revoked.
async fn check_host_calls(client: &tokio_postgres::Client) -> Check {
    let name = "host login";
    let request = json!({
        "api": creel_core::host_api::API, "session": uuid::Uuid::new_v4(), "limit": 0, "woken_by": "poll",
    });
    match client.query_one("select public.claim($1)", &[&request]).await {
        Ok(_) => Check::good(name, format!("a host, API {}", creel_core::host_api::API)),
        Err(error) => {
            let said = error
                .as_db_error()
                .map_or_else(|| error.to_string(), |error| error.message().to_owned());
            Check::broken(
                name,
                said,
                "upgrade Creel here or in the database, or enrol the host again",
            )
        }
    }
}

async fn check_data_api(args: &ConnectionArgs) -> Check {
    let name = "Data API";
    let known = SessionStore::open().and_then(|store| args.resolve(&store));
    if known.is_err() {
        return Check::absent(
            name,
            "no project is known",
            "for the other commands: creel login, or creel up",
        );
    }
    let asked = async {
        let api = DataApi::open(args).await?;
        let projects = api.rows(api.from("projects").select("id")).await?;
        anyhow::Ok((api.session, projects.len()))
    };
    match asked.await {
        Ok((session, count)) => Check::good(
            name,
            format!("{} as {}, {count} project(s)", session.url, session.email),
        ),
        Err(error) => {
            let error = CliError::from_anyhow(error);
            match error.kind {
                ErrorKind::Auth => Check::broken(name, error.message, "sign in: creel login"),
                _ => Check::broken(name, error.message, "check the URL, and that the project runs"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nodes_that_openclaw_accepts_are_good() {
        for (version, good) in [
            ("v20.20.2", false),
            ("v24.15.0", false),
            ("v24.16.0", true),
            ("v25.9.0", false),
            ("v26.10.0", true),
        ] {
            assert_eq!(node_runs_openclaw(version), good, "{version}");
        }
    }

    #[test]
    fn a_state_directory_that_others_can_write_is_broken() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("chmod");
        assert_eq!(check_state_dir(Some(folder.path())).verdict, Verdict::Broken);
        let not_yet = folder.path().join("not/yet");
        assert_eq!(check_state_dir(Some(&not_yet)).verdict, Verdict::Good);
    }

    #[tokio::test]
    async fn a_missing_program_is_told_as_not_found() {
        assert_eq!(
            version_of(Path::new("no-such-program-of-creel")).await,
            Err("not found".to_owned())
        );
    }
}
