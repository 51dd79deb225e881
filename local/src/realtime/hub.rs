//! Who has joined what. The slot is read for as long as anybody has.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::access::Questions;
use super::channel::{Channel, SharedChannel};
use super::control::{Heard, Mode};
use super::frame::Broadcast;
use crate::keys::ApiKeys;

/// Ids of subscriptions are below this, as Realtime's are.
const MAX_SUBSCRIPTION_ID: u32 = 1 << 27;

/// How the reading of the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    /// It is not read: nobody asks, or the database is away.
    Away,
    /// All that is committed from now on is told.
    Read,
}

/// Waits until a value is as it is wanted; true unless nobody can change it any more.
pub(super) async fn until<T>(watched: &mut watch::Receiver<T>, wanted: impl FnMut(&T) -> bool) -> bool {
    // What `wait_for` gives locks the value for as long as it lives.
    watched.wait_for(wanted).await.is_ok()
}

/// What sockets, the slot and the tests share.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) keys: ApiKeys,
    /// For questions of sockets; the slot has a connection of its own for these.
    pub(super) questions: AsyncMutex<Questions>,
    pub(super) mode: watch::Sender<Mode>,
    pub(super) log: watch::Sender<Log>,
    pub(super) stop: CancellationToken,
    tap: Mutex<Option<mpsc::UnboundedSender<Heard>>>,
    channels: Mutex<HashMap<u64, SharedChannel>>,
    joined: watch::Sender<usize>,
    next_channel: AtomicU64,
    next_subscription: AtomicU32,
}

impl Hub {
    pub(super) fn new(keys: ApiKeys, questions: Questions) -> Self {
        Self {
            keys,
            questions: AsyncMutex::new(questions),
            mode: watch::Sender::new(Mode::Live),
            log: watch::Sender::new(Log::Away),
            stop: CancellationToken::new(),
            tap: Mutex::new(None),
            channels: Mutex::new(HashMap::new()),
            joined: watch::Sender::new(0),
            next_channel: AtomicU64::new(1),
            next_subscription: AtomicU32::new(1),
        }
    }

    pub(super) fn new_channel_id(&self) -> u64 {
        self.next_channel.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn new_subscription_id(&self) -> u32 {
        self.next_subscription.fetch_add(1, Ordering::Relaxed) % MAX_SUBSCRIPTION_ID
    }

    /// Takes a channel in.
    pub(super) fn join(&self, channel: &SharedChannel) {
        let mut channels = self.lock();
        channels.insert(channel.id, Arc::clone(channel));
        let count = channels.len();
        drop(channels);
        self.joined.send_replace(count);
    }

    /// Takes a channel out; false if it was out already.
    pub(super) fn leave(&self, id: u64) -> bool {
        let mut channels = self.lock();
        let was_in = channels.remove(&id).is_some();
        let count = channels.len();
        drop(channels);
        if was_in {
            self.joined.send_replace(count);
        }
        was_in
    }

    /// Whether a channel is in.
    pub(super) fn has(&self, id: u64) -> bool {
        self.lock().contains_key(&id)
    }

    /// All channels there are now.
    pub(super) fn channels(&self) -> Vec<SharedChannel> {
        self.lock().values().cloned().collect()
    }

    /// How many channels there are, and when that changes.
    pub(super) fn joined(&self) -> watch::Receiver<usize> {
        self.joined.subscribe()
    }

    /// Hands a broadcast to everybody in a topic but the sender, who says himself whether he wants it.
    pub(super) fn broadcast(
        &self,
        topic: &str,
        is_private: bool,
        broadcast: &Broadcast,
        sender: Option<&Channel>,
    ) {
        for channel in self.channels() {
            let is_sender = sender.is_some_and(|sender| sender.id == channel.id);
            if channel.sub_topic() == topic
                && channel.is_private == is_private
                && (!is_sender || channel.broadcast_self)
            {
                channel.push_broadcast(broadcast);
            }
        }
    }

    /// Ends all channels: what they would have been told since the log was lost nobody knows. Clients join again.
    pub(super) fn end_all(&self, message: &str) {
        let ended: Vec<SharedChannel> = self.lock().drain().map(|(_, channel)| channel).collect();
        self.joined.send_replace(0);
        for channel in ended {
            channel.push_system("system", "error", message);
            channel.push("phx_error", "{}");
        }
    }

    /// Listens to all that clients send. For tests.
    pub(super) fn listen(&self) -> mpsc::UnboundedReceiver<Heard> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.tap.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Tells what a client sent to who listens.
    pub(super) fn heard(&self, heard: impl FnOnce() -> Heard) {
        if let Some(tap) = self.tap.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let _nobody = tap.send(heard());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Channel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
