//! What billing promises as a whole: whatever becomes of deliveries, of the function and of the database, an agent's life is
//! its subscription's.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test binary has no callers; its names say what it promises"
)]

#[path = "../mirror/chance.rs"]
mod chance;
mod life;
mod property;
mod town;
mod world;
