//! What this session holds.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use creel_core::telemetry::LEASE_LOST;
use uuid::Uuid;

use crate::lease::Lease;

/// The leases of all claimed items, from the claim until their finish is known.
#[derive(Debug, Default)]
pub(crate) struct Held {
    leases: Mutex<HashMap<Uuid, Entry>>,
    giving_back: AtomicBool,
    given_back: Mutex<Vec<Uuid>>,
}

#[derive(Debug)]
struct Entry {
    queue: String,
    lease: Lease,
    /// Whether its loss is counted: each tick tells of it until the job has stopped.
    loss_counted: bool,
}

impl Held {
    /// Adds a claimed item.
    pub(crate) fn add(&self, queue: &str, lease: &Lease) {
        let entry = Entry {
            queue: queue.to_owned(),
            lease: lease.clone(),
            loss_counted: false,
        };
        self.leases().insert(lease.token(), entry);
        if self.giving_back.load(Ordering::Acquire) {
            lease.lose();
        }
    }

    /// The item is finished, lost or given back.
    pub(crate) fn remove(&self, token: Uuid) {
        self.leases().remove(&token);
    }

    /// All tokens, as a tick tells them.
    pub(crate) fn tokens(&self) -> Vec<Uuid> {
        self.leases().keys().copied().collect()
    }

    /// How many items are held.
    pub(crate) fn count(&self) -> usize {
        self.leases().len()
    }

    /// Does `act` on the lease of a token, if it is still held.
    pub(crate) fn with(&self, token: Uuid, act: impl FnOnce(&Lease)) {
        if let Some(entry) = self.leases().get(&token) {
            act(&entry.lease);
        }
    }

    /// The database said that the job on what is held still is to be cancelled.
    pub(crate) fn cancel(&self, token: Uuid) {
        self.with(token, Lease::cancel);
    }

    /// The database said that a lease is gone.
    pub(crate) fn lose(&self, token: Uuid) {
        if let Some(entry) = self.leases().get_mut(&token) {
            if !std::mem::replace(&mut entry.loss_counted, true) {
                metrics::counter!(LEASE_LOST, "queue" => entry.queue.clone()).increment(1);
            }
            entry.lease.lose();
        }
    }

    /// Stops all jobs; what they leave is to be given back.
    pub(crate) fn give_back_all(&self) {
        self.giving_back.store(true, Ordering::Release);
        for entry in self.leases().values() {
            entry.lease.lose();
        }
    }

    /// A job has stopped without a result. While the worker gives back, its item is noted for that.
    pub(crate) fn stopped(&self, token: Uuid) {
        if self.giving_back.load(Ordering::Acquire) {
            self.given_back
                .lock()
                .expect("no holder of this lock panics")
                .push(token);
        }
    }

    /// What is to be given back: only jobs that are known to have stopped.
    pub(crate) fn take_given_back(&self) -> Vec<Uuid> {
        std::mem::take(&mut self.given_back.lock().expect("no holder of this lock panics"))
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Entry>> {
        self.leases.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use creel_core::clock::Moment;

    use super::*;

    fn lease(n: u128) -> Lease {
        Lease::new(Uuid::from_u128(n), Moment::now(), Duration::from_secs(60))
    }

    #[test]
    fn only_jobs_that_stopped_are_given_back() {
        let held = Held::default();
        let (one, two) = (lease(1), lease(2));
        held.add("q", &one);
        held.add("q", &two);
        held.stopped(one.token());
        assert!(
            held.take_given_back().is_empty(),
            "nothing is given back before the end"
        );
        held.give_back_all();
        assert!(one.check().is_err() && two.check().is_err());
        held.stopped(two.token());
        assert_eq!(held.take_given_back(), [two.token()]);
    }

    #[test]
    fn what_is_claimed_while_giving_back_stops_too() {
        let held = Held::default();
        held.give_back_all();
        let late = lease(3);
        held.add("q", &late);
        assert!(late.check().is_err());
    }
}
