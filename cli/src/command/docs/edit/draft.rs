//! The file that the editor opens. It is in the person's state directory and stays there until its text is on the page:
//! neither a died editor nor a died creel loses a word of it.

use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use creel_core::host_api::DOC_MAX_BYTES;
use creel_core::status::DocType;
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use super::super::names::{file_name_of, folder_of};
use super::super::target::Target;
use crate::env_file::write_private;
use crate::error::{CliError, ErrorKind};

/// Folders are for their owner alone: the texts in them are.
const FOLDER_MODE: u32 = 0o700;

/// What the text of a draft began as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    /// The version; 0 where there was none.
    pub(super) version: i64,
    /// Its text.
    pub(super) content: String,
    /// How long the marks of a conflict in the draft are, if it was opened with one.
    pub(super) marks: Option<usize>,
}

/// The draft of one document; there is one at a time.
pub(super) struct Draft {
    folder: PathBuf,
    name: &'static str,
    /// Released with the file, also by a killed process.
    _lock: File,
}

impl Draft {
    /// Takes the one draft of a document.
    pub(super) fn open(url: &str, target: &Target) -> anyhow::Result<Self> {
        let folders = etcetera::base_strategy::Xdg::new().context("find the home directory")?;
        let state_dir = folders.state_dir().context("find the state directory")?;
        Self::open_in(&state_dir.join("creel/edits"), url, target)
    }

    fn open_in(edits: &Path, url: &str, target: &Target) -> anyhow::Result<Self> {
        let folder = edits
            .join(file_name_of(url))
            .join(file_name_of(&target.project))
            .join(folder_of(&target.agent_key))
            .join(target.doc_type.as_str());
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(FOLDER_MODE).create(&folder);
        made.with_context(|| format!("make {}", folder.display()))?;
        let lock = File::open(&folder).with_context(|| format!("open {}", folder.display()))?;
        if lock.try_lock().is_err() {
            return Err(CliError::new(
                ErrorKind::Failed,
                format!("{} is being edited already", target.name()),
            )
            .code("editing")
            .hint("another creel docs edit of it runs; end that one first")
            .into());
        }
        Ok(Self {
            folder,
            name: match target.doc_type {
                DocType::MemoryToday => "memory_today.md",
                other => other.file_name().unwrap_or("text.md"),
            },
            _lock: lock,
        })
    }

    /// The file.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    fn base_path(&self) -> PathBuf {
        self.folder.join("base.json")
    }

    /// What an edit before this one left: its base, and whether its text says something else than that. What has no
    /// base any more is put aside.
    pub(super) fn left_over(&self) -> anyhow::Result<Option<Base>> {
        if !self.path().exists() {
            return Ok(None);
        }
        let base = std::fs::read_to_string(self.base_path()).ok();
        let base: Option<Base> = base.and_then(|text| serde_json::from_str(&text).ok());
        let Some(base) = base else {
            self.set_aside()?;
            return Ok(None);
        };
        let is_untouched = std::fs::read(self.path()).is_ok_and(|text| text == base.content.as_bytes());
        Ok((!is_untouched).then_some(base))
    }

    /// Writes the text that is to be edited, and what it is based on.
    pub(super) fn begin(&self, base: &Base, text: &str) -> anyhow::Result<()> {
        // A base without a text is nothing; a text without a base would be a riddle.
        write_private(&self.base_path(), &serde_json::to_string(base)?)?;
        write_private(&self.path(), text)
    }

    /// The text as it is now, if it is one that a document can have.
    pub(super) fn read(&self) -> Result<String, CliError> {
        let path = self.path();
        let unusable = |why: &str, hint: &str| {
            CliError::new(ErrorKind::Failed, format!("{}: {why}", path.display()))
                .code("text")
                .hint(hint)
        };
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(DOC_MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| {
                unusable(
                    &format!("it cannot be read: {error}"),
                    "was it saved under another name?",
                )
            })?;
        check_text(bytes)
            .map_err(|why| unusable(&why, "it is kept; make it fit, and run the same command again"))
    }

    /// Keeps the draft under another name, and says under which.
    pub(super) fn set_aside(&self) -> anyhow::Result<PathBuf> {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.6fZ");
        let kept = self.folder.join(format!("{}.kept-{now}", self.name));
        std::fs::rename(self.path(), &kept).with_context(|| format!("keep {}", kept.display()))?;
        Ok(kept)
    }

    /// Its text is on the page, or nobody wrote any.
    pub(super) fn remove(&self) {
        for path in [self.path(), self.base_path()] {
            let _gone_already = std::fs::remove_file(path);
        }
    }
}

/// A text that a document can have.
pub(super) fn check_text(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() > DOC_MAX_BYTES {
        return Err(format!("it is larger than {} KB", DOC_MAX_BYTES / 1024));
    }
    if bytes.contains(&0) {
        return Err("it has a NUL byte".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            project: "../p".to_owned(),
            agent_key: "agent:scout:main".to_owned(),
            doc_type: DocType::Soul,
        }
    }

    fn base(content: &str) -> Base {
        Base {
            version: 3,
            content: content.to_owned(),
            marks: None,
        }
    }

    #[test]
    fn what_a_died_edit_left_is_found_again() {
        let home = tempfile::tempdir().expect("a folder");
        let open = || Draft::open_in(home.path(), "https://x", &target());
        let draft = open().expect("a draft");
        assert!(open().is_err(), "two at a time");
        assert_eq!(draft.left_over().expect("looked"), None);
        draft.begin(&base("old\n"), "old\n").expect("written");
        assert!(draft.path().starts_with(home.path()));
        drop(draft);
        let draft = open().expect("it is free again");
        assert_eq!(draft.left_over().expect("looked"), None, "nobody wrote anything");
        std::fs::write(draft.path(), "new\n").expect("an editor");
        assert_eq!(draft.left_over().expect("looked"), Some(base("old\n")));
        std::fs::write(draft.base_path(), "{").expect("damaged");
        assert_eq!(draft.left_over().expect("looked"), None);
        let kept = std::fs::read_dir(&draft.folder).expect("a listing").any(|entry| {
            let path = entry.expect("an entry").path();
            std::fs::read_to_string(path).is_ok_and(|text| text == "new\n")
        });
        assert!(kept, "a text without a base is kept all the same");
    }

    #[test]
    fn texts_that_no_document_can_have_are_told() {
        let home = tempfile::tempdir().expect("a folder");
        let draft = Draft::open_in(home.path(), "https://x", &target()).expect("a draft");
        for (bytes, word) in [
            (vec![b'x'; DOC_MAX_BYTES + 1], "larger"),
            (b"a\0b".to_vec(), "NUL"),
            (b"\xff".to_vec(), "UTF-8"),
        ] {
            std::fs::write(draft.path(), bytes).expect("an editor");
            let refusal = draft.read().expect_err(word);
            assert!(refusal.message.contains(word), "{refusal}");
        }
        std::fs::write(draft.path(), vec![b'x'; DOC_MAX_BYTES]).expect("an editor");
        assert_eq!(draft.read().expect("it fits").len(), DOC_MAX_BYTES);
    }
}
