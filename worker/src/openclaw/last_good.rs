//! The last good copy of `openclaw.json`. OpenClaw keeps copies of its own; this one is from when all of the
//! worker's agents were in it.
//!
//! Only a file that nobody can parse is replaced, and only when it has not changed for a moment: it may be
//! that a person is just saving it.

use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use creel_core::status::HostEventKind;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::config_file::{self, CONFIG_MAX_BYTES};
use crate::host_events::HostEvents;

/// Name of the copy in the worker's folder.
pub(super) const LAST_GOOD_FILE: &str = "openclaw.last-good.json";

/// Longer than an editor takes to save a file.
const SETTLE: Duration = Duration::from_secs(2);

/// How often it is looked whether somebody changed the file; the look is one call of the system.
const WATCH_EVERY: Duration = Duration::from_secs(10);

/// Damaged files that are kept; who damages it all the time must not fill the disk.
const DAMAGED_MAX: usize = 10;

/// What the name of a damaged file begins with, after the file's own.
const DAMAGED: &str = ".damaged-";

/// What a file is.
#[derive(Debug, Clone, PartialEq)]
enum State {
    /// It is not there: a person may have taken it away.
    Absent,
    /// It says something.
    Good(Vec<u8>, Value),
    /// Nobody can parse it.
    Damaged(Vec<u8>),
    /// It cannot be read, or is no configuration by its size or kind.
    Unknown,
}

/// Keeps the copy, and puts it back.
#[derive(Debug)]
pub(super) struct LastGood {
    config_path: PathBuf,
    copy_path: PathBuf,
    events: Arc<HostEvents>,
    /// The damage that was told already, as there is nothing to put back.
    told: std::sync::Mutex<Option<Vec<u8>>>,
}

impl LastGood {
    pub(super) fn new(config_path: PathBuf, copy_path: PathBuf, events: Arc<HostEvents>) -> Self {
        Self {
            config_path,
            copy_path,
            events,
            told: std::sync::Mutex::default(),
        }
    }

    /// Copies the file, in which something was just written, if it is good. What was told of it is over.
    pub(super) async fn keep(&self) {
        let State::Good(bytes, _) = state(&self.config_path).await else {
            return;
        };
        *self.told.lock().expect("no holder of this lock panics") = None;
        self.write_copy(bytes).await;
    }

    async fn write_copy(&self, bytes: Vec<u8>) {
        let path = self.copy_path.clone();
        let kept = blocking(move || {
            if std::fs::read(&path).is_ok_and(|kept| kept == bytes) {
                return Ok(());
            }
            replace(&path, &bytes, 0o600)
        });
        if let Err(error) = kept.await {
            let path = self.copy_path.display();
            tracing::warn!(%error, "failed to keep a copy of OpenClaw's configuration at {path}: {error}");
        }
    }

    /// Puts the copy back if the file is damaged and stays so. Answers whether it did.
    pub(super) async fn mend_if_damaged(&self) -> bool {
        let State::Damaged(before) = state(&self.config_path).await else {
            return false;
        };
        tokio::time::sleep(SETTLE).await;
        match state(&self.config_path).await {
            State::Damaged(now) if now == before => {}
            _ => return false,
        }
        let (config_path, copy_path) = (self.config_path.clone(), self.copy_path.clone());
        let damaged = before.clone();
        match blocking(move || restore(&config_path, &copy_path, &damaged)).await {
            Ok(Some(kept_as)) => {
                let (path, kept_as) = (self.config_path.display(), kept_as.display());
                tracing::warn!(
                    "{path} was damaged; put the last good one back, and kept the damaged one as {kept_as}"
                );
                let payload = json!({ "path": path.to_string(), "damaged": kept_as.to_string() });
                self.events.push(HostEventKind::ConfigRestored, payload);
                true
            }
            Ok(None) => {
                self.tell_damage(before, "there is no good copy of it to put back");
                false
            }
            Err(error) => {
                self.tell_damage(before, &format!("the good copy could not be put back: {error}"));
                false
            }
        }
    }

