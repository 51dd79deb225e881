//! Keeps `agents add` from changing an `IDENTITY.md` that is there: it writes the id into its name line.

use std::io::{self, Read};

use creel_core::status::DocType;

use super::documents::DOCUMENT_MAX_BYTES;
use super::handle::{create_file, open_file, replace_file};
use super::{Workspace, WorkspaceError};

/// The copy that is kept while OpenClaw registers the agent. It outlives a killed worker.
pub(super) const KEPT: &str = "IDENTITY.md.kept";

pub(super) const IDENTITY: &str = match DocType::Identity.file_name() {
    Some(name) => name,
    None => panic!("the identity is a file"),
};

impl Workspace {
    /// Keeps a copy of `IDENTITY.md`; an earlier copy stays, as the file may have been changed since.
    pub fn keep_identity(&self) -> Result<(), WorkspaceError> {
        let keep = || match read(&self.dir, IDENTITY)? {
            Some(content) => create_file(&self.creel, &self.creel, KEPT, &content).map(drop),
            None => Ok(()),
        };
        keep().map_err(|error| WorkspaceError::at(&self.path.join(IDENTITY), error))
    }

    /// Puts `IDENTITY.md` back as it was, and forgets the copy. If more than the name was changed, somebody
    /// else has written meanwhile, and it stays.
    pub fn restore_identity(&self) -> Result<(), WorkspaceError> {
        let restore = || {
            let Some(kept) = read(&self.creel, KEPT)? else {
                return Ok(());
            };
            let now = read(&self.dir, IDENTITY)?;
            if now.is_some_and(|now| now != kept && without_name(&now) == without_name(&kept)) {
                replace_file(&self.dir, &self.creel, IDENTITY, &kept)?;
            }
            self.creel.remove_file(KEPT)
        };
        restore().map_err(|error| WorkspaceError::at(&self.path.join(IDENTITY), error))
    }
}

/// The lines that OpenClaw does not write: neither empty nor `- Name: …`, bold or not.
fn without_name(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let is_name = |line: &str| {
        let label = line
            .trim_start_matches(['-', '*', ' '])
            .split(':')
            .next()
            .unwrap_or_default();
        label.trim_matches(['*', ' ']).eq_ignore_ascii_case("name")
    };
    let kept = |line: &&str| !line.is_empty() && !is_name(line);
    text.lines()
        .map(str::trim)
        .filter(kept)
        .map(ToOwned::to_owned)
        .collect()
}

fn read(dir: &cap_std::fs::Dir, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match open_file(dir, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut content = Vec::new();
    let size_bytes = file.take(DOCUMENT_MAX_BYTES + 1).read_to_end(&mut content)?;
    if size_bytes as u64 > DOCUMENT_MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 1 MB"));
    }
    Ok(Some(content))
}
