//! One worker a host: who holds the lock file knows that all its earlier selves are dead.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::exit::Fatal;

/// The name of the lock file in the data directory.
const FILE_NAME: &str = "worker.lock";

/// A child that a killed worker was just starting shares the lock until it becomes another program, which
/// takes milliseconds, or longer on a busy machine.
const INHERITED_LIMIT: Duration = Duration::from_secs(2);

/// How often the lock is tried in that time.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// The lock; it ends with the process, however that ends, or when the worker inside it has ended.
///
/// By then all work on the disk is over, or was waited for as long as a worker's end allows. What a disk still
/// holds up is one step that can be done twice, and it ends with the process: so a program is to end soon
/// after its worker (see [`crate::run()`]).
#[derive(Debug)]
pub(crate) struct HostLock {
    _file: File,
}

impl HostLock {
    /// Takes the lock, or says who has it.
    pub(crate) async fn take(data_dir: &Path) -> anyhow::Result<Self> {
        let tries = async {
            loop {
                match Self::try_take(data_dir) {
                    Err(error) if is_held(&error) => tokio::time::sleep(TRY_EVERY).await,
                    settled => return settled,
                }
            }
        };
        match tokio::time::timeout(INHERITED_LIMIT, tries).await {
            Ok(settled) => settled,
            Err(_) => Self::try_take(data_dir),
        }
    }

    fn try_take(data_dir: &Path) -> anyhow::Result<Self> {
        let shown = data_dir.display();
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("make the data directory {shown} (data_dir)"))?;
        let path = data_dir.join(FILE_NAME);
        // Not truncated: until it is locked the text is another worker's.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("open the lock file {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let read = file.read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
                let pid = if read {
                    pid.trim().to_owned()
                } else {
                    "unknown".to_owned()
                };
                return Err(Fatal::AlreadyRunning { pid, lock: path }.into());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error)
                    .with_context(|| format!("lock {}: data_dir must be on a local disk", path.display()));
            }
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .with_context(|| format!("write the lock file {}", path.display()))?;
        Ok(Self { _file: file })
    }
}

/// The process of the worker that runs with this data directory; none when none does.
pub fn running_worker(data_dir: &Path) -> std::io::Result<Option<u32>> {
    let mut file = match File::open(data_dir.join(FILE_NAME)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    // A worker that starts just now tries for longer than this is held.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid)?;
            Ok(pid.trim().parse().ok())
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_held(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Fatal::AlreadyRunning { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_a_killed_worker_s_child_still_shares_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let killed = HostLock::take(folder.path()).await.expect("the first");
        let shared = killed._file.try_clone().expect("share it");
        drop(killed);
        let child = async {
            tokio::time::sleep(INHERITED_LIMIT / 2).await;
            drop(shared);
        };
        let (second, ()) = tokio::join!(HostLock::take(folder.path()), child);
        second.expect("the lock comes free");
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_worker_is_told_which_process_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = folder.path().join("new");
        let first = HostLock::take(&data_dir).await.expect("the first");
        let said = HostLock::take(&data_dir).await.expect_err("refused").to_string();
        assert!(said.contains(&std::process::id().to_string()), "{said}");
        let running = || running_worker(&data_dir).expect("look");
        assert_eq!(running(), Some(std::process::id()));
        drop(first);
        assert_eq!(running(), None);
        HostLock::take(&data_dir).await.expect("free again");
    }
}
