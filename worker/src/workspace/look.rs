//! Looks at a document on the disk, whatever is in its place: nothing is followed, nothing hangs, and nothing but a
//! plain text of the agent's own is read.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use cap_std::fs::Dir;
use creel_core::status::DocType;
use jiff::Timestamp;
use jiff::civil::Date;
use rustix::fs::{AtFlags, FileType, Stat, fstat, statat};
use rustix::io::Errno;

use super::documents::DOCUMENT_MAX_BYTES;
use super::handle::{make_folder, open_file, open_folder};
use super::marker::FILE as MARKER;
use super::protect::{IDENTITY, KEPT};
use super::seed::MEMORY_FOLDER;
use super::text_hash::TextHash;
use super::{Workspace, WorkspaceError};

/// What was written within the granularity of a disk's clock after it was read looks unchanged: 10 ms on most, 2 s on
/// the worst. What is younger is read again.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// A workspace that was made again gets its documents within seconds.
const NEW_FOR: Duration = Duration::from_secs(600);

/// How many files of the days between are looked at.
const DAYS_MAX: usize = 400;

/// A document's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocFile {
    /// In the folder itself.
    Named(&'static str),
    /// The memory of a day, in a folder of its own.
    Day(Date),
}

impl DocFile {
    /// The file of a document on this day.
    pub const fn of(doc_type: DocType, day: Date) -> Self {
        match doc_type.file_name() {
            Some(name) => Self::Named(name),
            None => Self::Day(day),
        }
    }

    /// Its name in its folder.
    pub fn name(self) -> String {
        match self {
            Self::Named(name) => name.to_owned(),
            Self::Day(day) => format!("{day}.md"),
        }
    }

    /// Its way from the workspace, for people.
    pub fn shown(self) -> String {
        match self {
            Self::Named(name) => name.to_owned(),
            Self::Day(day) => format!("{MEMORY_FOLDER}/{day}.md"),
        }
    }
}

/// What is in the place of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisk {
    /// A text, or nothing.
    Text {
        /// Which.
        hash: TextHash,
        /// Whether it says nothing: it is not there, or white space only.
        is_blank: bool,
    },
    /// Something that no row can hold.
    Unfit(Unfit),
}

impl OnDisk {
    /// Nothing is there.
    pub fn absent() -> Self {
        Self::Text {
            hash: TextHash::empty(),
            is_blank: true,
        }
    }

    /// What is there, as far as it can be mirrored.
    pub fn hash(&self) -> Option<TextHash> {
        match self {
            Self::Text { hash, .. } => Some(*hash),
            Self::Unfit(_) => None,
        }
    }

    fn of(text: &str) -> Self {
        Self::Text {
            hash: TextHash::of(text),
            is_blank: text.trim().is_empty(),
        }
    }
}

/// Why a file cannot be mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It leads somewhere else.
    SymbolicLink,
    /// It has another name somewhere else.
    HardLink,
    /// It is a folder.
    Folder,
    /// It is a pipe, a socket or a device.
    Special,
    /// It is more than a row can hold.
    TooLarge,
    /// It is no UTF-8.
    NotUtf8,
    /// Postgres knows no such character.
    Nul,
    /// The worker's user may not.
    Denied,
    /// The folder of the days is no folder.
    NoMemoryFolder,
    /// The disk is full.
    Full,
    /// The disk cannot be written to.
    ReadOnly,
    /// The disk says that it cannot be read or written.
    Broken,
}

impl Unfit {
    /// For people: what is wrong, and what to do.
    pub fn note(self, file: DocFile) -> String {
        let file = file.shown();
        match self {
            Self::SymbolicLink => {
                format!("{file} is a symbolic link, which Creel does not follow: put a file in its place")
            }
            Self::HardLink => format!(
                "{file} has another name on the host's disk (a hard link): replace it by a copy of its own"
            ),
            Self::Folder => format!("{file} is a folder, where a file is needed: rename or remove it"),
            Self::Special => {
                format!("{file} is a pipe, a socket or a device, where a file is needed: remove it")
            }
            Self::TooLarge => format!("{file} is larger than 1 MB: move a part of it into another file"),
            Self::NotUtf8 => format!("{file} is not UTF-8: save it as UTF-8 text"),
            Self::Nul => format!("{file} has a NUL character, so that it is no text: remove it"),
            Self::Denied => {
                format!("the worker's user may not use {file}: correct its owner and mode on the host")
            }
            Self::NoMemoryFolder => {
                format!("{MEMORY_FOLDER} is no folder of the workspace, so that {file} cannot be: rename it")
            }
            Self::Full => {
                format!("the disk of {file} is full, or its quota is used up: make room on the host")
            }
            Self::ReadOnly => {
                format!("the disk of {file} is read-only: let the worker's user write there")
            }
            Self::Broken => format!("the host's disk cannot read or write {file}: look at the worker's log"),
        }
    }

    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::PermissionDenied => Self::Denied,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Broken,
        }
    }
}