    /// Whether the file cannot be parsed.
    pub(super) async fn is_damaged(&self) -> bool {
        matches!(state(&self.config_path).await, State::Damaged(_))
    }

    pub(super) fn tell_refused(&self, message: &str) {
        let why = format!("OpenClaw does not accept it: {message}");
        self.tell(message.as_bytes().to_vec(), &why);
    }

    fn tell_damage(&self, damage: Vec<u8>, why: &str) {
        self.tell(damage, &format!("it is damaged, and {why}"));
    }

    /// Tells the same only once.
    fn tell(&self, damage: Vec<u8>, why: &str) {
        let mut told = self.told.lock().expect("no holder of this lock panics");
        if told.as_ref() == Some(&damage) {
            return;
        }
        *told = Some(damage);
        let path = self.config_path.display();
        tracing::error!("{path} cannot be used, {why}; repair it (openclaw doctor)");
        let payload = json!({ "path": path.to_string(), "message": why });
        self.events.push(HostEventKind::ConfigUnusable, payload);
    }

    /// Looks at the file now and then, beside those who change it.
    pub(super) async fn watch(&self, turn: &Mutex<()>) {
        let mut seen = None;
        loop {
            let path = self.config_path.clone();
            let stamp = blocking(move || Ok(stamp(&path))).await.ok().flatten();
            if stamp != seen {
                let _alone = turn.lock().await;
                match state(&self.config_path).await {
                    State::Damaged(_) => {
                        self.mend_if_damaged().await;
                    }
                    State::Good(bytes, now) if self.has_all_kept_agents(&now).await => {
                        self.write_copy(bytes).await;
                    }
                    _ => {}
                }
                seen = stamp;
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }

    /// Whether a configuration has all agents of the copy: what lost some is no better than the copy.
    async fn has_all_kept_agents(&self, now: &Value) -> bool {
        let entries = |config: &Value| {
            config
                .pointer("/agents/entries")
                .and_then(Value::as_object)
                .cloned()
        };
        let State::Good(_, kept) = state(&self.copy_path).await else {
            return true;
        };
        let (kept, now) = (
            entries(&kept).unwrap_or_default(),
            entries(now).unwrap_or_default(),
        );
        kept.keys().all(|id| now.contains_key(id))
    }
}

/// What tells one version of a file from the next without reading it.
fn stamp(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let metadata = path.metadata().ok()?;
    Some((
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    ))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the work broke off")))
}

async fn state(path: &Path) -> State {
    let path = path.to_owned();
    blocking(move || Ok(read(&path))).await.unwrap_or(State::Unknown)
}

fn read(path: &Path) -> State {
    let mut bytes = Vec::new();
    match config_file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return State::Absent,
        Ok(Some(file)) => match file.take(CONFIG_MAX_BYTES + 1).read_to_end(&mut bytes) {
            Ok(size_bytes) if size_bytes as u64 <= CONFIG_MAX_BYTES => {}
            _ => return State::Unknown,
        },
        _ => return State::Unknown,
    }
    match std::str::from_utf8(&bytes).ok().and_then(config_file::parse) {
        Some(config) => State::Good(bytes, config),
        None => State::Damaged(bytes),
    }
}

/// Puts the copy in place of the damaged file, which is kept beside it. None if there is no good copy, or the
/// file has changed meanwhile.
fn restore(config_path: &Path, copy_path: &Path, damaged: &[u8]) -> io::Result<Option<PathBuf>> {
    let State::Good(good, _) = read(copy_path) else {
        return Ok(None);
    };
    // A person may keep the file elsewhere and have a symbolic link here.
    let path = config_path.canonicalize()?;
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
    let kept_as = beside(&path, &format!("{DAMAGED}{now}"));
    replace(&kept_as, damaged, 0o600)?;
    forget_oldest(&path);
    if read(&path) != State::Damaged(damaged.to_vec()) {
        return Ok(None);
    }
    let mode = path.metadata()?.permissions().mode() & 0o777;
    replace(&path, &good, mode)?;
    Ok(Some(kept_as))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn forget_oldest(path: &Path) {
    let begins = format!(
        "{}{DAMAGED}",
        path.file_name().unwrap_or_default().to_string_lossy()
    );
    let Some(Ok(listing)) = path.parent().map(std::fs::read_dir) else {
        return;
    };
    let names = listing.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let mut damaged: Vec<_> = names.filter(|name| name.starts_with(&begins)).collect();
    // The time is in the name.
    damaged.sort();
    for name in damaged.iter().rev().skip(DAMAGED_MAX) {
        let _gone = std::fs::remove_file(path.with_file_name(name));
    }
}

/// Writes a whole file in place of what is there.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".creel-")
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        folder: tempfile::TempDir,
        last_good: LastGood,
    }

