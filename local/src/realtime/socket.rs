//! One socket: takes what the client sends, one message after the other, and sends what its channels are told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::access::Right;
use super::channel::{Channel, ChannelState, SharedChannel, Subscription, TOPIC_PREFIX, with_ids};
use super::claims::{Claims, TokenError};
use super::control::{Heard, Mode};
use super::frame::{self, Incoming, Payload, Vsn};
use super::hub::{Hub, until};
use super::join::{Join, Wanted};
use super::outbox::{Outbox, Waiting, outbox, size};
use super::subscribe;
use crate::gateway::token::now_secs;

/// A client that is there sends a heartbeat every 25 s; Phoenix gives up after this time too.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// As many as hosted Realtime lets a client join.
const MAX_CHANNELS: usize = 100;

/// A page with one for each of its tables has a dozen.
const MAX_SUBSCRIPTIONS: usize = 100;

/// A topic longer than that is nobody's.
const MAX_NAME_BYTES: usize = 1_024;

/// Tokens are looked at this often at least: timers stand still while a machine sleeps, and tokens do not.
const LOOK_AT_TOKENS: Duration = Duration::from_secs(60);

/// A peer that does not read does not get a word of parting either.
const PARTING_LIMIT: Duration = Duration::from_secs(1);

/// What a socket is, to its end.
struct Socket {
    hub: Arc<Hub>,
    vsn: Vsn,
    /// Of the key or token in the address; channels without a token speak for them.
    claims: Claims,
    outbox: Outbox,
    channels: HashMap<String, SharedChannel>,
}

/// Serves a socket to its end.
pub(super) async fn serve(hub: Arc<Hub>, vsn: Vsn, claims: Claims, socket: WebSocket) {
    let closed = hub.stop.child_token();
    let (outbox, waiting) = outbox(closed.clone());
    let (sink, mut stream) = socket.split();
    let writer = tokio::spawn(write(Arc::clone(&hub), sink, waiting, closed.clone()));
    let mut mode = hub.mode.subscribe();
    let mut socket = Socket {
        hub,
        vsn,
        claims,
        outbox,
        channels: HashMap::new(),
    };
    let mut heard_at = Instant::now();
    loop {
        tokio::select! {
            () = closed.cancelled() => break,
            _ = until(&mut mode, |&mode| mode == Mode::Cut) => break,
            () = tokio::time::sleep_until(heard_at + SILENCE_LIMIT) => break,
            () = tokio::time::sleep(socket.until_next_end()) => socket.end_expired(),
            frame = stream.next() => {
                let Some(Ok(frame)) = frame else { break };
                heard_at = Instant::now();
                let incoming = match &frame {
                    Message::Text(text) => frame::read_text(vsn, text),
                    Message::Binary(bytes) => frame::read_binary(vsn, bytes),
                    Message::Close(_) => break,
                    Message::Ping(_) | Message::Pong(_) => continue,
                };
                // Phoenix ends a socket that speaks something else.
                let Some(incoming) = incoming else { break };
                socket.handle(incoming).await;
            }
        }
    }
    for channel in socket.channels.values() {
        socket.hub.leave(channel.id);
    }
    socket.outbox.close();
    let _ended = writer.await;
}

/// Writes what waits until the socket is closed.
async fn write(
    hub: Arc<Hub>,
    mut sink: futures_util::stream::SplitSink<WebSocket, Message>,
    mut waiting: Waiting,
    closed: CancellationToken,
) {
    loop {
        let message = tokio::select! {
            () = closed.cancelled() => break,
            message = waiting.next() => message,
        };
        let Some(message) = message else { break };
        let size = size(&message);
        if *hub.mode.borrow() != Mode::Silent {
            let sent = tokio::select! {
                () = closed.cancelled() => break,
                sent = sink.send(message) => sent,
            };
            if sent.is_err() {
                break;
            }
        }
        waiting.sent(size);
    }
    closed.cancel();
    let _parting = timeout(PARTING_LIMIT, sink.close()).await;
}

