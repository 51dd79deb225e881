//! The last copies of the workspaces of agents that were undeployed: kept for a while, and then removed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use uuid::Uuid;

use super::{AgentRef, BackendError, files};
use crate::plain_file;

/// Name of the folder in the worker's own.
const FOLDER: &str = "archives";

const ENDING: &str = ".tar.gz";

/// The ending of the folder of an agent's transcripts in its archive, beside the one of its files.
const SESSIONS_ENDING: &str = ".sessions";

/// The ending of one that is being written; a killed worker leaves it behind.
const TEMPORARY_ENDING: &str = ".part";

/// How long an archive is kept: long enough that somebody misses it.
pub const ARCHIVE_RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A half-written one that nobody writes to any more.
const TEMPORARY_MAX_AGE: Duration = Duration::from_secs(24 * 3_600);

/// They are kept for days.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// The archives of one worker.
#[derive(Debug, Clone)]
pub struct Archives {
    folder: PathBuf,
}

impl Archives {
    /// Those in this worker's folder.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join(FOLDER),
        }
    }

    /// Packs a workspace, and what the agent was told and said. Nothing is followed through a symbolic link; sockets, pipes and devices are left out, and so is
    /// what nobody may read. It blocks for as long as the disk takes.
    pub(super) fn pack(
        &self,
        agent: &AgentRef,
        workspace: &Path,
        sessions: &Path,
    ) -> Result<PathBuf, BackendError> {
        let name = format!(
            "{}-{}-{}{ENDING}",
            agent.openclaw_id,
            agent.agent_id,
            Timestamp::now().strftime("%Y%m%dT%H%M%SZ")
        );
        let path = self.folder.join(&name);
        let part = self.folder.join(format!("{name}{TEMPORARY_ENDING}"));
        files::make_folder(&self.folder).map_err(|error| BackendError::disk(&self.folder, error))?;
        let id = agent.openclaw_id.as_str();
        let mut folders = vec![(workspace, id.to_owned())];
        // An agent may have put a link to somewhere else in its place.
        if sessions.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            folders.push((sessions, format!("{id}{SESSIONS_ENDING}")));
        }
        for (folder, _) in &folders {
            files::open_folders(folder);
        }
        let packed =
            pack_into(&part, &folders).and_then(|skipped| std::fs::rename(&part, &path).map(|()| skipped));
        match packed {
            Ok(skipped) if skipped.is_empty() => Ok(path),
            Ok(skipped) => {
                tracing::warn!(
                    agent.id = %agent.agent_id,
                    count = skipped.len(),
                    "{} does not have {} files and folders that nobody may read, the first is {}",
                    path.display(),
                    skipped.len(),
                    skipped[0].display()
                );
                Ok(path)
            }
            Err(error) => {
                // The first error is the one to tell.
                let _left = files::remove(&part);
                Err(BackendError::disk(&path, error))
            }
        }
    }

    /// The newest archive of an agent.
    pub(super) fn newest(&self, id: Uuid) -> Option<PathBuf> {
        let of_agent = format!("-{id}-");
        let names = std::fs::read_dir(&self.folder).ok()?.flatten();
        let paths = names.map(|entry| entry.path()).filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name.contains(&of_agent) && name.ends_with(ENDING)
        });
        // They differ in their time only.
        paths.max()
    }

    /// Removes what has been kept for so long, now and then, until it is dropped.
    pub async fn watch(self, retention: Duration) {
        loop {
            let archives = self.clone();
            let pruned =
                tokio::task::spawn_blocking(move || archives.prune_once(SystemTime::now(), retention));
            match pruned.await.unwrap_or_else(|error| Err(error.into())) {
                Ok(0) => {}
                Ok(count) => tracing::info!("removed {count} archives of agents whose time is over"),
                Err(error) => tracing::warn!(%error, "failed to remove old archives of agents: {error}"),
            }
            tokio::time::sleep(PRUNE_EVERY).await;
        }
    }

    /// Removes what has been kept for longer than this, and says how many archives that were.
    pub fn prune_once(&self, now: SystemTime, retention: Duration) -> io::Result<usize> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let max_age = if name.ends_with(ENDING) {
                retention
            } else if name.ends_with(TEMPORARY_ENDING) {
                TEMPORARY_MAX_AGE
            } else {
                continue;
            };
            // One from the future, as after a change of the clock, is kept.
            let age = now
                .duration_since(entry.metadata()?.modified()?)
                .unwrap_or_default();
            if age > max_age {
                files::remove(&entry.path())?;
                removed += usize::from(name.ends_with(ENDING));
            }
        }
        Ok(removed)
    }
}

