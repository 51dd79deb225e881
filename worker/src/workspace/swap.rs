//! Puts another text in the place of a document, if the document is still what it was when that was decided.
//!
//! The new text is written beside it and synced, and then the two change places in one step, so that there is never half
//! a text and what was displaced is still there to be looked at: whoever wrote a moment ago, or has the file open, wrote
//! into that. It stays for a while under a name that says what it should be; when it turns out to be something else, these
//! are somebody's late words. A worker that is killed anywhere leaves at most such files.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use cap_std::fs::Dir;
use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, fchmod, openat, renameat_with, statat};
use rustix::io::Errno;
use uuid::Uuid;

use super::handle::{TEMPORARY_ENDING, open_file, sync_folder};
use super::look::{DocFile, OnDisk, Unfit, look, read};
use super::text_hash::TextHash;
use super::{Workspace, WorkspaceError};

/// The ending of what is about to change places, and of what has.
const DISPLACED: &str = ".displaced";

/// Whoever has a file open to write to it has written by then.
pub const DISPLACED_STAYS: Duration = Duration::from_secs(3);

/// A temporary file of a worker that lives is younger.
const TEMPORARY_STAYS: Duration = Duration::from_secs(3600);

/// A point on the way of a text to the disk, at which a worker may be killed and a disk may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskStep {
    /// Before anything is written.
    Begin,
    /// Half of the text is in a temporary file.
    HalfWritten,
    /// The whole text is in a temporary file.
    Written,
    /// The file has been looked at, and is about to be displaced.
    Checked,
    /// It was displaced.
    Displaced,
    /// All is on the disk.
    Synced,
    /// A displaced file is about to be removed, or to be put back.
    Settling,
}

/// What the disk may do to a writer. The usual one lets it go on.
pub trait DiskFaults: Send + Sync {
    /// The writer is at this point; an error is one of the disk.
    fn at(&self, step: DiskStep) -> io::Result<()>;
}

/// A disk that has no faults but its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl DiskFaults for NoFaults {
    fn at(&self, _step: DiskStep) -> io::Result<()> {
        Ok(())
    }
}

/// What came of a wish to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// The new text is there.
    Done,
    /// Somebody else has changed the file meanwhile: it was left as it is.
    Changed,
    /// The disk does not take it.
    Unfit(Unfit),
}

/// Words that somebody wrote into a file that had just been displaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateWords {
    /// Which document's.
    pub file: DocFile,
    /// All of the file.
    pub text: String,
    /// Where it is kept.
    kept: String,
}

/// What a displaced file should be, as its name says.
#[derive(Debug, Clone, Copy)]
struct Displaced {
    file: DocFile,
    before: TextHash,
    after: TextHash,
}

impl Displaced {
    fn name(self) -> String {
        let (file, id) = (self.file.name(), Uuid::new_v4().simple());
        format!("{file}~{}~{}~{id}{DISPLACED}", self.before, self.after)
    }

    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(DISPLACED)?.split('~');
        let file = parts.next()?;
        let named = creel_core::status::DocType::ALL
            .iter()
            .filter_map(|doc_type| doc_type.file_name())
            .find(|name| *name == file)
            .map(DocFile::Named);
        let file = match named {
            Some(file) => file,
            None => DocFile::Day(file.strip_suffix(".md")?.parse().ok()?),
        };
        Some(Self {
            file,
            before: parts.next()?.parse().ok()?,
            after: parts.next()?.parse().ok()?,
        })
    }
}

impl Workspace {
    /// Writes `text` where `before` is. The file keeps its mode.
    pub fn swap(&self, file: DocFile, before: TextHash, text: &str, faults: &dyn DiskFaults) -> Swapped {
        match self.try_swap(file, before, text, faults) {
            Ok(swapped) => swapped,
            Err(error) => {
                tracing::warn!(%error, "failed to write {} in {}: {error}", file.shown(), self.path.display());
                Swapped::Unfit(Unfit::of(&error))
            }
        }
    }

