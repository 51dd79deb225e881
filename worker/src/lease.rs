//! The right to work on one item, and how it is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use creel_core::clock::Moment;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// tokio's clock stands still while the machine sleeps: what waits for the end of a lease looks at the
/// other clock this often, so that a process does not go on for a lease's length after the wake-up.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The right to work on one claimed item. Clones share one state.
#[derive(Debug, Clone)]
pub struct Lease {
    token: Uuid,
    expires: Arc<Mutex<Moment>>,
    lost: CancellationToken,
    cancelled: Arc<AtomicBool>,
}

/// The item belongs to somebody else now, or may: nothing more may be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease is lost")]
pub struct LeaseLost;

impl Lease {
    /// A lease that the database gave in answer to a request sent at `asked`.
    pub fn new(token: Uuid, asked: Moment, lasts: Duration) -> Self {
        Self {
            token,
            expires: Arc::new(Mutex::new(asked + lasts)),
            lost: CancellationToken::new(),
            cancelled: Arc::default(),
        }
    }

    /// The fence that every write about the item carries.
    pub fn token(&self) -> Uuid {
        self.token
    }

    /// Whether the item is still ours, by a clock that counts sleep.
    pub fn check(&self) -> Result<(), LeaseLost> {
        if self.expires().has_passed() {
            self.lost.cancel();
        }
        if self.lost.is_cancelled() {
            Err(LeaseLost)
        } else {
            Ok(())
        }
    }

    /// The database renewed it in answer to a request sent at `asked`. A lost lease stays lost.
    pub fn renew(&self, asked: Moment, lasts: Duration) {
        let mut expires = self.expires.lock().expect("no holder of this lock panics");
        *expires = (*expires).max(asked + lasts);
    }

    /// Ends it: the database said that it is gone, or the item is to be given back.
    pub fn lose(&self) {
        self.lost.cancel();
    }

    /// Ends the work on an item that is ours still: something newer makes it needless.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.lost.cancel();
    }

    /// Whether the item is ours still and its work needless.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire) && !self.expires().has_passed()
    }

    /// Waits until it is lost, be it by word of the database or by time.
    pub async fn lost(&self) {
        while self.check().is_ok() {
            let remaining = self.expires().remaining();
            tokio::select! {
                () = self.lost.cancelled() => {}
                () = tokio::time::sleep(remaining.min(LOOK_EVERY)) => {}
            }
        }
    }

    fn expires(&self) -> Moment {
        *self.expires.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lease_is_lost_by_time_and_not_found_again() {
        let lease = Lease::new(Uuid::nil(), Moment::now(), Duration::ZERO);
        lease.lost().await;
        lease.renew(Moment::now(), Duration::from_secs(60));
        assert_eq!(lease.check(), Err(LeaseLost));
    }

    #[tokio::test]
    async fn a_renewed_lease_outlives_its_first_term() {
        let lease = Lease::new(Uuid::nil(), Moment::now(), Duration::from_millis(1));
        lease.renew(Moment::now(), Duration::from_secs(60));
        assert_eq!(lease.check(), Ok(()));
    }

    #[test]
    fn only_what_is_ours_still_is_cancelled() {
        let lasts = Duration::from_secs(60);
        let lease = Lease::new(Uuid::nil(), Moment::now(), lasts);
        lease.cancel();
        assert_eq!((lease.check(), lease.is_cancelled()), (Err(LeaseLost), true));
        let lost = Lease::new(Uuid::nil(), Moment::now(), lasts);
        lost.lose();
        assert!(!lost.is_cancelled());
        let late = Lease::new(Uuid::nil(), Moment::now(), Duration::ZERO);
        late.cancel();
        assert!(!late.is_cancelled());
    }

    #[tokio::test]
    async fn a_lost_lease_wakes_whoever_waits() {
        let lease = Lease::new(Uuid::nil(), Moment::now(), Duration::from_secs(60));
        let waiter = tokio::spawn({
            let lease = lease.clone();
            async move { lease.lost().await }
        });
        lease.lose();
        waiter.await.expect("the waiter ends");
    }
}
