//! The file that says whose workspace it is.

use std::io::{self, Read};
use std::path::Path;

use cap_std::fs::Dir;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::WorkspaceError;
use super::handle::{TEMPORARY_ENDING, create_file, make_folder, open_file, open_folder};

/// Creel's own folder in a workspace.
pub(super) const FOLDER: &str = ".creel";

pub(super) const FILE: &str = "agent.json";

/// A marker has a few hundred bytes; more is no marker.
const MARKER_MAX_BYTES: u64 = 64 << 10;

/// What the system puts into folders that people look at.
const IGNORED: &[&str] = &[".DS_Store"];

/// Whose workspace it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The agent's row.
    pub agent_id: Uuid,
    /// Its project.
    pub project_id: String,
    /// Its key in the project.
    pub agent_key: String,
}

#[derive(Serialize)]
struct Marker<'a> {
    #[serde(flatten)]
    owner: &'a Owner,
    created_at: Timestamp,
}

/// What may be done with a folder that has no marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unmarked {
    /// It is marked if it is empty.
    MarkIfEmpty,
    /// It is marked as it is: a person said that it becomes ours.
    Adopt,
    /// It is somebody else's.
    Refuse,
}

/// Makes sure that the folder carries the owner's marker, and opens the folder that it lies in.
pub(super) fn claim(
    dir: &Dir,
    path: &Path,
    owner: &Owner,
    unmarked: Unmarked,
) -> Result<Dir, WorkspaceError> {
    let at = |error| WorkspaceError::at(&path.join(FOLDER), error);
    let marked = match open_folder(dir, FOLDER) {
        Ok(folder) => read(&folder).map_err(|_| WorkspaceError::NotOurs {
            path: path.to_owned(),
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(at(error)),
    };
    match marked {
        Some(marked) if marked.agent_id == owner.agent_id => {}
        Some(_) => {
            return Err(WorkspaceError::Taken {
                path: path.to_owned(),
            });
        }
        None => {
            let may_be_marked = match unmarked {
                Unmarked::MarkIfEmpty => is_blank(dir).map_err(at)?,
                Unmarked::Adopt => true,
                Unmarked::Refuse => false,
            };
            if !may_be_marked {
                return Err(WorkspaceError::NotOurs {
                    path: path.to_owned(),
                });
            }
            write(dir, owner).map_err(at)?;
        }
    }
    open_folder(dir, FOLDER).map_err(at)
}

/// Whether a folder carries a marker of Creel, whoever's it is. What cannot be looked at carries none.
pub(crate) fn is_marked(path: &Path) -> bool {
    path.is_absolute()
        && path
            .join(FOLDER)
            .join(FILE)
            .symlink_metadata()
            .is_ok_and(|found| found.is_file())
}

fn read(folder: &Dir) -> io::Result<Option<Owner>> {
    let file = match open_file(folder, FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = String::new();
    file.take(MARKER_MAX_BYTES).read_to_string(&mut text)?;
    Ok(Some(serde_json::from_str(&text)?))
}

fn write(dir: &Dir, owner: &Owner) -> io::Result<()> {
    make_folder(dir, FOLDER)?;
    let folder = open_folder(dir, FOLDER)?;
    let marker = Marker {
        owner,
        created_at: Timestamp::now(),
    };
    create_file(&folder, &folder, FILE, &serde_json::to_vec_pretty(&marker)?)?;
    Ok(())
}

/// Takes the mark away.
pub(super) fn remove(folder: &Dir) -> io::Result<()> {
    match folder.remove_file(FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether nobody's files are here: at most what a worker leaves that is killed while it writes a marker.
fn is_blank(dir: &Dir) -> io::Result<bool> {
    for entry in dir.entries()? {
        let name = entry?.file_name();
        let blank = match name.to_str() {
            Some(FOLDER) => holds_only_temporaries(&open_folder(dir, FOLDER)?)?,
            Some(name) => IGNORED.contains(&name),
            None => false,
        };
        if !blank {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds_only_temporaries(folder: &Dir) -> io::Result<bool> {
    for entry in folder.entries()? {
        if !entry?.file_name().to_string_lossy().ends_with(TEMPORARY_ENDING) {
            return Ok(false);
        }
    }
    Ok(true)
}
