//! The environment mark by which children are found again.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, kill_process};
use sha2::{Digest, Sha256};
use sysinfo::{Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
use tracing::warn;
use uuid::Uuid;

/// The variable that each child has, and that its own children inherit.
pub const MARK_VARIABLE: &str = "CREEL_MARK";

/// Enough to tell the workers of one machine apart.
const HASH_BYTES: usize = 8;

/// How long what was killed may take to go, and with it the hunt for what it started meanwhile.
const REAP_WAIT: Duration = Duration::from_secs(5);

/// How often it is looked whether anything is left; there is no event for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Which worker started a process, and in which of its lives: `<hash of the data directory>.<session>`,
/// followed by `.<run>` for each single run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    host: String,
    session: Uuid,
}

impl Mark {
    /// The mark of the worker with this data directory and session.
    pub fn new(data_dir: &Path, session: Uuid) -> Self {
        let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
        let hash = Sha256::digest(data_dir.as_os_str().as_bytes());
        Self {
            host: hex::encode(&hash[..HASH_BYTES]),
            session,
        }
    }

    /// The value for one run.
    pub(super) fn of_run(&self, run: Uuid) -> String {
        format!("{self}.{run}")
    }

    /// The name of the service of this worker that a mark stands for, if it is one's.
    pub(super) fn service_name(&self, value: &[u8]) -> Option<String> {
        let name = value.strip_prefix(format!("{}.{SERVICE}.", self.host).as_bytes())?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    fn is_of_earlier_session(&self, value: &[u8]) -> bool {
        let begins = |beginning: String| value.starts_with(beginning.as_bytes());
        begins(format!("{}.", self.host))
            && !begins(self.to_string())
            // A service outlives every session.
            && !begins(format!("{}.{SERVICE}.", self.host))
    }
}

/// Stands in a mark where the session stands else.
const SERVICE: &str = "service";

/// What a service is found by: `<hash of the data directory>.service.<name>`. What it starts inherits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceMark(String);

impl ServiceMark {
    pub(super) fn new(mark: &Mark, name: &str) -> Self {
        Self(format!("{}.{SERVICE}.{name}", mark.host))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.host, self.session)
    }
}

/// Kills what earlier sessions of this worker left running, and says how many processes that were.
///
/// Only for a worker that holds its data directory's lock file, so that those sessions are known to be
/// dead. It kills without asking: nobody is left who could use what these processes still do.
pub async fn reap_marked(mark: &Mark) -> usize {
    let mark = mark.clone();
    reap(move |value| mark.is_of_earlier_session(value)).await
}

/// Kills what a service left behind.
pub(crate) async fn reap_service(mark: &ServiceMark) -> usize {
    let mark = mark.clone();
    reap(move |value| value == mark.0.as_bytes()).await
}

/// The process that was started as this service: the oldest that leads its own group and has this word in its
/// command line. What an earlier one left behind has the same mark, and may lead a group of its own, too.
pub(super) fn find_leader(mark: &ServiceMark, word: &str) -> Option<u32> {
    let system = processes_with_environ(ProcessesToUpdate::All)?;
    let is_it = |process: &Process| {
        let mut words = process.cmd().iter();
        words.any(|said| said.to_string_lossy().contains(word))
    };
    let leads = |pid: u32| {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        Some(getpgid(Some(pid)).ok()? == pid)
    };
    system
        .processes()
        .values()
        .filter(|process| carries(process, |value| value == mark.0.as_bytes()) && is_it(process))
        .map(|process| (process.start_time(), process.pid().as_u32()))
        .filter(|&(_, pid)| leads(pid) == Some(true))
        .min()
        .map(|(_, pid)| pid)
}

/// Whether there is such a process, and it is the service's.
pub(super) fn is_marked(pid: u32, mark: &ServiceMark) -> bool {
    let pid = sysinfo::Pid::from_u32(pid);
    let system = processes_with_environ(ProcessesToUpdate::Some(&[pid]));
    system.is_some_and(|system| {
        let process = system.process(pid);
        process.is_some_and(|process| carries(process, |value| value == mark.0.as_bytes()))
    })
}

