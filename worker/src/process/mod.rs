//! Programs that the worker runs: each with a time limit, and none outlives it.
//!
//! A child gets a process group and an environment mark of its own. The group is what signals go to; the
//! mark finds what left the group, and what a killed worker left behind. A service alone outlives
//! its worker.

mod capture;
mod error;
mod group;
mod mark;
mod run;
mod runner;
mod service;
mod table;
mod unit;

pub use error::ProcessError;
pub use mark::{MARK_VARIABLE, Mark, reap_marked};
pub(crate) use mark::{ServiceMark, reap_service};
pub use run::{Finished, Run};
pub use runner::Runner;
pub(crate) use service::{Ended, RunningService, Service};
pub use table::{ProcessId, ProcessTable, SeenProcess, kill_processes};
