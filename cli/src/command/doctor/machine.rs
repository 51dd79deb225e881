//! What Creel needs on this machine.

use std::path::Path;
use std::time::Duration;

use creel_local::install::openclaw::OPENCLAW_VERSION;
use creel_local::process;
use creel_worker::openclaw::{MIN_VERSION, Version};

use super::Check;

/// `openclaw --version` takes 0.1 s; ten seconds are for a machine that is busy.
const PROGRAM_LIMIT: Duration = Duration::from_secs(10);
/// OpenClaw with what it needs is 790 MB, and workspaces grow.
const DISK_NEEDED_MB: u64 = 1_500;

/// What a program prints about its version.
async fn version_of(program: &Path) -> Result<String, String> {
    let path = if program.components().count() > 1 {
        Some(program.to_owned()).filter(|path| path.exists())
    } else {
        process::find_program(&program.to_string_lossy())
    };
    let path = path.ok_or("not found")?;
    let said = process::run(process::command(path).arg("--version"), PROGRAM_LIMIT).await;
    let said = said.map_err(|error| format!("{error:#}"))?;
    Ok(said
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .to_owned())
}

/// Whether a program is there that not everybody needs.
pub(super) async fn check_program(name: &'static str, program: &Path, what_to_do: &'static str) -> Check {
    match version_of(program).await {
        Ok(version) => Check::good(name, version),
        Err(why) => Check::absent(name, why, what_to_do),
    }
}

/// Whether the node in `PATH` would run OpenClaw.
pub(super) async fn check_node() -> Check {
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

/// Whether OpenClaw runs.
pub(crate) async fn check_openclaw(given: Option<&Path>) -> Check {
    let what_to_do = format!(
        "creel doctor --fix installs it, as npm install -g openclaw@{OPENCLAW_VERSION} does; or give its path by \
         --openclaw; creel up installs its own"
    );
    let own = Path::new(".creel/tools/bin/openclaw");
    let program = given.unwrap_or(if own.exists() { own } else { Path::new("openclaw") });
    match version_of(program).await {
        Ok(said) => judge_openclaw(said, &what_to_do),
        Err(why) => Check::broken("openclaw", format!("{}: {why}", program.display()), what_to_do),
    }
}

/// Whether a worker would work with the OpenClaw that said this about its version.
fn judge_openclaw(said: String, what_to_do: &str) -> Check {
    match Version::find(&said) {
        Some(version) if version >= MIN_VERSION => Check::good(
            "openclaw",
            format!("{said} (Creel is tested with {OPENCLAW_VERSION})"),
        ),
        Some(_) => Check::broken(
            "openclaw",
            format!("{said} is older than {MIN_VERSION}, the oldest that Creel works with"),
            what_to_do,
        ),
        None => Check::broken("openclaw", format!("{said:?} is no version"), what_to_do),
    }
}

/// Whether the folder can be written, and by its owner only.
pub(super) fn check_state_dir(state_dir: Option<&Path>) -> Check {
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

/// Whether there is room where the folder is.
pub(super) fn check_disk(state_dir: Option<&Path>) -> Check {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Verdict;

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
    fn an_openclaw_that_no_worker_works_with_is_broken() {
        let verdict = |said: &str| judge_openclaw(said.to_owned(), "install it").verdict;
        assert_eq!(verdict("OpenClaw 2026.9.6 (eb377ac)"), Verdict::Good);
        assert_eq!(verdict("OpenClaw 2026.10.0"), Verdict::Good);
        assert_eq!(verdict("OpenClaw 2026.8.30"), Verdict::Broken);
        assert_eq!(verdict("hello"), Verdict::Broken);
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
