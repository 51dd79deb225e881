//! Holds calls back for a while when the other side asked for that.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::super::error::CallError;
use crate::host_key::HostKey;

/// A host whose key is refused asks no more often: nobody else is to wait because of it, and its owner who lets it
/// in again waits so long at most. A key that is new in its file is tried at once.
const SHUT_OUT_PAUSE: Duration = Duration::from_secs(30);
/// Nobody is believed who asks for more: the leases would be gone, and the host look offline.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Open, but for some time after a refusal.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: Mutex<Option<Closed>>,
}

#[derive(Debug)]
struct Closed {
    until: Instant,
    why: Why,
}

#[derive(Debug, Clone)]
enum Why {
    /// These keys were refused, with these words.
    ShutOut { said: String, refused: Vec<HostKey> },
    /// There were too many calls.
    Busy,
}

/// The other side asked for a pause.
#[derive(Debug, thiserror::Error)]
#[error("the Data API asked for a pause")]
struct Paused;

impl Gate {
    /// Lets a call through, or says why not, and by which keys nobody comes through.
    pub(super) fn pass(&self) -> Result<(), (CallError, Vec<HostKey>)> {
        let mut closed = self.closed.lock().expect("no holder of this lock panics");
        match closed.as_ref().filter(|closed| closed.until > Instant::now()) {
            None => {
                *closed = None;
                Ok(())
            }
            Some(closed) => Err(match &closed.why {
                Why::ShutOut { said, refused } => (CallError::KeyRefused(said.clone()), refused.clone()),
                Why::Busy => (CallError::Unavailable(Paused.into()), Vec::new()),
            }),
        }
    }

    /// These keys were refused.
    pub(super) fn shut_out(&self, said: &str, refused: Vec<HostKey>) {
        let said = said.to_owned();
        self.close(SHUT_OUT_PAUSE, Why::ShutOut { said, refused });
    }

    /// Calls are to wait for so long.
    pub(super) fn pause(&self, wished: Duration) {
        self.close(wished.min(MAX_PAUSE), Why::Busy);
    }

    fn close(&self, pause: Duration, why: Why) {
        let until = Instant::now() + pause;
        *self.closed.lock().expect("no holder of this lock panics") = Some(Closed { until, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_is_not_tried_again_at_once_and_says_why() {
        let gate = Gate::default();
        assert!(gate.pass().is_ok());
        gate.shut_out("revoked", vec![HostKey::generate()]);
        let (error, refused) = gate.pass().expect_err("closed");
        assert!(matches!(error, CallError::KeyRefused(said) if said == "revoked"));
        assert_eq!(refused.len(), 1);
        gate.pause(Duration::ZERO);
        assert!(gate.pass().is_ok());
        gate.pause(Duration::from_secs(1_000_000));
        assert!(gate.pass().is_err_and(|(error, _)| error.is_passing()));
    }
}
