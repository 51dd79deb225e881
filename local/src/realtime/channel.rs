//! A channel that somebody has joined.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::claims::Claims;
use super::frame::{self, Broadcast, Vsn};
use super::join::Wanted;
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
    /// What is wrong with what it wants to subscribe to, if it could not be read.
    pub(super) wrong: Option<String>,
    /// Whether it was left or ended.
    pub(super) gone: CancellationToken,
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

/// Channels are shared by their socket and the hub.
pub(super) type SharedChannel = Arc<Channel>;

#[cfg(test)]
pub(super) mod tests {
    use super::super::hub::Hub;
    use super::super::outbox::outbox;
    use super::*;

    /// A channel that nobody reads.
    pub(in super::super) fn channel(hub: &Hub) -> SharedChannel {
        let (outbox, _waiting) = outbox(CancellationToken::new());
        Arc::new(Channel {
            id: hub.new_channel_id(),
            vsn: Vsn::Two,
            outbox,
            topic: "realtime:room".to_owned(),
            join_ref: None,
            is_private: false,
            broadcast_self: false,
            broadcast_ack: false,
            subscriptions: Vec::new(),
            wrong: None,
            gone: hub.stop.child_token(),
            state: Mutex::new(ChannelState {
                claims: Claims::of_role("anon"),
                is_subscribed: false,
                may_write: None,
            }),
        })
    }
}
