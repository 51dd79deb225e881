//! The Data API by HTTPS with a key of the host: for hosts that are not trusted.

mod api;
mod channel;
mod connect;
mod gate;
mod keyring;
#[cfg(test)]
mod misbehaviour;
mod refusal;
mod rotation;
mod session;

pub(crate) use channel::Channel;
pub(super) use connect::RestConnector;
pub(crate) use rotation::KeyRotation;
pub use rotation::Rotated;
pub(super) use session::RestSession;
