//! What the keeper knows of `openclaw.json`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::section::{Section, ensure};
use crate::openclaw::{Broker, Overview};

/// The configuration, read again when it has changed.
pub(super) struct ConfigWatch {
    path: PathBuf,
    broker: Broker,
    /// None before the first look.
    seen: Option<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Another number for another file.
    fingerprint: u64,
    port: Option<u16>,
    /// What a person has to do before a gateway can be started.
    missing: Option<String>,
    /// Whether it was made sure that there is a section for a gateway.
    ensured: bool,
}

impl ConfigWatch {
    pub(super) fn new(path: PathBuf, broker: Broker) -> Self {
        Self {
            path,
            broker,
            seen: None,
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Which one it is: another number for another content.
    pub(super) fn fingerprint(&self) -> u64 {
        self.seen.as_ref().map_or(0, |seen| seen.fingerprint)
    }

    /// The gateway's port.
    pub(super) fn port(&self) -> Option<u16> {
        self.seen.as_ref()?.port
    }

    /// What a person has to do before a gateway can be started.
    pub(super) fn missing(&self) -> Option<&str> {
        self.seen.as_ref()?.missing.as_deref()
    }

    /// Whether it has what a gateway needs.
    pub(super) fn is_startable(&self) -> bool {
        self.port().is_some() && self.missing().is_none()
    }

    /// Reads it if it has changed; where there is no gateway yet, one may be written into it. Answers with what a
    /// person has to do, when that is new.
    pub(super) async fn look(&mut self, may_write: bool) -> Option<String> {
        let fingerprint = self.ask_fingerprint().await;
        if let Some(seen) = &self.seen
            && seen.fingerprint == fingerprint
            && (seen.ensured || !may_write)
        {
            return None;
        }
        let missing = if may_write { self.mend().await } else { None };
        let port = match Overview::read(&self.path).await {
            Ok(Some(overview)) => overview.gateway_port,
            // Somebody is writing it, or it is damaged: what runs goes on with what it read.
            _ => self.port(),
        };
        let is_new = missing.as_deref() != self.missing();
        self.seen = Some(Seen {
            // What was written just now is known.
            fingerprint: self.ask_fingerprint().await,
            port,
            missing: missing.clone(),
            ensured: may_write,
        });
        missing.filter(|_| is_new)
    }

    /// Makes sure that there is a section for a gateway; answers with what a person has to do about it.
    pub(super) async fn mend(&self) -> Option<String> {
        let path = self.path.clone();
        let turn = self.broker.turn().await;
        let ensured = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            ensure(&path)
        });
        let unusable =
            |error: &dyn std::fmt::Display| Some(format!("{} cannot be used: {error}", self.path.display()));
        match ensured.await {
            Ok(Ok(Section::Present)) => None,
            Ok(Ok(Section::Written)) => {
                tracing::info!("gave {} a gateway", self.path.display());
                None
            }
            Ok(Ok(Section::Missing(what))) => Some(what),
            Ok(Err(error)) => unusable(&error),
            Err(error) => unusable(&error),
        }
    }

    async fn ask_fingerprint(&self) -> u64 {
        let path = self.path.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let found = std::fs::metadata(path).ok()?;
            Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
        });
        let mut hasher = DefaultHasher::new();
        looked.await.ok().flatten().hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_runs_keeps_its_port_while_the_file_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("openclaw.json");
        let mut config = ConfigWatch::new(path.clone(), Broker::default());
        std::fs::write(&path, r#"{"gateway": {"port": 4242}}"#).expect("write");
        assert_eq!(config.look(false).await, None);
        assert_eq!(config.port(), Some(4242));
        std::fs::write(&path, "{\"gateway\": ").expect("damage it");
        assert_eq!(config.look(false).await, None);
        assert_eq!(config.port(), Some(4242));
        let said = config.look(true).await.expect("it is damaged");
        assert!(said.contains("repair") && !config.is_startable(), "{said}");
        assert_eq!(config.look(true).await, None, "it is said once");
        std::fs::write(&path, "{}").expect("write");
        assert_eq!(config.look(true).await, None);
        assert!(config.is_startable());
    }
}
