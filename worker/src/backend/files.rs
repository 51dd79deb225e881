//! Small files of the worker's own: written as a whole or not at all, and for its user alone.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use uuid::Uuid;

use crate::plain_file;

/// What is larger was not written by a worker.
const MAX_BYTES: u64 = 8 << 20;

/// To read, to change and to enter a folder.
const OWNER_ALL: u32 = 0o700;

/// What the name of a folder begins with that is being removed.
const REMOVED: &str = ".removed-";

/// The content; none if there is no such file, or something else in its place.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    content(plain_file::open(path)?)
}

/// The same of a file that the host's owner writes, and may have put a link to.
pub(super) fn read_of_owner(path: &Path) -> io::Result<Option<Vec<u8>>> {
    content(plain_file::open_through_links(path)?)
}

fn content(file: Option<File>) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = file else {
        return Ok(None);
    };
    let mut content = Vec::new();
    if file.take(MAX_BYTES + 1).read_to_end(&mut content)? as u64 > MAX_BYTES {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is larger than 8 MB"));
    }
    Ok(Some(content))
}

/// Writes it in place of what is there. A killed worker leaves the old one or the new one.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .ok_or_else(|| io::Error::other("it has no folder"))?;
    make_folder(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{name}.{}.tmp", Uuid::new_v4().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _left = std::fs::remove_file(&new);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// Makes a folder for the worker's user alone, with those above it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Takes a folder away with all that is in it; what a killed worker left of it, too.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let removed = path.with_file_name(format!("{REMOVED}{name}"));
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    };
    gone(remove_all(&removed))?;
    gone(std::fs::rename(path, &removed))?;
    gone(remove_all(&removed))
}

/// An agent may have taken away its own right to its folders.
fn remove_all(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_folders(path);
            std::fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

/// Gives their owner all rights to a folder and those in it. What cannot be changed is left: whoever goes on says so.
pub(super) fn open_folders(path: &Path) {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        // No link is followed: a folder elsewhere is none of the agent's.
        let Ok(found) = folder.symlink_metadata() else {
            continue;
        };
        if !found.is_dir() {
            continue;
        }
        let mode = found.permissions().mode() & 0o7777;
        if mode & OWNER_ALL != OWNER_ALL {
            let _left = std::fs::set_permissions(&folder, Permissions::from_mode(mode | OWNER_ALL));
        }
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_were_closed_are_opened_and_others_are_not_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("agent/closed/deep")).expect("make folders");
        std::fs::create_dir(at("elsewhere")).expect("make a folder");
        std::fs::write(at("agent/file"), "x").expect("write");
        std::os::unix::fs::symlink(at("elsewhere"), at("agent/link")).expect("link");
        let chmod = |name: &str, mode| {
            std::fs::set_permissions(at(name), Permissions::from_mode(mode)).expect("chmod");
        };
        for name in ["agent/closed/deep", "agent/closed", "elsewhere"] {
            chmod(name, 0o000);
        }
        chmod("agent/file", 0o400);
        open_folders(&at("agent"));
        let mode = |name: &str| at(name).symlink_metadata().expect("look").permissions().mode() & 0o7777;
        assert_eq!((mode("agent/closed"), mode("agent/closed/deep")), (0o700, 0o700));
        assert_eq!((mode("elsewhere"), mode("agent/file")), (0o000, 0o400));
        chmod("agent/closed/deep", 0o000);
        remove_folder(&at("agent")).expect("it is removed");
        assert!(!at("agent").exists());
    }
}