/// When a process was started.
pub(super) fn started_secs(pid: u32) -> Option<u64> {
    let pid = sysinfo::Pid::from_u32(pid);
    let system = processes_with_environ(ProcessesToUpdate::Some(&[pid]))?;
    Some(system.process(pid)?.start_time())
}

/// Kills what a run left outside its process group.
pub(super) async fn reap_run(mark: String) -> usize {
    reap(move |value| value == mark.as_bytes()).await
}

/// Kills what has a mark that matches, until nothing of it is left.
async fn reap(matches: impl Fn(&[u8]) -> bool + Clone + Send + 'static) -> usize {
    let mut killed = std::collections::BTreeSet::new();
    let hunt = async {
        loop {
            let matches = matches.clone();
            let left = tokio::task::spawn_blocking(move || kill_once(matches))
                .await
                .unwrap_or_default();
            if left.is_empty() {
                return;
            }
            killed.extend(left);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(REAP_WAIT, hunt).await.is_err() {
        warn!(processes = ?killed, "some of these killed processes are still there");
    }
    killed.len()
}

/// Kills what matches now, and says what that was.
fn kill_once(matches: impl Fn(&[u8]) -> bool) -> Vec<u32> {
    let Some(system) = processes_with_environ(ProcessesToUpdate::All) else {
        return Vec::new();
    };
    let marked = system
        .processes()
        .values()
        .filter(|process| carries(process, &matches));
    let own = std::process::id();
    let pids: Vec<u32> = marked
        .map(|process| process.pid().as_u32())
        .filter(|&pid| pid != own)
        .collect();
    for pid in pids
        .iter()
        .filter_map(|&pid| Pid::from_raw(i32::try_from(pid).ok()?))
    {
        // It may be gone already.
        let _gone = kill_process(pid, Signal::KILL);
    }
    pids
}

fn processes_with_environ(which: ProcessesToUpdate<'_>) -> Option<System> {
    let mut system = System::new()
        .inspect_err(|error| warn!(%error, "failed to list the processes of this machine: {error}"))
        .ok()?;
    let environ = ProcessRefreshKind::nothing()
        .with_environ(UpdateKind::Always)
        .with_cmd(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(which, true, environ);
    Some(system)
}

/// Whether a process has a mark that matches. A zombie has no environment any more, and is somebody else's to
/// wait for.
fn carries(process: &Process, matches: impl Fn(&[u8]) -> bool) -> bool {
    let environ = process.environ().iter();
    environ.filter_map(|entry| value_of_mark(entry)).any(matches)
}

/// The mark of a process, whoever's it is.
pub(super) fn mark_of(process: &Process) -> Option<&[u8]> {
    process.environ().iter().find_map(|entry| value_of_mark(entry))
}

fn value_of_mark(entry: &OsStr) -> Option<&[u8]> {
    entry
        .as_bytes()
        .strip_prefix(MARK_VARIABLE.as_bytes())?
        .strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_earlier_sessions_of_the_same_data_directory_match() {
        let (here, there) = (Path::new("/var/lib/creel-a"), Path::new("/var/lib/creel-b"));
        let now = Mark::new(here, Uuid::from_u128(1));
        let value = |mark: Mark| mark.of_run(Uuid::from_u128(9)).into_bytes();
        assert!(now.is_of_earlier_session(&value(Mark::new(here, Uuid::from_u128(2)))));
        assert!(!now.is_of_earlier_session(&value(now.clone())));
        assert!(!now.is_of_earlier_session(&value(Mark::new(there, Uuid::from_u128(2)))));
        let service = now.of_service("gateway");
        assert_eq!(service, Mark::new(here, Uuid::from_u128(2)).of_service("gateway"));
        assert!(!now.is_of_earlier_session(service.as_str().as_bytes()));
    }
}
