//! How many changes of the configuration a connection may ask for.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;

use super::refusal::Refusal;

/// As the real one: refused calls count, too, and a new connection begins anew.
const MAX_CALLS: usize = 30;
const WINDOW: Duration = Duration::from_secs(60);

/// The calls of one connection.
#[derive(Default)]
pub(super) struct Limit(Mutex<VecDeque<Instant>>);

impl Limit {
    /// Counts a call.
    pub(super) fn count(&self, method: &str) -> Result<(), Refusal> {
        let mut calls = self.0.lock().expect("no holder of this lock panics");
        while calls.front().is_some_and(|call| call.elapsed() >= WINDOW) {
            calls.pop_front();
        }
        if calls.len() < MAX_CALLS {
            calls.push_back(Instant::now());
            return Ok(());
        }
        let left = calls
            .front()
            .map_or(WINDOW, |call| WINDOW.saturating_sub(call.elapsed()));
        let message = format!(
            "rate limit exceeded for {method}; retry after {}s",
            left.as_secs() + 1
        );
        let details = json!({ "method": method, "limit": "30 per 60s" });
        Err(Refusal::new("UNAVAILABLE", message)
            .retry_after(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
            .with_details(details))
    }
}
