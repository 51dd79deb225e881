//! One clock for all processes of a machine.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds of the monotonic clock, which Node's `process.hrtime` reads too.
#[expect(clippy::cast_precision_loss, reason = "microseconds count here, not years")]
pub fn now_ms() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}
