//! One writer at a time, and a good copy of what was written.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::last_good::{LAST_GOOD_FILE, LastGood};
use crate::host_events::HostEvents;

/// All changes to one OpenClaw configuration go through it, in the order in which they were asked for.
/// OpenClaw would see to that too, but each waiting process costs half a gigabyte. Clones share one queue.
#[derive(Debug, Clone, Default)]
pub struct Broker {
    turn: Arc<Mutex<()>>,
    last_good: Option<Arc<LastGood>>,
}

/// The right to change the configuration, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _held: OwnedMutexGuard<()>,
    last_good: Option<Arc<LastGood>>,
}

impl Broker {
    /// A broker that keeps a copy of the configuration in the worker's own folder, and puts it back when the
    /// configuration is damaged. What it does is told to `events`.
    pub fn keeping(config_path: PathBuf, data_dir: PathBuf, events: Arc<HostEvents>) -> Self {
        let copy_path = data_dir.join(LAST_GOOD_FILE);
        Self {
            turn: Arc::default(),
            last_good: Some(Arc::new(LastGood::new(config_path, copy_path, events))),
        }
    }

    /// Waits until all earlier changes are done, and until the configuration can be changed: a damaged one is
    /// put right before.
    pub async fn turn(&self) -> Turn {
        let held = Arc::clone(&self.turn).lock_owned().await;
        if let Some(last_good) = &self.last_good {
            last_good.mend_if_damaged().await;
        }
        Turn {
            _held: held,
            last_good: self.last_good.clone(),
        }
    }

    /// Puts the last good configuration back if the present one is damaged. Answers whether it did.
    pub async fn mend(&self) -> bool {
        let Some(last_good) = &self.last_good else {
            return false;
        };
        // Who only reads waits for nobody who writes.
        if !last_good.is_damaged().await {
            return false;
        }
        let _alone = self.turn.lock().await;
        last_good.mend_if_damaged().await
    }

    /// Tells that OpenClaw does not take its configuration, though it can be parsed: that is for a person to
    /// mend.
    pub(super) fn tell_refused(&self, message: &str) {
        if let Some(last_good) = &self.last_good {
            last_good.tell_refused(message);
        }
    }

    /// Keeps a copy of the configuration, in which something was just written.
    pub(super) async fn keep_last_good(&self) {
        if let Some(last_good) = &self.last_good {
            last_good.keep().await;
        }
    }

    /// Looks after the configuration until it is dropped, so that damage is noticed where nobody changes
    /// anything, and what a person changed is in the copy.
    pub async fn watch(self) {
        let Some(last_good) = self.last_good.clone() else {
            return;
        };
        last_good.watch(&self.turn).await;
    }
}

impl Turn {
    /// Keeps a copy of the configuration; it has what was written in this turn.
    pub async fn keep_last_good(&self) {
        if let Some(last_good) = &self.last_good {
            last_good.keep().await;
        }
    }
}
