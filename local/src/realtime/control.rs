//! Breaks Realtime on purpose while the rest of the gateway lives. For tests.

use serde_json::Value;

/// How Realtime behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As it should.
    Live,
    /// Sockets are closed, and no new one is taken.
    Cut,
    /// Sockets stay open, and nothing is sent.
    Silent,
}

/// What a client sent, as tests are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The `vsn` of the socket, or `http`.
    pub form: String,
    /// The event, such as `phx_join`; of a request its path.
    pub event: String,
    /// The topic.
    pub topic: String,
    /// What it carried; of a broadcast its event and body.
    pub payload: Value,
}
