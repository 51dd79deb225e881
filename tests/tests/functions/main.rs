//! What the functions promise: to callers of every kind, to pages, to receivers, and on AWS Lambda.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test binary has no callers; its names say what it promises"
)]

mod alarm;
mod aws;
mod bodies;
mod checkout;
mod emulator;
mod files;
mod files_synced;
mod hosts;
mod lambda;
mod malformed;
mod market;
mod mounted;
mod notifications;
mod once;
mod origins;
mod proxy;
mod receiver;
mod refusals;
mod removal;
mod runtime;
mod secrets;
mod signer;
mod stage;
mod stripe_fuzzed;
mod stripe_killed;
mod stripe_paid;
mod stripe_signed;
mod stripe_told;
mod tokens;
mod wait;
