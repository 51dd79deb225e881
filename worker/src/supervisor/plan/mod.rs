//! What to do about an agent next: pure, so that each life of it can be tried in a test.

mod life;
mod runaway;
mod sample;
mod shown;
mod supervision;
#[cfg(test)]
mod tests;

pub use self::life::{Hold, Life, Limits, Phase, Why};
pub use self::sample::{Resource, Sample};
pub use self::shown::{Shown, plan_shown};
pub use self::supervision::{Act, News, Plan, Seen, plan_supervision};
