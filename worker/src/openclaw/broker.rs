//! One writer at a time.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Serialises all changes to one OpenClaw configuration, in the order in which they were asked for.
/// OpenClaw would do that too, but each waiting process costs half a gigabyte. Clones share one queue.
#[derive(Debug, Clone, Default)]
pub struct Broker(Arc<Mutex<()>>);

/// The right to change the configuration, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _held: OwnedMutexGuard<()>,
}

impl Broker {
    /// Waits until all earlier changes are done.
    pub async fn turn(&self) -> Turn {
        Turn {
            _held: Arc::clone(&self.0).lock_owned().await,
        }
    }
}
