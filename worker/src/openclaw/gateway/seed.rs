//! `AGENTS.md` of a new workspace. A patch writes no files; the gateway would write this one at the agent's
//! first turn, but the page is to have it before.

use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags, RenameFlags, open, openat, renameat_with, unlinkat};
use uuid::Uuid;

const NAME: &str = "AGENTS.md";

/// OpenClaw's own has 6 KB.
const MAX_BYTES: u64 = 256 << 10;

/// Whether a folder is there, and no `AGENTS.md` in it.
pub(super) fn is_missing(workspace: &Path) -> bool {
    workspace.is_dir() && workspace.join(NAME).symlink_metadata().is_err()
}

/// What OpenClaw has just written there.
pub(super) fn read(workspace: &Path) -> Option<String> {
    let folder = folder(workspace).ok()?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(openat(&folder, NAME, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).ok()?;
    (!text.is_empty() && text.len() as u64 <= MAX_BYTES).then_some(text)
}

/// Writes it as a whole, unless there is something of that name.
pub(super) fn write(workspace: &Path, text: &str) -> std::io::Result<()> {
    let folder = folder(workspace)?;
    let temporary = format!(".{NAME}.{}.tmp", Uuid::new_v4());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&folder, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
    let written = std::io::Write::write_all(&mut std::fs::File::from(file), text.as_bytes());
    let named = written.and_then(|()| {
        match renameat_with(&folder, temporary.as_str(), &folder, NAME, RenameFlags::NOREPLACE) {
            // Network disks do not know this kind of renaming; a second name does the same.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
                rustix::fs::linkat(
                    &folder,
                    temporary.as_str(),
                    &folder,
                    NAME,
                    rustix::fs::AtFlags::empty(),
                )
            }
            renamed => renamed,
        }
        .map_err(Into::into)
    });
    // It is gone when it was renamed.
    let _left = unlinkat(&folder, temporary.as_str(), rustix::fs::AtFlags::empty());
    match named {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        named => named,
    }
}

fn folder(workspace: &Path) -> std::io::Result<rustix::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(open(workspace, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_kept() {
        let folder = tempfile::tempdir().expect("make a folder");
        assert!(is_missing(folder.path()) && read(folder.path()).is_none());
        write(folder.path(), "first").expect("write");
        write(folder.path(), "second").expect("write");
        assert_eq!(read(folder.path()).as_deref(), Some("first"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a listing").count(), 1);
        assert!(!is_missing(folder.path()) && !is_missing(&folder.path().join("nowhere")));
    }

    #[test]
    fn nothing_is_followed_through_a_symbolic_link() {
        let folder = tempfile::tempdir().expect("make a folder");
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join(NAME)).expect("make a link");
        write(folder.path(), "mine").expect("write");
        assert!(!elsewhere.exists() && read(folder.path()).is_none());
    }
}