impl Socket {
    async fn handle(&mut self, message: Incoming) {
        self.hub.heard(|| Heard::of(self.vsn, &message));
        let known = self.channels.get(&message.topic).cloned();
        let channel = known.filter(|channel| !channel.gone.is_cancelled());
        match (message.topic.as_str(), message.event.as_str(), channel) {
            ("phoenix", "heartbeat", _) => self.reply(&message, "ok", &json!({})),
            (_, "phx_join", _) => self.join(message).await,
            (_, "phx_leave", channel) => {
                self.channels.remove(&message.topic);
                self.reply(&message, "ok", &json!({}));
                if let Some(channel) = channel {
                    self.hub.leave(channel.id);
                    channel.push("phx_close", "{}");
                }
            }
            (_, _, None) => self.reply(&message, "error", &json!({ "reason": "unmatched topic" })),
            (_, "access_token", Some(channel)) => self.refresh(&channel, &message).await,
            (_, "broadcast", Some(channel)) => self.broadcast(&channel, message).await,
            // Nobody of ours is present; whoever says that he is gets his answer.
            (_, "presence", Some(_)) => self.reply(&message, "ok", &json!({})),
            // What else a client may say is not answered, as Realtime does not.
            (_, _, Some(_)) => {}
        }
    }

    async fn join(&mut self, message: Incoming) {
        let Payload::Json(payload) = &message.payload else {
            return;
        };
        let join = Join::parse(payload);
        if let Some(old) = self.channels.remove(&message.topic)
            && self.hub.leave(old.id)
        {
            old.push("phx_close", "{}");
        }
        let (channel, changes) = match self.plan_join(&message, &join).await {
            Ok(planned) => planned,
            Err(reason) => return self.reply(&message, "error", &json!({ "reason": reason })),
        };
        self.channels.insert(message.topic.clone(), Arc::clone(&channel));
        self.hub.join(&channel);
        let reply = json!({ "postgres_changes": changes });
        let answer = frame::write(
            self.vsn,
            message.join_ref.as_deref(),
            message.reference.as_deref(),
            &message.topic,
            "phx_reply",
            &json!({ "status": "ok", "response": reply }).to_string(),
        );
        subscribe::begin(&self.hub, channel, &join, message.reference, answer);
    }

    /// The channel that a join asks for, and its subscriptions with ids; or why it is refused.
    async fn plan_join(
        &self,
        message: &Incoming,
        join: &Join,
    ) -> Result<(SharedChannel, Vec<Value>), String> {
        let sub_topic = message.topic.strip_prefix(TOPIC_PREFIX).unwrap_or_default();
        if sub_topic.is_empty() {
            return Err("TopicNameRequired: You must provide a topic name".to_owned());
        }
        if message.topic.len() > MAX_NAME_BYTES {
            return Err("TopicNameTooLong: choose a shorter topic name".to_owned());
        }
        if self.channels.len() >= MAX_CHANNELS {
            return Err("ChannelRateLimitReached: Too many channels".to_owned());
        }
        if join.changes.len() > MAX_SUBSCRIPTIONS {
            return Err(format!(
                "TooManySubscriptions: a channel has {MAX_SUBSCRIPTIONS} at most"
            ));
        }
        let claims = match join.access_token.as_deref() {
            None => self.claims.clone(),
            Some(key) if key.starts_with("sb_") => self.claims.clone(),
            Some(token) => Claims::of_token(&self.hub.keys.jwt_secret, token)
                .map_err(|error| format!("{}: {error}", error.code()))?,
        };
        if let Some(error) = expired(&claims) {
            return Err(format!("{}: {error}", error.code()));
        }
        if join.is_private {
            self.ask_to_read(&claims, sub_topic).await?;
        }
        let ids: Vec<u32> = join
            .changes
            .iter()
            .map(|_| self.hub.new_subscription_id())
            .collect();
        let subscriptions = join
            .changes
            .iter()
            .zip(&ids)
            .map(|(change, &id)| Wanted::parse(change).map(|wanted| Subscription { id, wanted }))
            .collect::<Result<Vec<Subscription>, String>>();
        // What cannot be read is told by `subscribe`, after the answer: as Realtime does.
        let (subscriptions, wrong) = match subscriptions {
            Ok(subscriptions) => (subscriptions, None),
            Err(wrong) => (Vec::new(), Some(wrong)),
        };
        let channel = Arc::new(Channel {
            id: self.hub.new_channel_id(),
            vsn: self.vsn,
            outbox: self.outbox.clone(),
            topic: message.topic.clone(),
            join_ref: message.join_ref.clone(),
            is_private: join.is_private,
            broadcast_self: join.broadcast_self,
            broadcast_ack: join.broadcast_ack,
            subscriptions,
            wrong,
            gone: self.hub.stop.child_token(),
            state: Mutex::new(ChannelState {
                claims,
                is_subscribed: false,
                may_write: None,
            }),
        });
        Ok((channel, with_ids(&join.changes, &ids)))
    }

