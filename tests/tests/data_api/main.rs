//! What the Data API promises: to a signed-in member, a stranger, nobody, and a host with a key.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test binary has no callers; its names say what it promises"
)]

mod commands;
mod dashboard;
mod docs;
mod docs_page;
mod enrolment;
mod floods;
mod function_keys;
mod host_keys;
mod hostile;
mod strangers;
mod victim;
