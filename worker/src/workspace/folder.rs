//! An agent's folder.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use creel_core::id::AgentId;

use super::handle::{TEMPORARY_ENDING, make_folder, open_folder};
use super::marker::{self, Unmarked};
use super::seed::Found;
use super::{Owner, WorkspaceError};

/// An agent's folder, open, and marked as its own.
#[derive(Debug)]
pub struct Workspace {
    pub(super) dir: Dir,
    pub(super) creel: Dir,
    pub(super) path: PathBuf,
}

impl Workspace {
    /// Opens an agent's folder beneath the workspace root; makes and marks it if it is not there. The root
    /// itself may be a symbolic link.
    pub fn open(root: &Path, id: &AgentId, owner: &Owner) -> Result<Self, WorkspaceError> {
        let at_root = |error| WorkspaceError::at(root, error);
        if !root.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(root)
                .map_err(at_root)?;
        }
        let root_path = root.canonicalize().map_err(at_root)?;
        let root_dir = Dir::open_ambient_dir(&root_path, ambient_authority()).map_err(at_root)?;
        make_folder(&root_dir, id.as_str())
            .map_err(|error| WorkspaceError::at(&root_path.join(id.as_str()), error))?;
        Self::enter(&root_dir, &root_path, id.as_str(), owner, Unmarked::MarkIfEmpty)
    }

    /// Takes over a folder as it is: it only gets the mark. The way to it may have symbolic links, it itself may
    /// be none.
    pub fn adopt(path: &Path, owner: &Owner) -> Result<Self, WorkspaceError> {
        Self::enter_at(path, owner, Unmarked::Adopt)
    }

    /// Opens a folder that carries the owner's mark already.
    pub fn reopen(path: &Path, owner: &Owner) -> Result<Self, WorkspaceError> {
        Self::enter_at(path, owner, Unmarked::Refuse)
    }

    /// Takes the owner's mark, and nothing else, from a folder that was adopted: whoever has it may have it adopted again.
    pub fn give_back(path: &Path, owner: &Owner) -> Result<(), WorkspaceError> {
        let workspace = match Self::reopen(path, owner) {
            Err(WorkspaceError::Missing { .. } | WorkspaceError::NotOurs { .. }) => return Ok(()),
            opened => opened?,
        };
        let removed = marker::remove(&workspace.creel);
        removed.map_err(|error| WorkspaceError::at(path, error))
    }

    fn enter_at(path: &Path, owner: &Owner, unmarked: Unmarked) -> Result<Self, WorkspaceError> {
        let missing = || WorkspaceError::Missing {
            path: path.to_owned(),
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Err(missing());
        };
        // A relative one would be looked for where the worker stands, which is not where OpenClaw does.
        if !path.is_absolute() {
            return Err(missing());
        }
        let there = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => WorkspaceError::at(path, error),
        };
        let parent = parent.canonicalize().map_err(there)?;
        let parent_dir = Dir::open_ambient_dir(&parent, ambient_authority()).map_err(there)?;
        if found(&parent_dir, name).is_none() {
            return Err(missing());
        }
        Self::enter(&parent_dir, &parent, name, owner, unmarked)
    }

    fn enter(
        parent: &Dir,
        parent_path: &Path,
        name: &str,
        owner: &Owner,
        unmarked: Unmarked,
    ) -> Result<Self, WorkspaceError> {
        let path = parent_path.join(name);
        let dir = open_folder(parent, name).map_err(|error| match found(parent, name) {
            Some(Found::Folder) | None => WorkspaceError::at(&path, error),
            Some(found) => WorkspaceError::NotAFolder {
                path: path.clone(),
                found: found.as_str(),
            },
        })?;
        let creel = marker::claim(&dir, &path, owner, unmarked)?;
        Ok(Self { dir, creel, path })
    }

    /// Its path, absolute and without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a path leads to this folder.
    pub fn is_at(&self, path: &Path) -> bool {
        path == self.path || path.canonicalize().is_ok_and(|path| path == self.path)
    }

    /// What it has, by name.
    pub fn listing(&self) -> Result<BTreeMap<String, Found>, WorkspaceError> {
        let at = |error| WorkspaceError::at(&self.path, error);
        let entries = self.dir.entries().map_err(at)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names = names.collect::<std::io::Result<Vec<_>>>().map_err(at)?;
        Ok(names
            .into_iter()
            .filter_map(|name| Some((name.clone(), found(&self.dir, &name)?)))
            .collect())
    }

    /// Removes what a killed worker did not write to the end.
    pub(super) fn remove_temporaries(&self) -> std::io::Result<()> {
        for entry in self.creel.entries()? {
            let name = entry?.file_name();
            if name.to_string_lossy().ends_with(TEMPORARY_ENDING) {
                self.creel.remove_file(&name)?;
            }
        }
        Ok(())
    }
}

/// What a name stands for; nothing if it is not there.
fn found(dir: &Dir, name: &str) -> Option<Found> {
    let kind = dir.symlink_metadata(name).ok()?.file_type();
    Some(if kind.is_file() {
        Found::File
    } else if kind.is_dir() {
        Found::Folder
    } else if kind.is_symlink() {
        Found::SymbolicLink
    } else {
        Found::Special
    })
}
