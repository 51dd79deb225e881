//! Hears of changes in agents' folders. A hint and no more: what is not heard is found by the next scan.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use creel_core::status::DocType;
use notify::event::{AccessKind, AccessMode};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use uuid::Uuid;

/// The folder of the days' memories.
const MEMORY_FOLDER: &str = "memory";

/// More at once are as good as a scan of all.
const HINTS_MAX: usize = 4_096;

const UNPOISONED: &str = "no holder of this lock panics";

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    /// Something happened at this path.
    At(PathBuf),
    /// Something was missed.
    All,
}

/// Hears of agents' folders.
pub(super) struct Watch {
    hints: mpsc::Receiver<Hint>,
    watched: Arc<Watched>,
}

/// The folders that are heard of. Asking the system for one may take as long as its disk does.
pub(super) struct Watched {
    /// None where the system has no such thing.
    watcher: Mutex<Option<RecommendedWatcher>>,
    /// By each path that the system may say.
    folders: Mutex<HashMap<PathBuf, Folder>>,
    /// Whether some folder is not heard of.
    is_partial: AtomicBool,
}

#[derive(Clone)]
struct Folder {
    agent_id: Uuid,
    /// As it was asked for.
    path: PathBuf,
}

impl Watch {
    /// Hears of nothing yet.
    pub(super) fn new() -> Self {
        let (sender, hints) = mpsc::channel(HINTS_MAX);
        let heard = move |event: notify::Result<Event>| {
            for hint in hints_of(event) {
                // With so many waiting all is looked at anyway.
                let _full = sender.try_send(hint);
            }
        };
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(heard, config)
            .inspect_err(|error| tracing::warn!(%error, "no changes of files are heard of: {error}"))
            .ok();
        let watched = Watched {
            is_partial: AtomicBool::new(watcher.is_none()),
            watcher: Mutex::new(watcher),
            folders: Mutex::default(),
        };
        Self {
            hints,
            watched: Arc::new(watched),
        }
    }

    /// Where folders are added, by who may wait for their disk.
    pub(super) fn watched(&self) -> Arc<Watched> {
        self.watched.clone()
    }

    /// Hears no more of the folders of agents that are not here.
    pub(super) fn keep_only(&self, is_here: impl Fn(Uuid, &Path) -> bool) {
        let mut folders = self.watched.folders();
        folders.retain(|_, folder| {
            is_here(folder.agent_id, &folder.path) || !self.watched.try_unwatch(&folder.path)
        });
    }

    /// Whether a scan is all that finds changes in some of the folders.
    pub(super) fn is_partial(&self) -> bool {
        self.watched.is_partial.load(Ordering::Relaxed)
    }

    /// Waits for the next hint: of which agent, or none of all.
    pub(super) async fn heard(&mut self) -> Option<Uuid> {
        loop {
            let Some(hint) = self.hints.recv().await else {
                return std::future::pending().await;
            };
            if self.hints.len() + 1 >= HINTS_MAX {
                return None;
            }
            let Hint::At(path) = hint else { return None };
            if let Some(agent_id) = self.watched.agent_of(&path) {
                return Some(agent_id);
            }
        }
    }
}

impl Watched {
    /// Hears of an agent's folder from now on, and of that of its days. Blocks.
    pub(super) fn add(&self, agent_id: Uuid, workspace: &Path) {
        self.add_folder(agent_id, workspace);
        self.add_folder(agent_id, &workspace.join(MEMORY_FOLDER));
    }

    fn add_folder(&self, agent_id: Uuid, path: &Path) {
        // The lock is not held while the disk is asked.
        let known = self.folders().get(path).map(|folder| folder.agent_id);
        // A link would be heard of where it leads.
        if known == Some(agent_id) || !path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return;
        }
        // FSEvents says where a file really is, whichever way led there.
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut watcher = self.watcher.lock().expect(UNPOISONED);
        let Some(watcher) = &mut *watcher else { return };
        match watcher.watch(path, RecursiveMode::NonRecursive) {
            Ok(()) => {
                let path = path.to_owned();
                let folder = Folder { agent_id, path };
                let mut folders = self.folders();
                folders.insert(canonical, folder.clone());
                folders.insert(folder.path.clone(), folder);
            }
            Err(error) => {
                let is_full = matches!(&error.kind, ErrorKind::MaxFilesWatch);
                if is_full && !self.is_partial.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "the system hears of no more folders (fs.inotify.max_user_watches): some are looked at \
                         every few seconds instead"
                    );
                }
            }
        }
    }

    fn folders(&self) -> MutexGuard<'_, HashMap<PathBuf, Folder>> {
        self.folders.lock().expect(UNPOISONED)
    }

    /// False where somebody waits for the system, who is not waited for.
    fn try_unwatch(&self, path: &Path) -> bool {
        let Ok(mut watcher) = self.watcher.try_lock() else {
            return false;
        };
        if let Some(watcher) = &mut *watcher {
            // It may be gone already.
            let _gone = watcher.unwatch(path);
        }
        true
    }

    fn agent_of(&self, path: &Path) -> Option<Uuid> {
        let mut folders = self.folders();
        if let Some(folder) = folders.get(path).cloned() {
            // The folder itself: another one may have its name by now.
            self.try_unwatch(&folder.path);
            folders.retain(|_, other| other.path != folder.path);
            return Some(folder.agent_id);
        }
        let agent_id = folders.get(path.parent()?)?.agent_id;
        is_of_interest(path).then_some(agent_id)
    }
}

fn is_of_interest(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    name == MEMORY_FOLDER
        || DocType::ALL
            .iter()
            .any(|doc_type| doc_type.file_name() == Some(name))
        || (name.ends_with(".md")
            && path
                .parent()
                .is_some_and(|folder| folder.ends_with(MEMORY_FOLDER)))
}

fn hints_of(event: notify::Result<Event>) -> Vec<Hint> {
    match event {
        Ok(event) if event.need_rescan() => vec![Hint::All],
        Ok(event) => match event.kind {
            // Who reads changes nothing; that is the mirror itself, too.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => at(event),
            EventKind::Access(_) => Vec::new(),
            _ => at(event),
        },
        Err(_) => vec![Hint::All],
    }
}

fn at(event: Event) -> Vec<Hint> {
    event.paths.into_iter().map(Hint::At).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn a_folder_below_a_link_is_heard_of_by_both_of_its_paths() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        fs::create_dir_all(root.join("real/workspace/memory")).expect("make");
        symlink(root.join("real"), root.join("link")).expect("link");
        let (agent_id, named) = (Uuid::from_u128(1), root.join("link/workspace"));
        let watch = Watch::new();
        let watched = watch.watched();
        watched.add(agent_id, &named);
        for workspace in ["link/workspace", "real/workspace"] {
            for file in ["SOUL.md", "memory/2026-11-21.md"] {
                let heard = watched.agent_of(&root.join(workspace).join(file));
                assert_eq!(heard, Some(agent_id), "{workspace}/{file}");
            }
        }
        // A folder that was replaced is asked for anew, whichever path was said.
        assert_eq!(watched.agent_of(&root.join("real/workspace")), Some(agent_id));
        assert_eq!(watched.agent_of(&named.join("SOUL.md")), None);
        watched.add(agent_id, &named);
        assert_eq!(
            watched.agent_of(&root.join("real/workspace/SOUL.md")),
            Some(agent_id)
        );
        watch.keep_only(|_, _| false);
        assert!(watched.folders().is_empty());
    }
}