/// What a file looked like when it was read: one that looks the same has the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    stamp: Stamp,
    /// What it had.
    found: OnDisk,
    /// Whether a change since would be seen.
    is_settled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: i128,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
    links: u64,
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        // The types of these differ from system to system.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        Self {
            device: i128::from(stat.st_dev),
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            links: u64::from(stat.st_nlink),
        }
    }

    /// Whether the disk's clock has moved on since. One that was set back has not.
    fn is_older_than(&self, grain: Duration) -> bool {
        let at = |(secs, nanos): (i64, i64)| {
            Timestamp::new(secs, i32::try_from(nanos).unwrap_or_default()).unwrap_or_default()
        };
        let last = at(self.changed).max(at(self.modified));
        Timestamp::now().duration_since(last) >= grain.try_into().unwrap_or_default()
    }
}

/// What was found in the place of a document.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// What it is.
    pub found: OnDisk,
    /// By which the next look is spared the reading; none where there is nothing to read.
    pub seen: Option<Seen>,
}

impl Look {
    fn only(found: OnDisk) -> Self {
        Self { found, seen: None }
    }
}

impl Workspace {
    /// Looks at a document. What looks as it did is not read again. While OpenClaw registers the agent, its identity is
    /// what it was and is going to be again.
    pub fn look(&self, file: DocFile, seen: Option<&Seen>) -> Look {
        if let Some(kept) = self.kept(file) {
            return kept;
        }
        let found = match self.doc_folder(file) {
            Ok(Some(dir)) => look(&dir, &file.name(), seen),
            Ok(None) => Look::only(OnDisk::absent()),
            Err(unfit) => Look::only(OnDisk::Unfit(unfit)),
        };
        // It may have begun meanwhile.
        self.kept(file).unwrap_or(found)
    }

    /// What is kept of a file while somebody else is writing to it.
    fn kept(&self, file: DocFile) -> Option<Look> {
        if file != DocFile::Named(IDENTITY) {
            return None;
        }
        let kept = look(&self.creel, KEPT, None);
        // One that went while it was looked at has another size than nothing.
        let is_there = |seen: &Seen| seen.found != OnDisk::absent() || seen.stamp.size == 0;
        let is_kept = kept.seen.as_ref().is_some_and(is_there);
        is_kept.then(|| Look::only(kept.found))
    }

