//! Until when there must be an answer.

use std::time::{Duration, Instant};

/// What is left of it for writing the answer and sending it.
const MARGIN: Duration = Duration::from_millis(500);

/// When the platform ends the call; an extension of the request where the platform says so.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// How much of `wished` there is time for.
    pub fn bound(limit: Option<Self>, wished: Duration) -> Duration {
        let left = limit.map(|Self(end)| end.saturating_duration_since(Instant::now()));
        left.map_or(wished, |left| wished.min(left.saturating_sub(MARGIN)))
    }

    /// The sooner of the two, if there are two.
    pub fn at_latest(limit: Option<Self>, end: Instant) -> Self {
        // What is bounded by `end` keeps the margin that the other one has.
        Self(limit.map_or(end + MARGIN, |Self(limit)| limit.min(end + MARGIN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outlasts_the_call() {
        let wished = Duration::from_secs(25);
        assert_eq!(Deadline::bound(None, wished), wished);
        let soon = Deadline(Instant::now() + Duration::from_secs(3));
        assert!(Deadline::bound(Some(soon), wished) < Duration::from_secs(3));
        let past = Deadline(Instant::now());
        assert_eq!(Deadline::bound(Some(past), wished), Duration::ZERO);
    }
}