    fn try_swap(
        &self,
        file: DocFile,
        before: TextHash,
        text: &str,
        faults: &dyn DiskFaults,
    ) -> io::Result<Swapped> {
        faults.at(DiskStep::Begin)?;
        let dir = match self.doc_folder(file) {
            Err(unfit) => return Ok(Swapped::Unfit(unfit)),
            Ok(_) => self.doc_folder_or_new(file)?,
        };
        let (name, after) = (file.name(), TextHash::of(text));
        let new = Displaced { file, before, after }.name();
        self.write_new(&dir, &name, &new, text, faults)?;
        let swap = || {
            let found = look(&dir, &name, None).found;
            if let OnDisk::Unfit(unfit) = found {
                return Ok(Swapped::Unfit(unfit));
            }
            faults.at(DiskStep::Checked)?;
            match found.hash() == Some(before) && displace(&self.creel, &new, &dir, &name, before)? {
                true => Ok(Swapped::Done),
                false => Ok(Swapped::Changed),
            }
        };
        let swapped = swap();
        if !matches!(swapped, Ok(Swapped::Done)) {
            // The first error is the one to tell.
            let _left = self.creel.remove_file(&new);
            return swapped;
        }
        faults.at(DiskStep::Displaced)?;
        sync_folder(&dir)?;
        sync_folder(&self.creel)?;
        faults.at(DiskStep::Synced)?;
        swapped
    }

    /// Writes the text beside what it is to replace, all of it or nothing under that name.
    fn write_new(
        &self,
        dir: &Dir,
        name: &str,
        new: &str,
        text: &str,
        faults: &dyn DiskFaults,
    ) -> io::Result<()> {
        let temporary = format!("{}{TEMPORARY_ENDING}", Uuid::new_v4());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(
            &self.creel,
            temporary.as_str(),
            flags,
            Mode::RUSR | Mode::WUSR,
        )?);
        let mut write = || {
            let (first, rest) = text.as_bytes().split_at(text.len() / 2);
            file.write_all(first)?;
            faults.at(DiskStep::HalfWritten)?;
            file.write_all(rest)?;
            if let Ok(stat) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            {
                // Only a worker that is root may; whom it does not concern is who owns the file anyway.
                let _not_allowed = std::os::unix::fs::fchown(&file, Some(stat.st_uid), Some(stat.st_gid));
                let permissions = Mode::RWXU | Mode::RWXG | Mode::RWXO;
                fchmod(&file, Mode::from_raw_mode(stat.st_mode) & permissions)?;
            }
            file.sync_all()?;
            faults.at(DiskStep::Written)?;
            self.creel.rename(&temporary, &self.creel, new)
        };
        let written = write();
        if written.is_err() {
            // The first error is the one to tell.
            let _left = self.creel.remove_file(&temporary);
        }
        written
    }

    /// Settles what was displaced: it is removed when it has been for a while what it should be. Answers with what is
    /// somebody's late words and has no place on the disk any more, and whether something is to be looked at again.
    pub fn settle_displaced(
        &self,
        stays: Duration,
        faults: &dyn DiskFaults,
    ) -> Result<(Vec<LateWords>, bool), WorkspaceError> {
        let settle = || {
            let (mut late, mut again) = (Vec::new(), false);
            for entry in self.creel.entries()? {
                let entry = entry?.file_name();
                let Some(name) = entry.to_str() else { continue };
                if let Some(displaced) = Displaced::of(name) {
                    match self.settle_one(name, displaced, stays, faults)? {
                        Settled::Gone | Settled::Stays => {}
                        Settled::Later => again = true,
                        Settled::Late(text) => late.push(LateWords {
                            file: displaced.file,
                            text,
                            kept: name.to_owned(),
                        }),
                    }
                } else if name.ends_with(TEMPORARY_ENDING) && self.is_left(name, TEMPORARY_STAYS) {
                    self.creel.remove_file(name)?;
                }
            }
            Ok((late, again))
        };
        settle().map_err(|error| WorkspaceError::at(&self.path, error))
    }

    /// The words are kept elsewhere.
    pub fn forget_late(&self, words: &LateWords) -> Result<(), WorkspaceError> {
        self.remove_late(words)
            .map_err(|error| WorkspaceError::at(&self.path, error))
    }

    fn remove_late(&self, words: &LateWords) -> io::Result<()> {
        match self.creel.remove_file(&words.kept) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn settle_one(
        &self,
        name: &str,
        displaced: Displaced,
        stays: Duration,
        faults: &dyn DiskFaults,
    ) -> io::Result<Settled> {
        let Displaced { file, before, after } = displaced;
        // A worker was killed while the document had two names: it needs one.
        if self.is_document(name, file) {
            faults.at(DiskStep::Settling)?;
            self.creel.remove_file(name)?;
            return Ok(Settled::Gone);
        }
        let text = match open_file(&self.creel, name) {
            Ok(open) => read(&open),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Settled::Gone),
            Err(error) => return Err(error),
        };
        let hash = text.as_deref().map(TextHash::of).ok();
        if hash == Some(before) || hash == Some(after) {
            if !self.is_left(name, stays) {
                return Ok(Settled::Later);
            }
            faults.at(DiskStep::Settling)?;
            self.creel.remove_file(name)?;
            return Ok(Settled::Gone);
        }
        match text {
            Ok(text) => Ok(Settled::Late(text)),
            // What no row can hold goes back to its place, if nobody has touched the new text yet, and else stays here.
            Err(_) => Ok(match self.exchange_back(name, displaced, faults)? {
                true => Settled::Later,
                false => Settled::Stays,
            }),
        }
    }

    /// Whether this is another name of the document itself.
    fn is_document(&self, name: &str, file: DocFile) -> bool {
        let Ok(Some(dir)) = self.doc_folder(file) else {
            return false;
        };
        let scratch = statat(&self.creel, name, AtFlags::SYMLINK_NOFOLLOW);
        let place = statat(&dir, file.name().as_str(), AtFlags::SYMLINK_NOFOLLOW);
        matches!((scratch, place), (Ok(one), Ok(other)) if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
    }

    /// Puts a displaced file back into its place, if what displaced it is still there.
    fn exchange_back(&self, name: &str, displaced: Displaced, faults: &dyn DiskFaults) -> io::Result<bool> {
        let Displaced { file, after, .. } = displaced;
        let Ok(Some(dir)) = self.doc_folder(file) else {
            return Ok(false);
        };
        if look(&dir, &file.name(), None).found.hash() != Some(after) {
            return Ok(false);
        }
        faults.at(DiskStep::Settling)?;
        let is_back = displace(&self.creel, name, &dir, &file.name(), after)?;
        sync_folder(&dir)?;
        Ok(is_back)
    }

    /// The words are the row's: the file that has them is put back into its place, unless somebody has written there
    /// meanwhile.
    pub fn settle_late(&self, words: &LateWords, faults: &dyn DiskFaults) -> Result<(), WorkspaceError> {
        let settle = || match Displaced::of(&words.kept) {
            Some(displaced) if self.exchange_back(&words.kept, displaced, faults)? => Ok(()),
            _ => self.remove_late(words),
        };
        settle().map_err(|error| WorkspaceError::at(&self.path, error))
    }

    fn is_left(&self, name: &str, stays: Duration) -> bool {
        let Ok(stat) = statat(&self.creel, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return false;
        };
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        let since = Timestamp::new(stat.st_ctime as i64, stat.st_ctime_nsec as i32).unwrap_or_default();
        let age = Timestamp::now().duration_since(since);
        // A clock that was set back says nothing.
        age.is_negative() || age >= stays.try_into().unwrap_or_default()
    }
}

