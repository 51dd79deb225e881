//! A login role of the database's own, by tokio-postgres: for hosts that are trusted.

mod connect;
mod refusal;
mod session;

pub(super) use connect::DirectConnector;
pub(super) use session::DirectSession;
