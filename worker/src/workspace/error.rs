//! What can go wrong with a workspace.

use std::io;
use std::path::{Path, PathBuf};

/// Why a workspace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// Its marker names another agent.
    #[error("the workspace {} belongs to another agent", .path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// It has files, and no marker that can be read.
    #[error("the workspace {} has files that Creel did not put there", .path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// There is no such folder, and none is to be made.
    #[error("there is no folder {}", .path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// There is something else where the folder should be.
    #[error("{} is {found}, where a folder is needed", .path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// There is something else where a file should be.
    #[error("{} is {found}, where a file is needed", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// The disk is full, or the quota is used up.
    #[error("the disk of {} is full", .path.display())]
    Full {
        /// What was to be written.
        path: PathBuf,
    },
    /// The disk cannot be written to.
    #[error("the disk of {} is read-only", .path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
    },
    /// The worker's user may not do this.
    #[error("the worker's user has no right to use {}", .path.display())]
    Denied {
        /// The path.
        path: PathBuf,
    },
    /// Something else.
    #[error("cannot use {}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl WorkspaceError {
    /// Sorts what the system says about a path.
    pub(super) fn at(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            io::ErrorKind::NotADirectory => Self::NotAFolder {
                path,
                found: "something else",
            },
            _ => Self::Io { path, source },
        }
    }
}
