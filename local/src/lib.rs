#![doc = include_str!("../README.md")]

pub mod billing;
pub mod database;
pub mod gateway;
pub mod install;
pub mod keys;
pub mod migrations;
pub mod model;
pub mod notify;
pub mod ports;
pub mod postgres;
pub mod postgrest;
pub mod process;
pub mod realtime;
pub mod stack;
pub mod stripe_stand_in;
pub mod sweep;

pub use stack::{Stack, StackConfig};
