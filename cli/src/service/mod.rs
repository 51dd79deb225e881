//! The worker as a service of this system.
//!
//! What is written is made by pure functions ([`systemd::render`], [`launchd::render`]); what loads it is each
//! system's own program, behind [`ManagerProgram`].

mod account;
pub(crate) mod launchd;
mod manager;
mod search_path;
pub(crate) mod systemd;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use self::account::Account;
pub(crate) use self::manager::ManagerProgram;
pub(crate) use self::search_path::find_search_path;
use crate::error::{CliError, ErrorKind};

/// What a stop takes beside the drain: the last claim ends within 12 s, what does not stop by itself is killed after
/// 15 s, and giving back may take a call's limit; the rest is for a busy machine.
const STOP_BESIDE_DRAIN: Duration = Duration::from_secs(60);

/// A host with many agents has many files and connections; systemd's default is 1,024, launchd's 256.
const OPEN_FILES: u64 = 65_536;

/// What is tried again soon helps nobody: a worker that fails at the start is tried again after this.
const RESTART_PAUSE_SECS: u32 = 10;

/// Who keeps services running here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ManagerKind {
    /// Linux.
    Systemd,
    /// macOS.
    Launchd,
}

impl ManagerKind {
    /// This system's own.
    pub(crate) const fn of_this_system() -> Self {
        if cfg!(target_os = "macos") {
            Self::Launchd
        } else {
            Self::Systemd
        }
    }
}

/// Whose service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// The user's own: a systemd user unit, a launch agent.
    User,
    /// The machine's, run as a user: a systemd unit, a launch daemon.
    System,
}

/// What is to be run, and as what.
#[derive(Debug, Clone)]
pub(crate) struct ServicePlan {
    /// Whose service it is.
    pub(crate) domain: Domain,
    /// Who it runs as.
    pub(crate) account: Account,
    /// This program, absolute.
    pub(crate) program: PathBuf,
    /// The worker's configuration, absolute; all secrets are in there, or in files that it names.
    pub(crate) config: PathBuf,
    /// PATH of the worker: where node and openclaw are, then the system's own folders.
    pub(crate) search_path: String,
    /// How long jobs may go on when it is told to stop.
    pub(crate) drain_grace: Duration,
    /// The folders that the worker writes to.
    pub(crate) writable: Vec<PathBuf>,
}

impl ServicePlan {
    /// How long the system is to wait before it kills.
    fn stop_limit(&self) -> Duration {
        self.drain_grace + STOP_BESIDE_DRAIN
    }
}

/// How the service is doing, as the system says.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct ServiceState {
    /// Whether the system knows it.
    pub(crate) loaded: bool,
    /// Whether its process runs.
    pub(crate) running: bool,
    /// The system's own word.
    pub(crate) state: String,
    /// Its process.
    pub(crate) pid: Option<u32>,
    /// How it ended last time.
    pub(crate) last_exit: Option<i32>,
}

/// Writes a file that others may read, in one step.
pub(crate) fn write_unit(path: &Path, text: &[u8]) -> Result<(), CliError> {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let written = || {
        let folder = path
            .parent()
            .ok_or_else(|| std::io::Error::other("it has no folder"))?;
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text)?;
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    written().map_err(|error: std::io::Error| {
        let message = format!("{} cannot be written: {error}", path.display());
        CliError::new(ErrorKind::Failed, message)
            .hint("a service of the whole machine needs root; without --system it is your own")
    })
}

/// Removes it; says whether it was there.
pub(crate) fn remove_unit(path: &Path) -> Result<bool, CliError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(CliError::new(
            ErrorKind::Failed,
            format!("{} cannot be removed: {error}", path.display()),
        )
        .hint("a service of the whole machine needs root")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker of somebody who has a home.
    pub(super) fn plan(domain: Domain) -> ServicePlan {
        ServicePlan {
            domain,
            account: Account {
                name: "creel".to_owned(),
                uid: 990,
                home: "/home/creel".into(),
            },
            // It has to be there, as systemd looks for it.
            program: "/bin/true".into(),
            config: "/home/creel/.config/creel/worker.toml".into(),
            search_path: "/opt/node/bin:/usr/bin:/bin".to_owned(),
            drain_grace: Duration::from_secs(30),
            writable: vec!["/home/creel".into(), "/srv/agents".into()],
        }
    }

    #[test]
    fn a_unit_can_be_read_by_all_and_is_there_whole() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/er/unit");
        write_unit(&path, b"one").expect("write");
        write_unit(&path, b"two").expect("write again");
        assert_eq!(std::fs::read(&path).expect("read"), b"two");
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert!(remove_unit(&path).expect("remove"));
        assert!(!remove_unit(&path).expect("nothing to remove"));
    }
}
