//! Spreads what many hosts would do at the same moment.

use std::time::Duration;

/// A tenth to either side: enough that a thousand hosts that started together part within minutes.
const SPREAD: f64 = 0.1;

/// About `duration`.
pub(crate) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::random_range(1.0 - SPREAD..=1.0 + SPREAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jittered_time_is_a_tenth_off_at_most() {
        for _ in 0..100 {
            let time = jittered(Duration::from_secs(10));
            assert!((9.0..=11.0).contains(&time.as_secs_f64()), "{time:?}");
        }
    }
}