    /// Asks the policies; an error is the reason that the client is told.
    async fn ask_to_read(&self, claims: &Claims, topic: &str) -> Result<(), String> {
        match self.hub.may(Right::Read, claims, topic).await {
            Some(true) => Ok(()),
            Some(false) => Err(format!(
                "Unauthorized: You do not have permissions to read from this Channel topic: {topic}"
            )),
            None => Err(AWAY.to_owned()),
        }
    }

    /// Another token for a channel.
    async fn refresh(&mut self, channel: &SharedChannel, message: &Incoming) {
        let Payload::Json(payload) = &message.payload else {
            return;
        };
        let Some(token) = payload["access_token"]
            .as_str()
            .filter(|token| !token.starts_with("sb_"))
        else {
            return;
        };
        let claims = match Claims::of_token(&self.hub.keys.jwt_secret, token) {
            Ok(claims) => claims,
            Err(error) => return self.end(channel, &error.to_string()),
        };
        if channel.is_private
            && let Err(reason) = self.ask_to_read(&claims, channel.sub_topic()).await
        {
            // What could not be asked may be asked again, by another join.
            if reason == AWAY {
                return self.hub.end(AWAY, |known| known.id == channel.id);
            }
            return self.end(channel, reason.trim_start_matches("Unauthorized: "));
        }
        channel.set(|state| {
            state.claims = claims;
            state.may_write = None;
        });
        if !channel.subscriptions.is_empty() {
            subscribe::again(&self.hub, channel);
        }
    }

    async fn broadcast(&self, channel: &SharedChannel, message: Incoming) {
        let acknowledges = channel.broadcast_ack;
        let allowed = !channel.is_private || self.may_write(channel).await;
        if !allowed {
            if acknowledges {
                let reason = format!(
                    "You do not have permissions to write to this Channel topic: {}",
                    channel.sub_topic()
                );
                self.reply(&message, "error", &json!({ "reason": reason }));
            }
            return;
        }
        let (join_ref, reference, topic) = (message.join_ref, message.reference, message.topic);
        let Payload::Broadcast(broadcast) = message.payload else {
            return;
        };
        self.hub
            .broadcast(channel.sub_topic(), channel.is_private, &broadcast, Some(channel));
        if acknowledges {
            let answered = Incoming {
                join_ref,
                reference,
                topic,
                event: String::new(),
                payload: Payload::Json(Value::Null),
            };
            self.reply(&answered, "ok", &json!({}));
        }
    }

    async fn may_write(&self, channel: &SharedChannel) -> bool {
        let state = channel.state();
        if let Some(known) = state.may_write {
            return known;
        }
        let asked = self.hub.may(Right::Write, &state.claims, channel.sub_topic());
        let Some(may) = asked.await else { return false };
        channel.set(|state| state.may_write = Some(may));
        may
    }

    fn reply(&self, message: &Incoming, status: &str, response: &Value) {
        let payload = json!({ "status": status, "response": response });
        let (join_ref, reference) = (message.join_ref.as_deref(), message.reference.as_deref());
        let answer = frame::write(
            self.vsn,
            join_ref,
            reference,
            &message.topic,
            "phx_reply",
            &payload.to_string(),
        );
        self.outbox.put(answer);
    }

    /// Ends a channel for a reason that the client is told. supabase-js does not join it again.
    fn end(&mut self, channel: &SharedChannel, reason: &str) {
        self.channels.remove(&channel.topic);
        if self.hub.leave(channel.id) {
            channel.push_system("system", "error", reason);
            channel.push("phx_close", "{}");
        }
    }

    /// How long until the first token ends.
    fn until_next_end(&self) -> Duration {
        let ends = self
            .channels
            .values()
            .filter_map(|channel| channel.state().claims.expires_at);
        ends.min().map_or(LOOK_AT_TOKENS, |end| {
            Duration::from_secs(end.saturating_sub(now_secs())).min(LOOK_AT_TOKENS)
        })
    }

    fn end_expired(&mut self) {
        let channels: Vec<SharedChannel> = self.channels.values().cloned().collect();
        for channel in channels {
            if let Some(error) = expired(&channel.state().claims) {
                self.end(&channel, &error.to_string());
            }
        }
    }
}

/// What a client is told when the database does not answer.
const AWAY: &str = "Realtime was unable to connect to the project database";

fn expired(claims: &Claims) -> Option<TokenError> {
    let end = claims.expires_at?;
    let now = now_secs();
    (end <= now).then(|| TokenError::Expired(now - end))
}
