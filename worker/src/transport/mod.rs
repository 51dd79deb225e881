//! The way to the database. There are two, and nobody but this module knows which one a worker has: a login role of
//! Postgres, where the host is trusted, and the Data API by HTTPS with a key, where it is rented. Both call the same
//! functions with the same arguments and answers. The first is told at once when there is work; the second where Realtime
//! lives.

mod argument;
mod connector;
mod direct;
mod error;
mod hints;
mod link;
mod rest;
mod session;
mod spare;

pub(crate) use connector::Connector;
pub(crate) use error::CallError;
pub(crate) use hints::Hints;
pub(crate) use link::{Link, LinkKeeper};
pub(crate) use rest::KeyRotation;
pub use rest::Rotated;
pub(crate) use session::Session;
pub(crate) use spare::Spares;

use std::time::Duration;

use backon::ExponentialBuilder;

/// The functions answer in milliseconds; what takes this long hangs, and a third of a lease is gone.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Shorter than the time in which a tick may find fresh leases unknown: a tick that waited longer
/// would speak of what was held before the wait.
pub(crate) const TICK_LIMIT: Duration = Duration::from_secs(5);

/// The first repetition comes soon, as most cuts are short.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// A lease outlives several tries of this distance, and a database that comes back is not flooded.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How long to wait between tries that fail; without end.
pub(crate) fn retry_delays() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(RETRY_MIN)
        .with_max_delay(RETRY_MAX)
        // Without a seed of its own every host would wait the same "random" times.
        .with_jitter()
        .with_jitter_seed(rand::random())
        .without_max_times()
}
