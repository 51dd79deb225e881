//! The published linters find nothing in the SQL, and the checked-in dump is the schema.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test binary has no callers; its names say what it promises"
)]

mod migrations;
mod oldest;
mod statements;
