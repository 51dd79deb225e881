//! What the mirror of documents promises, shown on the very same passes as the worker makes, with the functions of a real
//! database and files on a real disk.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test binary has no callers; its names say what it promises"
)]

mod busy;
mod chance;
mod disk;
mod hostile;
mod killed;
mod property;
mod refused;
mod restored;
mod scene;
