//! What a restart has come to, kept on the disk: without it a worker that is killed after the start would stop and start
//! the agent again.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The folder in the worker's data directory, with a file for each agent.
const FOLDER: &str = "restarts";

/// How far a restart has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartNote {
    /// Which command it is.
    pub command_id: Uuid,
    /// The process that ran before.
    pub pid: Option<u32>,
    /// Whether that was stopped.
    pub is_stopped: bool,
}

/// The notes of a host's restarts.
#[derive(Debug, Clone)]
pub(super) struct RestartNotes {
    folder: PathBuf,
}

impl RestartNotes {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join(FOLDER),
        }
    }

    /// How far this command has come. What cannot be read is none: at worst the agent is restarted once more.
    pub(super) fn read(&self, agent_id: Uuid, command_id: Uuid) -> Option<RestartNote> {
        let text = std::fs::read(self.path(agent_id)).ok()?;
        let note: RestartNote = serde_json::from_slice(&text).ok()?;
        (note.command_id == command_id).then_some(note)
    }

    /// Writes the whole note or nothing.
    pub(super) fn write(&self, agent_id: Uuid, note: &RestartNote) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.path(agent_id);
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(note)?)?;
        std::fs::rename(new, path)
    }

    /// Nothing of the agent is under way any more.
    pub(super) fn remove(&self, agent_id: Uuid) {
        match std::fs::remove_file(self.path(agent_id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let path = self.path(agent_id);
                tracing::warn!(%error, "failed to remove {}: {error}", path.display());
            }
            _ => {}
        }
    }

    fn path(&self, agent_id: Uuid) -> PathBuf {
        self.folder.join(format!("{agent_id}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_of_one_command_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().expect("make a folder");
        let notes = RestartNotes::new(folder.path());
        let [agent_id, command_id] = [1, 2].map(Uuid::from_u128);
        let note = RestartNote {
            command_id,
            pid: Some(7),
            is_stopped: false,
        };
        assert_eq!(notes.read(agent_id, command_id), None);
        notes.write(agent_id, &note).expect("write");
        assert_eq!(notes.read(agent_id, command_id), Some(note));
        assert_eq!(notes.read(agent_id, Uuid::nil()), None);
        std::fs::write(notes.path(agent_id), "{").expect("write");
        assert_eq!(notes.read(agent_id, command_id), None);
        notes.remove(agent_id);
        notes.remove(agent_id);
    }
}
