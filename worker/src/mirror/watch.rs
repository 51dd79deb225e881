//! Hears of changes in agents' folders. A hint and no more: what is not heard is found by the next scan.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use creel_core::status::DocType;
use notify::event::{AccessKind, AccessMode};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use uuid::Uuid;

/// The folder of the days' memories.
const MEMORY_FOLDER: &str = "memory";

/// More at once are as good as a scan of all.
const HINTS_MAX: usize = 4_096;

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
    /// None where the system has no such thing.
    watcher: Option<RecommendedWatcher>,
    hints: mpsc::Receiver<Hint>,
    folders: HashMap<PathBuf, Uuid>,
    /// Whether some folder is not heard of.
    is_partial: bool,
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
        Self {
            is_partial: watcher.is_none(),
            watcher,
            hints,
            folders: HashMap::new(),
        }
    }

    /// Hears of an agent's folder from now on, and of that of its days.
    pub(super) fn add(&mut self, agent_id: Uuid, workspace: &Path) {
        self.add_folder(agent_id, workspace);
        self.add_folder(agent_id, &workspace.join(MEMORY_FOLDER));
    }

    fn add_folder(&mut self, agent_id: Uuid, folder: &Path) {
        let Some(watcher) = &mut self.watcher else { return };
        // A link would be heard of where it leads.
        if self.folders.get(folder) == Some(&agent_id)
            || !folder.symlink_metadata().is_ok_and(|found| found.is_dir())
        {
            return;
        }
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => drop(self.folders.insert(folder.to_owned(), agent_id)),
            Err(error) => {
                let is_full = matches!(&error.kind, ErrorKind::MaxFilesWatch);
                if is_full && !std::mem::replace(&mut self.is_partial, true) {
                    tracing::warn!(
                        "the system hears of no more folders (fs.inotify.max_user_watches): some are looked at \
                         every few seconds instead"
                    );
                }
            }
        }
    }

    /// Hears no more of the folders of agents that are not here.
    pub(super) fn keep_only(&mut self, is_here: impl Fn(Uuid, &Path) -> bool) {
        let Some(watcher) = &mut self.watcher else { return };
        for (folder, _) in self.folders.extract_if(|folder, id| !is_here(*id, folder)) {
            // It may be gone already.
            let _gone = watcher.unwatch(&folder);
        }
    }

    /// Whether a scan is all that finds changes in some of the folders.
    pub(super) const fn is_partial(&self) -> bool {
        self.is_partial
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
            if let Some(agent_id) = self.agent_of(&path) {
                return Some(agent_id);
            }
        }
    }

    fn agent_of(&mut self, path: &Path) -> Option<Uuid> {
        if let Some(agent_id) = self.folders.get(path).copied() {
            // The folder itself: another one may have its name by now.
            if let Some(watcher) = &mut self.watcher {
                let _gone = watcher.unwatch(path);
            }
            self.folders.remove(path);
            return Some(agent_id);
        }
        let agent_id = *self.folders.get(path.parent()?)?;
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