enum Settled {
    Gone,
    Later,
    Stays,
    Late(String),
}

/// Lets `new` in the scratch folder and the document change places. False where the document is another one by now.
fn displace(scratch: &Dir, new: &str, dir: &Dir, name: &str, before: TextHash) -> io::Result<bool> {
    if before == TextHash::empty() {
        match renameat_with(scratch, new, dir, name, RenameFlags::NOREPLACE) {
            // An empty file is there.
            Err(Errno::EXIST) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                return match scratch.hard_link(new, dir, name) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                        replace(scratch, new, dir, name)
                    }
                    linked => linked.and_then(|()| scratch.remove_file(new)).map(|()| true),
                };
            }
            renamed => return renamed.map(|()| true).map_err(Into::into),
        }
    }
    match renameat_with(scratch, new, dir, name, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        // Network disks do not know this kind of renaming.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => replace(scratch, new, dir, name),
        Err(error) => Err(error.into()),
    }
}

/// The same in two steps: the old file gets a second name first, so that it is still there.
fn replace(scratch: &Dir, new: &str, dir: &Dir, name: &str) -> io::Result<bool> {
    let Some(displaced) = Displaced::of(new) else {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "not a name of a displaced file",
        ));
    };
    match dir.hard_link(name, scratch, displaced.name()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        linked => linked
            .and_then(|()| scratch.rename(new, dir, name))
            .map(|()| true),
    }
}
