//! What the worker promises, shown on the real program: whatever is killed, cut, frozen, crowded or
//! wrongly written, each request ends once, and says how.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test binary has no callers; its names say what it promises"
)]

mod adoption;
mod away;
mod bad_input;
mod bad_name;
mod bad_workspace;
mod batch;
mod beside;
mod canaries;
mod command_kills;
mod commands;
mod config;
mod crowd;
mod crowd_of_gateways;
mod cuts;
mod drain;
mod fixture;
mod frozen;
mod gate;
mod gateway;
mod hints;
mod http;
mod kills;
mod mirror;
mod moves;
mod own_gateway;
mod real_openclaw_canaries;
mod real_openclaw_mirror;
mod rented;
mod restored;
mod runaway;
mod station;
mod stranger;
mod takeover;
mod ticks;
mod transports;
mod upgrade;
mod waiting;
mod wake;
mod ways;
