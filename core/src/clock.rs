//! A clock that goes on while the machine sleeps.
//!
//! `std::time::Instant` stands still during sleep on both systems, so that a laptop that slept for an
//! hour would believe that its leases are fresh. Leases are compared by this clock instead.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of the clock that counts sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        // macOS' CLOCK_MONOTONIC counts sleep; Linux' does not, its CLOCK_BOOTTIME does.
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let now = clock_gettime(clock);
        Self(Duration::new(
            u64::try_from(now.tv_sec).unwrap_or(0),
            u32::try_from(now.tv_nsec).unwrap_or(0),
        ))
    }

    /// The time until `self`, zero when it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_sub(Self::now().0)
    }

    /// Whether `self` has passed.
    pub fn has_passed(self) -> bool {
        self <= Self::now()
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_moment_has_not_passed_and_an_earlier_one_has() {
        assert!(!(Moment::now() + Duration::from_secs(60)).has_passed());
        assert!(Moment::now().has_passed());
        assert_eq!(Moment::now().remaining(), Duration::ZERO);
    }
}
