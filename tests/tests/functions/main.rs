//! What the function `agents` promises: to callers of every kind, to pages, and on AWS Lambda.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test binary has no callers; its names say what it promises"
)]

mod bodies;
mod emulator;
mod files;
mod files_synced;
mod hosts;
mod lambda;
mod malformed;
mod mounted;
mod once;
mod origins;
mod proxy;
mod refusals;
mod removal;
mod runtime;
mod stage;
mod tokens;
mod wait;
