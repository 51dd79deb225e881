//! Keeps an agent's files while OpenClaw's command line deletes it: that moves workspace and sessions to the trash.

use std::io;
use std::path::{Path, PathBuf};

use creel_core::id::AgentId;

use super::OpenClawError;

/// What the name of a folder ends with that was moved out of the way. A killed worker leaves it behind.
const ENDING: &str = ".kept-by-creel";

/// Folders that are out of the way.
#[derive(Debug)]
pub(super) struct Aside(Vec<PathBuf>);

impl Aside {
    /// Moves them out of the way. If one cannot be moved, all of them are where they were.
    pub(super) async fn put(
        state_dir: &Path,
        id: &AgentId,
        workspace: Option<PathBuf>,
    ) -> Result<Self, OpenClawError> {
        let sessions = sessions(state_dir, id);
        let folders: Vec<PathBuf> = workspace.into_iter().chain([sessions]).collect();
        let moved = tokio::task::spawn_blocking(move || {
            let mut moved: Vec<PathBuf> = Vec::new();
            for folder in folders {
                // An earlier attempt may have been killed after this.
                let _absent = put_back(&folder);
                match std::fs::rename(&folder, kept(&folder)) {
                    Ok(()) => moved.push(folder),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => {
                        for folder in &moved {
                            // The next attempt does it again, in any case.
                            let _left = put_back(folder);
                        }
                        return Err(OpenClawError::NotKept { path: folder, source });
                    }
                }
            }
            Ok(moved)
        });
        let moved = moved.await.unwrap_or_else(|error| {
            Err(OpenClawError::NotKept {
                path: state_dir.to_owned(),
                source: error.into(),
            })
        });
        moved.map(Self)
    }

    /// Moves them back.
    pub(super) async fn put_back(self) {
        let moving = tokio::task::spawn_blocking(move || {
            for folder in self.0 {
                if let Err(error) = put_back(&folder) {
                    let (kept, folder) = (kept(&folder), folder.display());
                    tracing::error!(%error, "failed to move {} back to {folder}: {error}", kept.display());
                }
            }
        });
        if let Err(error) = moving.await {
            tracing::error!(%error, "failed to move an agent's folders back: {error}");
        }
    }
}

/// What an agent was told and said.
fn sessions(state_dir: &Path, id: &AgentId) -> PathBuf {
    state_dir.join("agents").join(id.as_str()).join("sessions")
}

/// Puts the sessions back that a killed worker left out of the way.
pub(super) async fn heal(state_dir: &Path, id: &AgentId) {
    Aside(vec![sessions(state_dir, id)]).put_back().await;
}

fn kept(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(ENDING);
    name.into()
}

/// Moves a folder back that is out of the way, unless there is another one in its place.
pub(crate) fn put_back(folder: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(folder) {
        // OpenClaw may have made an empty one.
        Ok(found) if found.is_dir() => match std::fs::symlink_metadata(kept(folder)) {
            Ok(_) => std::fs::remove_dir(folder)?,
            Err(_) => return Ok(()),
        },
        Ok(_) => return Ok(()),
        Err(_) => {}
    }
    match std::fs::rename(kept(folder), folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_out_of_the_way_comes_back_also_after_a_killed_worker() {
        let folder = tempfile::tempdir().expect("a folder");
        let workspace = folder.path().join("ws");
        std::fs::create_dir(&workspace).expect("make a folder");
        std::fs::write(workspace.join("SOUL.md"), "soul").expect("write");
        let id = AgentId::parse("scout").expect("an id");
        let put = async || {
            let aside = Aside::put(folder.path(), &id, Some(workspace.clone())).await;
            aside.expect("they are moved")
        };
        let aside = put().await;
        assert!(!workspace.exists());
        drop(aside);
        let aside = put().await;
        std::fs::create_dir(&workspace).expect("OpenClaw makes an empty one");
        aside.put_back().await;
        assert_eq!(
            std::fs::read_to_string(workspace.join("SOUL.md")).expect("read"),
            "soul"
        );
        // Those of an earlier attempt are in the way, and nobody knows which ones count.
        let sessions = sessions(folder.path(), &id);
        for folder in [&sessions, &kept(&sessions)] {
            std::fs::create_dir_all(folder).expect("make a folder");
            std::fs::write(folder.join("said"), "x").expect("write");
        }
        let refused = Aside::put(folder.path(), &id, Some(workspace.clone())).await;
        assert!(matches!(refused, Err(OpenClawError::NotKept { .. })));
        assert!(workspace.join("SOUL.md").exists(), "it is where it was");
        put_back(&workspace).expect("there is nothing to do");
        put_back(&folder.path().join("nowhere")).expect("there is nothing to do");
    }
}
