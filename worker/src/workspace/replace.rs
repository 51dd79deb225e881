//! Puts other words in the place of an agent's documents. What was there is kept beside them: nobody's words are
//! lost, not even those that the agent wrote a moment ago.

use std::io::{self, Read};

use creel_core::host_api::Doc;
use jiff::Timestamp;

use super::documents::DOCUMENT_MAX_BYTES;
use super::handle::{create_file, open_file, replace_file};
use super::{Workspace, WorkspaceError};

/// The ending of what was replaced.
const REPLACED: &str = ".replaced";

/// How many earlier versions of a document are kept here; the database has its own.
const REPLACED_MAX: usize = 10;

impl Workspace {
    /// Writes a document, if it says something and something else than what is there. Answers whether it did. The
    /// day's memory has no file of its own.
    pub fn replace_document(&self, doc: &Doc) -> Result<bool, WorkspaceError> {
        let Some(name) = doc.doc_type.file_name() else {
            return Ok(false);
        };
        let at = |error| WorkspaceError::at(&self.path.join(name), error);
        let there = self.read_document(name).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => WorkspaceError::NotAFile {
                path: self.path.join(name),
                found: "no regular file",
            },
            _ => at(error),
        })?;
        if doc.content.trim().is_empty() || there.as_deref() == Some(doc.content.as_bytes()) {
            return Ok(false);
        }
        if let Some(there) = there {
            self.keep_replaced(name, &there).map_err(at)?;
        }
        replace_file(&self.dir, &self.creel, name, doc.content.as_bytes()).map_err(at)?;
        Ok(true)
    }

    fn read_document(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match open_file(&self.dir, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut content = Vec::new();
        let size_bytes = file.take(DOCUMENT_MAX_BYTES + 1).read_to_end(&mut content)?;
        match size_bytes as u64 > DOCUMENT_MAX_BYTES {
            true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 1 MB")),
            false => Ok(Some(content)),
        }
    }

    fn keep_replaced(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%.6fZ");
        create_file(
            &self.creel,
            &self.creel,
            &format!("{name}.{now}{REPLACED}"),
            content,
        )?;
        let mut kept = Vec::new();
        for entry in self.creel.entries()? {
            let found = entry?.file_name().to_string_lossy().into_owned();
            if found.starts_with(&format!("{name}.")) && found.ends_with(REPLACED) {
                kept.push(found);
            }
        }
        kept.sort_unstable();
        let too_many = kept.len().saturating_sub(REPLACED_MAX);
        for name in &kept[..too_many] {
            self.creel.remove_file(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use creel_core::id::AgentId;
    use creel_core::status::DocType;
    use uuid::Uuid;

    use super::*;
    use crate::workspace::Owner;

    #[test]
    fn other_words_are_written_and_the_old_ones_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let owner = Owner {
            agent_id: Uuid::from_u128(1),
            project_id: "p".to_owned(),
            agent_key: "agent:scout:main".to_owned(),
        };
        let id = AgentId::parse("scout").expect("an id");
        let workspace = Workspace::open(folder.path(), &id, &owner).expect("it is made");
        let replace = |content: &str| {
            let doc = Doc {
                doc_type: DocType::Soul,
                content: content.to_owned(),
            };
            workspace.replace_document(&doc).expect("it is written")
        };
        let text = || std::fs::read_to_string(workspace.path().join("SOUL.md")).expect("read");
        assert!(replace("first") && !replace("first"));
        assert!(replace("second") && !replace("  \n"));
        assert_eq!(text(), "second");
        for n in 0..20 {
            assert!(replace(&format!("words {n}")));
        }
        let kept: Vec<String> = std::fs::read_dir(workspace.path().join(".creel"))
            .expect("a listing")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "replaced"))
            .map(|path| std::fs::read_to_string(path).expect("read"))
            .collect();
        assert_eq!(kept.len(), REPLACED_MAX);
        assert!(kept.contains(&"words 18".to_owned()), "{kept:?}");
        std::fs::remove_file(workspace.path().join("SOUL.md")).expect("remove");
        std::os::unix::fs::symlink("/etc/hostname", workspace.path().join("SOUL.md")).expect("link");
        let doc = Doc {
            doc_type: DocType::Soul,
            content: "mine".to_owned(),
        };
        let refused = workspace.replace_document(&doc);
        assert!(
            matches!(refused, Err(WorkspaceError::NotAFile { .. })),
            "{refused:?}"
        );
    }
}
