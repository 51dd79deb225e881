//! The function `notifications`: tells webhooks what the database has for them.
//!
//! It is called by the clock, on AWS Lambda or by cron, and inside of `creel up`. Claim and finish are functions of the
//! database; between the two is one request to an address that a project's people chose, signed as Standard Webhooks
//! has it (<https://www.standardwebhooks.com>).

mod address;
mod by_key;
mod deliver;
mod outbox;
mod signature;

pub use self::by_key::KeyedOutbox;
pub use self::deliver::{Deliverer, Reach};
pub use self::outbox::{Call, Delivered, Outbox, deliver_due};
