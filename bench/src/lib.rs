#![doc = include_str!("../README.md")]

pub mod clock;
pub mod figure;
pub mod graphile;
pub mod pgbench;
pub mod program;
pub mod queue;
pub mod row;
pub mod stage;
pub mod statistics;
pub mod worker;
