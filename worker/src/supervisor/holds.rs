//! Which agents are not started again before a person says so: kept on the disk, as the next worker is to know it.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use uuid::Uuid;

use super::plan::Hold;

/// The file in the worker's data directory.
const FILE: &str = "held-agents.json";

/// The agents that are held.
#[derive(Debug)]
pub(super) struct Holds(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    held: Mutex<HashMap<Uuid, Hold>>,
    /// Whoever writes the file has it, so that the last one writes what is so last.
    pen: Mutex<()>,
}

impl Holds {
    /// Reads what an earlier worker left. A file that cannot be read holds nobody: at worst an agent is started once
    /// more.
    pub(super) fn read(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE);
        let held = read(&path).unwrap_or_else(|error| {
            tracing::warn!(%error, "failed to read {}, so that no agent is held: {error}", path.display());
            HashMap::new()
        });
        Self(Arc::new(Inner {
            path,
            held: Mutex::new(held),
            pen: Mutex::default(),
        }))
    }

    /// Why an agent is held.
    pub(super) fn of(&self, agent_id: Uuid) -> Option<Hold> {
        self.0.held().get(&agent_id).cloned()
    }

    /// Holds an agent, or does so no longer: at once for this worker, and soon on the disk.
    pub(super) fn set(&self, agent_id: Uuid, hold: Option<&Hold>) {
        let mut held = self.0.held();
        if held.get(&agent_id) == hold {
            return;
        }
        match hold {
            Some(hold) => held.insert(agent_id, hold.clone()),
            None => held.remove(&agent_id),
        };
        drop(held);
        let inner = Arc::clone(&self.0);
        match tokio::runtime::Handle::try_current() {
            // No task is to wait for a disk.
            Ok(runtime) => drop(runtime.spawn_blocking(move || inner.write())),
            Err(_) => inner.write(),
        }
    }
}

impl Inner {
    fn write(&self) {
        let _pen = self.pen.lock().expect("no holder of this lock panics");
        let held = self.held().clone();
        if let Err(error) = write(&self.path, &held) {
            // This worker knows it all the same.
            tracing::warn!(%error, "failed to write {}: {error}", self.path.display());
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Uuid, Hold>> {
        self.held.lock().expect("no holder of this lock panics")
    }
}

fn read(path: &Path) -> io::Result<HashMap<Uuid, Hold>> {
    match std::fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(error),
    }
}

/// Writes the whole file or nothing.
fn write(path: &Path, held: &HashMap<Uuid, Hold>) -> io::Result<()> {
    let new = path.with_extension("json.new");
    std::fs::write(&new, serde_json::to_vec_pretty(held)?)?;
    std::fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::super::plan::Why;
    use super::*;

    #[test]
    fn the_next_worker_knows_who_is_held_and_a_damaged_file_holds_nobody() {
        let folder = tempfile::tempdir().expect("make a folder");
        let agent_id = Uuid::from_u128(1);
        let hold = Hold {
            why: Why::GivenUp,
            note: "it ended".to_owned(),
        };
        Holds::read(folder.path()).set(agent_id, Some(&hold));
        let next = Holds::read(folder.path());
        assert_eq!(next.of(agent_id), Some(hold));
        next.set(agent_id, None);
        assert_eq!(Holds::read(folder.path()).of(agent_id), None);
        std::fs::write(folder.path().join(FILE), "{\"").expect("write");
        assert_eq!(Holds::read(folder.path()).of(agent_id), None);
    }
}
