//! Mirrors the documents of agents: what is written into their files becomes versions of their rows, and what is written
//! into the rows gets to the files. Nobody's words are lost: what is replaced is a version, and what cannot be brought
//! together is kept and shown.
//!
//! `plan.rs` decides about one document and `day.rs` about the day's memory; both are pure. `agent.rs` does it on one
//! agent's disk, `pass.rs` for many agents, with their rows.

mod agent;
mod day;
mod debounce;
mod merge;
mod pass;
mod plan;
mod requests;
mod rows;
mod task;
mod templates;
mod watch;

pub use agent::Mirrored;
pub use day::{DayPlan, Days, HostDays, plan_day};
pub use merge::merge;
pub use pass::{Again, HOLD_AFTER, Mirror, MirrorSettings, Wanted};
pub use plan::{Plan, Row, plan_doc};
pub use requests::MirrorHandle;
pub(crate) use requests::{DocsSince, MirrorRequests};
pub use rows::Rows;
pub(crate) use task::MirrorTask;