/// Answers with what could not be read.
fn pack_into(path: &Path, folders: &[(&Path, String)]) -> io::Result<Vec<PathBuf>> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let gzip = GzEncoder::new(BufWriter::new(file), Compression::default());
    let mut archive = tar::Builder::new(gzip);
    archive.follow_symlinks(false);
    let mut skipped = Vec::new();
    for (folder, name) in folders {
        add_folder(&mut archive, folder, Path::new(name), &mut skipped)?;
    }
    let file: File = archive
        .into_inner()?
        .finish()?
        .into_inner()
        .map_err(|error| error.into_error())?;
    file.sync_all()?;
    Ok(skipped)
}

fn add_folder<W: Write>(
    archive: &mut tar::Builder<W>,
    folder: &Path,
    name: &Path,
    skipped: &mut Vec<PathBuf>,
) -> io::Result<()> {
    archive.append_dir(name, folder)?;
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            skipped.push(folder.to_owned());
            return Ok(());
        }
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            add_folder(archive, &path, &name, skipped)?;
        } else if kind.is_file() {
            match plain_file::open(&path) {
                Ok(Some(mut file)) => archive.append_file(&name, &mut file)?,
                // It was replaced just now.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => skipped.push(path),
                Err(error) => return Err(error),
            }
        } else if !(kind.is_socket() || kind.is_fifo() || kind.is_block_device() || kind.is_char_device()) {
            archive.append_path_with_name(&path, &name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    use creel_core::id::AgentId;

    use super::*;

    fn agent() -> AgentRef {
        AgentRef {
            agent_id: Uuid::from_u128(7),
            project_id: "p".to_owned(),
            agent_key: "agent:scout:main".to_owned(),
            openclaw_id: AgentId::parse("scout").expect("an id"),
            workspace_path: None,
        }
    }

    #[test]
    fn a_workspace_is_packed_with_nothing_from_elsewhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let workspace = folder.path().join("workspace");
        std::fs::create_dir_all(workspace.join("memory/deep")).expect("make folders");
        std::fs::write(workspace.join("SOUL.md"), "soul").expect("write");
        std::fs::write(workspace.join("memory/deep/day.md"), "day").expect("write");
        std::fs::create_dir(folder.path().join("elsewhere")).expect("make a folder");
        std::fs::write(folder.path().join("elsewhere/secret"), "secret").expect("write");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), workspace.join("link")).expect("link");
        let _socket = std::os::unix::net::UnixListener::bind(workspace.join("socket")).expect("a socket");
        let archives = Archives::new(folder.path());
        std::fs::create_dir(folder.path().join("said")).expect("make a folder");
        std::fs::write(folder.path().join("said/one.jsonl"), "hi").expect("write");
        let path = archives
            .pack(&agent(), &workspace, &folder.path().join("said"))
            .expect("it is packed");
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let gzip = flate2::read::GzDecoder::new(File::open(&path).expect("open"));
        let mut found = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(gzip).entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("read");
            found.insert(entry.path().expect("a path").to_string_lossy().into_owned(), text);
        }
        assert_eq!(found.get("scout/SOUL.md").map(String::as_str), Some("soul"));
        assert_eq!(
            found.get("scout/memory/deep/day.md").map(String::as_str),
            Some("day")
        );
        assert_eq!(
            found.get("scout.sessions/one.jsonl").map(String::as_str),
            Some("hi")
        );
        assert_eq!(found.get("scout/link").map(String::as_str), Some(""), "{found:?}");
        assert!(
            !found
                .keys()
                .any(|name| name.contains("socket") || name.contains("secret"))
        );
        assert_eq!(archives.newest(Uuid::from_u128(7)), Some(path));
        assert_eq!(archives.newest(Uuid::from_u128(8)), None);
    }

    #[test]
    fn an_archive_goes_when_its_time_is_over_and_not_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let workspace = folder.path().join("workspace");
        std::fs::create_dir(&workspace).expect("make a folder");
        let archives = Archives::new(folder.path());
        assert_eq!(
            archives
                .prune_once(SystemTime::now(), ARCHIVE_RETENTION)
                .expect("nothing is there"),
            0
        );
        // What was said may be out of reach: the files are packed all the same.
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).expect("link");
        let path = archives
            .pack(&agent(), &workspace, &folder.path().join("link"))
            .expect("it is packed");
        let part = folder.path().join("archives/x.tar.gz.part");
        std::fs::write(&part, "half").expect("write");
        assert_eq!(
            archives
                .prune_once(SystemTime::now(), ARCHIVE_RETENTION)
                .expect("looked"),
            0
        );
        assert!(path.exists() && part.exists());
        let later = SystemTime::now() + ARCHIVE_RETENTION + Duration::from_secs(60);
        assert_eq!(archives.prune_once(later, ARCHIVE_RETENTION).expect("looked"), 1);
        assert!(!path.exists() && !part.exists());
    }
}
