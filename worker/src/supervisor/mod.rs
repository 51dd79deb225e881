//! Minds the agents that have processes of their own: counts what they use, stops who uses too much, starts again
//! what ended by itself.

pub mod plan;
mod usage;

pub use usage::{Trees, Usage, service_name};