    /// The text of a document, if it is still this one.
    pub fn read_text(&self, file: DocFile, hash: TextHash) -> Option<String> {
        let read_in = |dir: &Dir, name: &str| match open_file(dir, name) {
            Ok(open) => read(&open).ok().filter(|text| TextHash::of(text) == hash),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                (hash == TextHash::empty()).then(String::new)
            }
            Err(_) => None,
        };
        if self.kept(file).is_some() {
            return read_in(&self.creel, KEPT);
        }
        match self.doc_folder(file) {
            Ok(Some(dir)) => read_in(&dir, &file.name()),
            _ => (hash == TextHash::empty()).then(String::new),
        }
    }

    /// For how long a document has been as it is; none if nobody knows.
    pub fn age(&self, file: DocFile) -> Option<Duration> {
        let dir = self.doc_folder(file).ok().flatten();
        let dir = dir.as_ref().unwrap_or(&self.dir);
        let stat = statat(dir, file.name().as_str(), AtFlags::SYMLINK_NOFOLLOW)
            .or_else(|_| fstat(dir))
            .ok()?;
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        let modified = Timestamp::new(stat.st_mtime as i64, stat.st_mtime_nsec as i32).ok()?;
        Timestamp::now().duration_since(modified).try_into().ok()
    }

    /// Whether it was made a moment ago, and no day has a file in it yet: that of today was not deleted.
    pub fn is_new(&self) -> bool {
        let made = statat(&self.creel, MARKER, AtFlags::SYMLINK_NOFOLLOW);
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        let made = made
            .ok()
            .and_then(|stat| Timestamp::new(stat.st_mtime as i64, 0).ok());
        let age = made.and_then(|made| Duration::try_from(Timestamp::now().duration_since(made)).ok());
        let has_days = || {
            let dir = open_folder(&self.dir, MEMORY_FOLDER).ok()?;
            dir.entries().ok()?.next()
        };
        age.is_some_and(|age| age < NEW_FOR) && has_days().is_none()
    }

    /// The days between these two that have a file, newest first.
    pub fn days_between(&self, after: Date, before: Date) -> Result<Vec<Date>, WorkspaceError> {
        let at = |error| WorkspaceError::at(&self.path.join(MEMORY_FOLDER), error);
        let Ok(dir) = open_folder(&self.dir, MEMORY_FOLDER) else {
            return Ok(Vec::new());
        };
        let mut days = Vec::new();
        for entry in dir.entries().map_err(at)? {
            let name = entry.map_err(at)?.file_name();
            let day = name.to_str().and_then(|name| name.strip_suffix(".md"));
            let day: Option<Date> = day.filter(|day| day.len() == 10).and_then(|day| day.parse().ok());
            days.extend(day.filter(|day| *day > after && *day < before));
        }
        days.sort_unstable();
        days.reverse();
        days.truncate(DAYS_MAX);
        Ok(days)
    }

    /// The folder that a document lies in; none where it is not there.
    pub(super) fn doc_folder(&self, file: DocFile) -> Result<Option<Dir>, Unfit> {
        let opened = match file {
            DocFile::Named(_) => self.dir.try_clone(),
            DocFile::Day(_) => open_folder(&self.dir, MEMORY_FOLDER),
        };
        match opened {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotADirectory || is_link(&error) => {
                Err(Unfit::NoMemoryFolder)
            }
            Err(error) => Err(Unfit::of(&error)),
        }
    }

    /// The same, made where it is not there.
    pub(super) fn doc_folder_or_new(&self, file: DocFile) -> io::Result<Dir> {
        if let DocFile::Day(_) = file {
            make_folder(&self.dir, MEMORY_FOLDER)?;
            return open_folder(&self.dir, MEMORY_FOLDER);
        }
        self.dir.try_clone()
    }
}

fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Looks at a name in a folder.
pub(super) fn look(dir: &Dir, name: &str, seen: Option<&Seen>) -> Look {
    let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Look::only(OnDisk::absent()),
        Err(error) => return Look::only(OnDisk::Unfit(Unfit::of(&error.into()))),
    };
    if let Some(unfit) = unfit(&stat) {
        return Look::only(OnDisk::Unfit(unfit));
    }
    let stamp = Stamp::of(&stat);
    if let Some(seen) = seen.filter(|seen| seen.is_settled && seen.stamp == stamp) {
        return Look {
            found: seen.found,
            seen: Some(*seen),
        };
    }
    let found = match open_file(dir, name) {
        Ok(file) => read(&file).map_or_else(OnDisk::Unfit, |text| OnDisk::of(&text)),
        Err(error) if error.kind() == ErrorKind::NotFound => OnDisk::absent(),
        Err(error) if error.kind() == ErrorKind::InvalidInput => OnDisk::Unfit(Unfit::Special),
        Err(error) => OnDisk::Unfit(Unfit::of(&error)),
    };
    let after = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok();
    let is_settled =
        after.is_some_and(|after| Stamp::of(&after) == stamp) && stamp.is_older_than(CLOCK_GRAIN);
    Look {
        found,
        seen: Some(Seen {
            stamp,
            found,
            is_settled,
        }),
    }
}

/// What can be told without reading.
fn unfit(stat: &Stat) -> Option<Unfit> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => Some(Unfit::SymbolicLink),
        FileType::Directory => Some(Unfit::Folder),
        FileType::RegularFile if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > DOCUMENT_MAX_BYTES => {
            Some(Unfit::TooLarge)
        }
        FileType::RegularFile if stat.st_nlink > 1 => Some(Unfit::HardLink),
        FileType::RegularFile => None,
        _ => Some(Unfit::Special),
    }
}

/// Reads an open file, which may be another one than was looked at.
pub(super) fn read(file: &File) -> Result<String, Unfit> {
    let of = |error: io::Error| Unfit::of(&error);
    let stat = fstat(file).map_err(|error| of(error.into()))?;
    if let Some(unfit) = unfit(&stat) {
        return Err(unfit);
    }
    let mut bytes = Vec::new();
    let size_bytes = file
        .take(DOCUMENT_MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(of)?;
    if size_bytes as u64 > DOCUMENT_MAX_BYTES {
        return Err(Unfit::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| Unfit::NotUtf8)?;
    if text.contains('\0') {
        return Err(Unfit::Nul);
    }
    Ok(text)
}
