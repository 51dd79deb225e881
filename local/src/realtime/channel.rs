//! A channel that somebody has joined.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::claims::Claims;
use super::frame::{self, Broadcast, Vsn};
use super::join::{Events, Wanted};
use super::outbox::Outbox;

/// A subscription of a channel, as it was sent back to the client.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    /// What the client knows it by.
    pub(super) id: u32,
    pub(super) wanted: Wanted,
}

/// A joined channel. What follows from its token can change; all else stays until it is left.
#[derive(Debug)]
pub(super) struct Channel {
    /// What the hub knows it by.
    pub(super) id: u64,
    pub(super) vsn: Vsn,
    pub(super) outbox: Outbox,
    /// The topic as it goes over the socket, with `realtime:` in front.
    pub(super) topic: String,
    pub(super) join_ref: Option<String>,
    pub(super) is_private: bool,
    pub(super) broadcast_self: bool,
    pub(super) broadcast_ack: bool,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) state: Mutex<ChannelState>,
}

/// What can change of a channel.
#[derive(Debug, Clone)]
pub(super) struct ChannelState {
    pub(super) claims: Claims,
    /// Whether the subscriptions were found good: before that nothing is sent for them.
    pub(super) is_subscribed: bool,
    /// Whether broadcasts may be sent to a private topic; none before the first.
    pub(super) may_write: Option<bool>,
}

impl Channel {
    /// The topic as policies and senders know it.
    pub(super) fn sub_topic(&self) -> &str {
        self.topic.strip_prefix(TOPIC_PREFIX).unwrap_or(&self.topic)
    }

    /// Sends a message of this channel.
    pub(super) fn push(&self, event: &str, payload: &str) {
        let message = frame::write(
            self.vsn,
            self.join_ref.as_deref(),
            None,
            &self.topic,
            event,
            payload,
        );
        self.outbox.put(message);
    }

    /// Sends a broadcast, where the client's form can carry it.
    pub(super) fn push_broadcast(&self, broadcast: &Broadcast) {
        if let Some(message) = frame::write_broadcast(self.vsn, &self.topic, broadcast) {
            self.outbox.put(message);
        }
    }

    /// Tells the client how the channel is.
    pub(super) fn push_system(&self, extension: &str, status: &str, message: &str) {
        let payload = json!({
            "extension": extension,
            "status": status,
            "message": message,
            "channel": self.sub_topic(),
        });
        self.push("system", &payload.to_string());
    }

    /// A copy of what can change.
    pub(super) fn state(&self) -> ChannelState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what can.
    pub(super) fn set(&self, change: impl FnOnce(&mut ChannelState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What stands before the topic on a socket.
pub(super) const TOPIC_PREFIX: &str = "realtime:";

/// The subscriptions with their ids, as the answer to a join lists them.
pub(super) fn with_ids(changes: &[Value], ids: &[u32]) -> Vec<Value> {
    let with_id = |(change, id): (&Value, &u32)| {
        let mut change = change.clone();
        change["id"] = json!(id);
        change
    };
    changes.iter().zip(ids).map(with_id).collect()
}

impl Events {
    /// Whether a kind of change is among them.
    pub(super) fn has(self, kind: Events) -> bool {
        self == Self::All || self == kind
    }

    /// The word of a message.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::All => "*",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// Channels are shared by their socket and the hub.
pub(super) type SharedChannel = Arc<Channel>;
