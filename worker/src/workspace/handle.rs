//! Single steps beneath a directory handle: each on one name, none through a symbolic link.

use std::fs::File;
use std::io::{self, Write};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use rustix::fs::{Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::io::Errno;
use uuid::Uuid;

/// The ending of files that are being written; a killed worker leaves them behind.
pub(super) const TEMPORARY_ENDING: &str = ".tmp";

/// Folders are for the worker's user alone.
const FOLDER_MODE: u32 = 0o700;

/// Opens a folder.
pub fn open_folder(dir: &Dir, name: &str) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(Dir::from_std_file(File::from(openat(
        dir,
        name,
        flags,
        Mode::empty(),
    )?)))
}

/// Makes a folder unless there is something.
pub fn make_folder(dir: &Dir, name: &str) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(FOLDER_MODE);
    match dir.create_dir_with(name, &builder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Opens a file for reading. What is no regular file is an error of kind `InvalidInput`; a pipe does not
/// block.
pub fn open_file(dir: &Dir, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let special = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    let file = match openat(dir, name, flags, Mode::empty()) {
        // A symbolic link; a socket on Linux; a socket on macOS.
        Err(Errno::LOOP | Errno::NXIO | Errno::OPNOTSUPP) => return Err(special()),
        opened => File::from(opened?),
    };
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(special())
    }
}

/// Writes a whole file, or nothing: also a killed worker leaves no half of it. What is there already is
/// left alone, and then the answer is false. `scratch` is a folder on the same disk.
pub fn create_file(dir: &Dir, scratch: &Dir, name: &str, content: &[u8]) -> io::Result<bool> {
    let temporary = write_temporary(scratch, name, content)?;
    let created = match rename_if_free(scratch, &temporary, dir, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        renamed => renamed.map(|()| true),
    };
    if !matches!(created, Ok(true)) {
        // The first error is the one to tell.
        let _left = scratch.remove_file(&temporary);
    }
    sync_folder(dir)?;
    created
}

/// Writes a whole file in place of what is there.
pub fn replace_file(dir: &Dir, scratch: &Dir, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = write_temporary(scratch, name, content)?;
    let replaced = scratch.rename(&temporary, dir, name);
    if replaced.is_err() {
        let _left = scratch.remove_file(&temporary);
    }
    sync_folder(dir)?;
    replaced
}

fn write_temporary(scratch: &Dir, name: &str, content: &[u8]) -> io::Result<String> {
    let temporary = format!("{name}.{}{TEMPORARY_ENDING}", Uuid::new_v4());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(
        scratch,
        temporary.as_str(),
        flags,
        Mode::RUSR | Mode::WUSR,
    )?);
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        let _left = scratch.remove_file(&temporary);
    }
    written.map(|()| temporary)
}

fn rename_if_free(from: &Dir, temporary: &str, to: &Dir, name: &str) -> io::Result<()> {
    match renameat_with(from, temporary, to, name, RenameFlags::NOREPLACE) {
        // Network disks do not know this kind of renaming; a second name does the same.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            from.hard_link(temporary, to, name)?;
            from.remove_file(temporary)
        }
        renamed => Ok(renamed?),
    }
}

pub(super) fn sync_folder(dir: &Dir) -> io::Result<()> {
    Ok(rustix::fs::fsync(dir)?)
}
