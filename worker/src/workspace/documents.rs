//! Reads an agent's documents back from the disk.

use std::io::{ErrorKind, Read};

use creel_core::host_api::Doc;
use creel_core::status::DocType;
use serde::Serialize;

use super::handle::open_file;
use super::{Workspace, WorkspaceError};

/// What a row may hold; OpenClaw reads a fiftieth of it.
pub const DOCUMENT_MAX_BYTES: u64 = 1 << 20;

/// The documents of a workspace.
#[derive(Debug, Default)]
pub struct Documents {
    /// What a row can hold.
    pub docs: Vec<Doc>,
    /// What no row can hold.
    pub skipped: Vec<Skipped>,
}

/// A file that no row can hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub file: &'static str,
    /// Why.
    pub reason: &'static str,
}

impl Workspace {
    /// The documents that are there, but for the day's memory.
    pub fn documents(&self) -> Result<Documents, WorkspaceError> {
        let mut documents = Documents::default();
        for &doc_type in DocType::ALL {
            let Some(file) = doc_type.file_name() else {
                continue;
            };
            match self.document(file)? {
                Some(Ok(content)) => documents.docs.push(Doc { doc_type, content }),
                Some(Err(reason)) => documents.skipped.push(Skipped { file, reason }),
                None => {}
            }
        }
        Ok(documents)
    }

    fn document(&self, name: &str) -> Result<Option<Result<String, &'static str>>, WorkspaceError> {
        let at = |error| WorkspaceError::at(&self.path.join(name), error);
        let file = match open_file(&self.dir, name) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return Ok(Some(Err("it is no regular file")));
            }
            Err(error) => return Err(at(error)),
        };
        let mut bytes = Vec::new();
        let size_bytes = file
            .take(DOCUMENT_MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(at)?;
        Ok(Some(match String::from_utf8(bytes) {
            _ if size_bytes as u64 > DOCUMENT_MAX_BYTES => Err("it is larger than 1 MB"),
            Err(_) => Err("it is not UTF-8"),
            // Postgres knows no such character.
            Ok(text) if text.contains('\0') => Err("it has a NUL character"),
            Ok(text) => Ok(text),
        }))
    }
}
