//! Replaces the host's key by a new one that nobody but the host has seen.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use creel_core::host_api::API;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::api::Api;
use crate::host_key::HostKey;
use crate::transport::argument::encode;
use crate::transport::{CALL_LIMIT, CallError};

/// Two processes of this host are not to make a key each.
const LOCK: &str = ".lock";

/// Knows the host's key and how to replace it.
#[derive(Clone)]
pub(crate) struct KeyRotation {
    api: Arc<Api>,
}

/// A key that took another one's place.
#[derive(Debug, Clone)]
pub struct Rotated {
    /// The file that holds it.
    pub file: PathBuf,
    /// Until when it is good; none for until it is revoked.
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct RotateRequest {
    api: u32,
    key_sha256: String,
}

#[derive(Debug, Deserialize)]
struct RotateReply {
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

impl KeyRotation {
    pub(super) fn new(api: Arc<Api>) -> Self {
        Self { api }
    }

    /// Until when the key is good that is used now; none for until it is revoked. Asking for what is so already
    /// changes nothing.
    pub(crate) async fn expires_at(&self) -> Result<Option<Timestamp>, CallError> {
        loop {
            let key = self.api.keyring.current();
            match self.announce(&key).await {
                Ok(reply) => return Ok(reply.expires_at),
                // Another one took its place while it was asked about.
                Err(CallError::Refused(_)) if self.api.keyring.current() != key => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether most of the key's life is over.
    pub(crate) fn is_due(&self, expires_at: Timestamp) -> bool {
        let written = std::fs::metadata(self.api.keyring.file()).and_then(|metadata| metadata.modified());
        let age = written
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok())
            .unwrap_or_default();
        let remaining = Timestamp::now().duration_until(expires_at);
        plan_rotation(Duration::try_from(remaining).unwrap_or_default(), age)
    }

    /// Makes a key, tells the database its hash, and goes on with it. What was begun and not ended, by a process that
    /// was killed or whose answer was lost, is ended with the key that was made then.
    pub(crate) async fn rotate(&self) -> anyhow::Result<Rotated> {
        let keyring = &self.api.keyring;
        let _turn = lock(keyring.file())?;
        let begun = keyring.next();
        let (next, reply) = match begun {
            Some(begun) => match self.announce(&begun).await {
                // It was one of an earlier time, and has ended since.
                Err(CallError::Refused(_)) => self.announce_new().await?,
                reply => (begun, reply?),
            },
            None => self.announce_new().await?,
        };
        keyring
            .adopt(&next)
            .with_context(|| format!("write the new key to {}", keyring.file().display()))?;
        Ok(Rotated {
            file: keyring.file().to_owned(),
            expires_at: reply.expires_at,
        })
    }

    /// The new key is on the disk before anybody knows its hash.
    async fn announce_new(&self) -> anyhow::Result<(HostKey, RotateReply)> {
        let (key, path) = (HostKey::generate(), self.api.keyring.next_file());
        key.write(&path)
            .with_context(|| format!("write the new key to {}", path.display()))?;
        let reply = self.announce(&key).await?;
        Ok((key, reply))
    }

    async fn announce(&self, key: &HostKey) -> Result<RotateReply, CallError> {
        let argument = encode(&RotateRequest {
            api: API,
            key_sha256: key.sha256(),
        })?;
        let answer = self.api.call("rotate_host_key", &argument, CALL_LIMIT).await;
        answer.map_err(|failed| failed.error)
    }
}

/// Two thirds of its life are enough: what is left is for all that may keep the next one from being made.
fn plan_rotation(remaining: Duration, age: Duration) -> bool {
    remaining <= age / 2
}

/// Held until it is dropped.
fn lock(key_file: &Path) -> anyhow::Result<File> {
    let mut path = key_file.to_owned().into_os_string();
    path.push(LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("open {}", Path::new(&path).display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another process replaces this host's key just now"),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("lock {}", Path::new(&path).display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_replaced_when_two_thirds_of_its_life_are_over() {
        let hours = |hours: u64| Duration::from_secs(3_600 * hours);
        for (remaining, age, is_due) in [
            (hours(24), hours(0), false),
            (hours(9), hours(15), false),
            (hours(8), hours(16), true),
            (hours(0), hours(0), true),
        ] {
            assert_eq!(plan_rotation(remaining, age), is_due, "{remaining:?} {age:?}");
        }
    }
}
