#![doc = include_str!("../README.md")]

pub mod clock;
pub mod host_api;
pub mod id;
pub mod project_key;
pub mod secret;
pub mod status;
pub mod telemetry;
