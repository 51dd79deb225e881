//! What the worker knows of its own state, for `/readyz`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use creel_core::clock::Moment;
use uuid::Uuid;

/// Two ticks may be missed; with the third the leases run out.
const TICKS_UNTIL_STALE: u32 = 3;

/// State of the connections. Written by the loops, read by the pages.
#[derive(Debug, Default)]
pub(crate) struct Health {
    main_up: AtomicBool,
    draining: AtomicBool,
    shut_out: AtomicBool,
    ticked: Mutex<Option<Ticked>>,
}

#[derive(Debug, Clone, Copy)]
struct Ticked {
    host_id: Uuid,
    stale_at: Moment,
    connected: bool,
}

impl Health {
    /// The main connection came or went.
    pub(crate) fn set_main_up(&self, up: bool) {
        self.main_up.store(up, Ordering::Relaxed);
    }

    /// The worker takes nothing more.
    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The database does not let this host in, or does again.
    pub(crate) fn set_shut_out(&self, shut_out: bool) {
        self.shut_out.store(shut_out, Ordering::Relaxed);
    }

    /// The database answered a tick that was asked for at `asked`.
    pub(crate) fn ticked(&self, host_id: Uuid, asked: Moment, every: Duration) {
        let stale_at = asked + every * TICKS_UNTIL_STALE;
        *self.ticked.lock().expect("no holder of this lock panics") = Some(Ticked {
            host_id,
            stale_at,
            connected: true,
        });
    }

    /// A tick failed, or its connection ended.
    pub(crate) fn tick_down(&self) {
        if let Some(ticked) = &mut *self.ticked.lock().expect("no holder of this lock panics") {
            ticked.connected = false;
        }
    }

    /// This host, as the database knows it; none before the first tick.
    pub(crate) fn host_id(&self) -> Option<Uuid> {
        self.ticked
            .lock()
            .expect("no holder of this lock panics")
            .map(|ticked| ticked.host_id)
    }

    /// Why the worker is not ready; empty when it is.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        let ticked = *self.ticked.lock().expect("no holder of this lock panics");
        let mut reasons = Vec::new();
        if !self.main_up.load(Ordering::Relaxed) {
            reasons.push("the main connection to the database is down");
        }
        match ticked {
            None => reasons.push("no tick was answered yet"),
            Some(ticked) => {
                if !ticked.connected {
                    reasons.push("the last tick failed, or its connection ended");
                }
                if ticked.stale_at.has_passed() {
                    reasons.push("the last tick is too long ago");
                }
            }
        }
        if self.shut_out.load(Ordering::Relaxed) {
            reasons
                .push("the database does not let this host in: it may have been revoked, the log says more");
        }
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("the worker is stopping");
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_has_both_connections_and_a_fresh_tick() {
        let health = Health::default();
        assert_eq!(health.reasons().len(), 2);
        health.set_main_up(true);
        health.ticked(Uuid::nil(), Moment::now(), Duration::from_secs(60));
        assert!(health.reasons().is_empty());
        health.tick_down();
        assert_eq!(
            health.reasons(),
            ["the last tick failed, or its connection ended"]
        );
        health.ticked(Uuid::nil(), Moment::now(), Duration::ZERO);
        assert_eq!(health.reasons(), ["the last tick is too long ago"]);
    }
}
