//! The files of an agent that goes from one backend to another: a copy of its workspace, whole or not at all. What it
//! leaves is archived when the other one is undeployed.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{AgentRef, BackendError, files};
use crate::plain_file;
use crate::workspace::Workspace;

/// The ending of a copy that is being made; a killed worker's next attempt makes it anew.
const UNFINISHED: &str = ".taken-over";

/// Its owner may read and write whatever is copied.
const OWNER_READ_WRITE: u32 = 0o600;

/// Makes a workspace of the agent at `to`, where nothing is, from the one at `from`. Without one there nothing is made.
/// It blocks for as long as the disk takes.
pub(super) fn take_over(agent: &AgentRef, from: &Path, to: &Path) -> Result<(), BackendError> {
    let at = |error| BackendError::disk(to, error);
    // An agent may have put a link to somewhere else in its place.
    if !from.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    let (Some(folder), Some(name)) = (to.parent(), to.file_name()) else {
        return Err(at(ErrorKind::InvalidInput.into()));
    };
    files::make_folder(folder).map_err(at)?;
    let unfinished = folder.join(format!(".{}{UNFINISHED}", name.display()));
    files::remove_folder(&unfinished).map_err(at)?;
    files::open_folders(from);
    copy_folder(from, &unfinished).map_err(|error| BackendError::disk(from, error))?;
    // Whoever finds it in its place is to know whose it is.
    let marked_at = folder.canonicalize().map_err(at)?;
    Workspace::adopt(
        &marked_at.join(unfinished.file_name().unwrap_or_default()),
        &agent.owner(),
    )?;
    std::fs::rename(&unfinished, to).map_err(at)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(at)
}

/// Nothing is followed through a symbolic link; sockets, pipes and devices are left out.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&from, &to)?;
        } else if kind.is_file() {
            copy_file(&from, &to)?;
        } else if !(kind.is_socket() || kind.is_fifo() || kind.is_block_device() || kind.is_char_device()) {
            std::os::unix::fs::symlink(std::fs::read_link(&from)?, &to)?;
        }
    }
    File::open(to)?.sync_all()
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let opened = match plain_file::open(from) {
        // An agent may have taken away its own right to a file; it is not to be lost for that.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            std::fs::set_permissions(from, Permissions::from_mode(OWNER_READ_WRITE))?;
            plain_file::open(from)?
        }
        opened => opened?,
    };
    // It was replaced just now.
    let Some(mut file) = opened else { return Ok(()) };
    let found = file.metadata()?;
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut file, &mut copy)?;
    copy.set_permissions(Permissions::from_mode(
        found.permissions().mode() & 0o777 | OWNER_READ_WRITE,
    ))?;
    copy.set_modified(found.modified()?)?;
    copy.sync_all()
}

#[cfg(test)]
mod tests {
    use creel_core::id::AgentId;
    use uuid::Uuid;

    use super::*;

    fn agent(n: u128) -> AgentRef {
        AgentRef {
            agent_id: Uuid::from_u128(n),
            project_id: "p".to_owned(),
            agent_key: "agent:scout:main".to_owned(),
            openclaw_id: AgentId::parse("scout").expect("an id"),
            workspace_path: None,
        }
    }

    #[test]
    fn a_workspace_is_taken_over_whole_and_with_nothing_from_elsewhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("old/memory/closed")).expect("make folders");
        std::fs::write(at("old/SOUL.md"), "soul").expect("write");
        std::fs::write(at("old/memory/closed/day.md"), "day").expect("write");
        std::fs::write(at("secret"), "secret").expect("write");
        std::os::unix::fs::symlink(at("secret"), at("old/link")).expect("link");
        let _socket = std::os::unix::net::UnixListener::bind(at("old/socket")).expect("a socket");
        for (name, mode) in [("old/memory/closed/day.md", 0o000), ("old/memory/closed", 0o000)] {
            std::fs::set_permissions(at(name), Permissions::from_mode(mode)).expect("chmod");
        }
        // What a killed worker left.
        std::fs::create_dir_all(at("new/.scout.taken-over/half")).expect("make folders");
        take_over(&agent(1), &at("old"), &at("new/scout")).expect("it is taken over");
        let read = |name: &str| std::fs::read_to_string(at("new/scout").join(name)).expect(name);
        assert_eq!(
            (read("SOUL.md"), read("memory/closed/day.md")),
            ("soul".into(), "day".into())
        );
        assert_eq!(
            std::fs::read_link(at("new/scout/link")).expect("a link"),
            at("secret")
        );
        assert!(!at("new/scout/socket").exists() && !at("new/scout/half").exists());
        assert!(!at("new/.scout.taken-over").exists());
        Workspace::reopen(&at("new/scout"), &agent(1).owner()).expect("it is marked");
        assert!(at("old/SOUL.md").exists(), "what it leaves is archived later");
    }

    #[test]
    fn what_is_another_agents_or_a_link_is_not_taken_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        take_over(&agent(1), &at("nowhere"), &at("new")).expect("nothing is there");
        std::os::unix::fs::symlink("/etc", at("link")).expect("link");
        take_over(&agent(1), &at("link"), &at("new")).expect("it is no folder");
        assert!(!at("new").exists());
        std::fs::create_dir(at("old")).expect("make a folder");
        Workspace::adopt(&at("old"), &agent(2).owner()).expect("it is another's");
        let refused = take_over(&agent(1), &at("old"), &at("new"));
        assert!(matches!(refused, Err(BackendError::Workspace(_))), "{refused:?}");
        assert!(!at("new").exists());
    }
}
