//! Who has joined what. The slot is read for as long as anybody has.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::access::{Questions, Right};
use super::channel::{Channel, SharedChannel};
use super::claims::Claims;
use super::control::{Heard, Mode};
use super::frame::Broadcast;
use crate::keys::ApiKeys;

/// Ids of subscriptions are below this, as Realtime's are.
const MAX_SUBSCRIPTION_ID: u32 = 1 << 27;

/// A question to the database must not hold up the heartbeats for long.
const QUESTION_LIMIT: Duration = Duration::from_secs(4);

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
    /// Told while `channels` is locked: of two at once the older would be told last.
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
        self.joined.send_replace(channels.len());
    }

    /// Takes a channel out; false if it was out already.
    pub(super) fn leave(&self, id: u64) -> bool {
        let mut channels = self.lock();
        let Some(left) = channels.remove(&id) else {
            return false;
        };
        self.joined.send_replace(channels.len());
        left.gone.cancel();
        true
    }

    /// All channels there are now.
    pub(super) fn channels(&self) -> Vec<SharedChannel> {
        self.lock().values().cloned().collect()
    }

    /// How many channels there are, and when that changes.
    pub(super) fn joined(&self) -> watch::Receiver<usize> {
        self.joined.subscribe()
    }

    /// Whether the policies of `realtime.messages` give somebody a right to a private topic; none if they could not be
    /// asked, which is not known and not allowed.
    pub(super) async fn may(&self, right: Right, claims: &Claims, topic: &str) -> Option<bool> {
        let asked = timeout(QUESTION_LIMIT, async {
            let mut questions = self.questions.lock().await;
            let answer = questions.may(right, claims, topic).await;
            if self.lock().is_empty() {
                questions.close();
            }
            answer
        });
        let why = match asked.await {
            Ok(Ok(may)) => return Some(may),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "it took too long".to_owned(),
        };
        tracing::warn!("failed to ask the policies of realtime.messages: {why}");
        None
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

    /// Ends channels: what they should have been told nobody knows any more. Clients join again.
    pub(super) fn end(&self, message: &str, which: impl Fn(&Channel) -> bool) {
        let mut channels = self.lock();
        let ended: Vec<SharedChannel> = channels
            .extract_if(|_, channel| which(channel))
            .map(|(_, channel)| channel)
            .collect();
        self.joined.send_replace(channels.len());
        drop(channels);
        for channel in ended {
            channel.gone.cancel();
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

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, SharedChannel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::super::channel::tests::channel;
    use super::*;

    /// Two that are at it at once meet in one of some hundred rounds.
    const ROUNDS: usize = 20_000;

    #[test]
    fn who_joins_while_another_leaves_is_counted() {
        let questions = Questions::new(tokio_postgres::Config::new());
        let hub = Hub::new(ApiKeys::generate(), questions);
        let mut old = channel(&hub);
        hub.join(&old);
        for round in 0..ROUNDS {
            let (new, both) = (channel(&hub), Barrier::new(2));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    hub.join(&new);
                });
                both.wait();
                assert!(hub.leave(old.id));
            });
            assert_eq!(*hub.joined().borrow(), 1, "round {round}");
            old = new;
        }
    }

    #[test]
    fn what_waits_for_a_channel_ends_with_it() {
        let questions = Questions::new(tokio_postgres::Config::new());
        let hub = Hub::new(ApiKeys::generate(), questions);
        let (left, ended, stays) = (channel(&hub), channel(&hub), channel(&hub));
        for channel in [&left, &ended, &stays] {
            hub.join(channel);
        }
        assert!(hub.leave(left.id));
        assert!(!hub.leave(left.id), "it was out already");
        hub.end("lost", |channel| channel.id == ended.id);
        let gone = [&left, &ended, &stays].map(|channel| channel.gone.is_cancelled());
        assert_eq!(gone, [true, true, false]);
        hub.stop.cancel();
        assert!(stays.gone.is_cancelled(), "with Realtime all end");
    }
}
