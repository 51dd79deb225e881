//! Breaks Realtime on purpose while the rest of the gateway lives. For tests.

use serde_json::{Value, json};

use super::frame::{Body, Broadcast, Incoming, Payload, Vsn};

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

impl Heard {
    /// What a message of a socket is told as.
    pub(super) fn of(vsn: Vsn, message: &Incoming) -> Self {
        let payload = match &message.payload {
            Payload::Json(payload) => payload.clone(),
            Payload::Broadcast(Broadcast { event, body, .. }) => json!({
                "type": "broadcast",
                "event": event,
                "payload": match body {
                    Body::Json(body) => body.clone(),
                    Body::Bytes(bytes) => json!(hex::encode(bytes)),
                },
            }),
        };
        let form = match vsn {
            Vsn::One => "1.0.0",
            Vsn::Two => "2.0.0",
        };
        Self {
            form: form.to_owned(),
            event: message.event.clone(),
            topic: message.topic.clone(),
            payload,
        }
    }
}
