//! The daemon on a host.

pub mod job;
pub mod lease;