    const GOOD: &str = r#"{"agents": {"entries": {"ada": {"workspace": "/ws/ada"}}}}"#;

    fn place() -> Place {
        let folder = tempfile::tempdir().expect("make a folder");
        let last_good = LastGood::new(
            folder.path().join("openclaw.json"),
            folder.path().join(LAST_GOOD_FILE),
            Arc::default(),
        );
        Place { folder, last_good }
    }

    impl Place {
        fn write(&self, text: &str) {
            std::fs::write(&self.last_good.config_path, text).expect("write");
        }

        fn text(&self) -> String {
            std::fs::read_to_string(&self.last_good.config_path).expect("read")
        }

        fn damaged(&self) -> Vec<String> {
            let entries = std::fs::read_dir(self.folder.path()).expect("a listing");
            let names = entries.map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            });
            names.filter(|name| name.contains(DAMAGED)).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_truncated_configuration_is_put_back_and_the_damaged_one_is_kept() {
        let place = place();
        place.write(GOOD);
        place.last_good.keep().await;
        let mode = |path: &Path| path.metadata().expect("it is there").mode() & 0o777;
        assert_eq!(mode(&place.last_good.copy_path), 0o600);
        for damage in [&GOOD[..GOOD.len() / 2], "", "{agents: "] {
            place.write(damage);
            assert!(place.last_good.mend_if_damaged().await, "{damage:?}");
            assert_eq!(place.text(), GOOD);
        }
        assert_eq!(place.damaged().len(), 3);
        let events = place.last_good.events.next();
        assert!(
            events
                .iter()
                .all(|event| event.kind == HostEventKind::ConfigRestored)
        );
        assert_eq!(events.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_parses_is_never_overwritten_nor_what_is_just_being_written() {
        let place = place();
        place.write(GOOD);
        place.last_good.keep().await;
        place.write("{mine: true,}");
        assert!(!place.last_good.mend_if_damaged().await);
        place.write("{half");
        let saving = async {
            tokio::time::sleep(SETTLE / 2).await;
            place.write("{half: 'saved'}");
        };
        let (mended, ()) = tokio::join!(place.last_good.mend_if_damaged(), saving);
        assert!(!mended);
        assert_eq!(place.text(), "{half: 'saved'}");
        std::fs::remove_file(&place.last_good.config_path).expect("remove");
        assert!(!place.last_good.mend_if_damaged().await, "it was taken away");
    }

    #[tokio::test(start_paused = true)]
    async fn damage_that_cannot_be_mended_is_told_once() {
        let place = place();
        place.write("{half");
        for _ in 0..3 {
            assert!(!place.last_good.mend_if_damaged().await);
        }
        let events = place.last_good.events.next();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].kind, HostEventKind::ConfigUnusable);
    }

    #[tokio::test]
    async fn a_configuration_that_lost_agents_is_no_better_than_the_copy() {
        let place = place();
        place.write(GOOD);
        place.last_good.keep().await;
        let has_all = async |config| place.last_good.has_all_kept_agents(&config).await;
        assert!(!has_all(json!({})).await);
        assert!(has_all(json!({"agents": {"entries": {"ada": {}, "bob": {}}}})).await);
    }
}
