//! What the database promises by itself: rights, names, order, fences.
#![allow(missing_docs, reason = "tests are promises; their names say what they hold")]

mod claims;
mod fixture;
mod hosts;
mod members;
mod parity;
mod queue;
mod realtime;
mod rights;
