//! What waits to be sent to one socket. A reader that is too slow is shut out instead of filling the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::Message;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// As much as may wait for one socket: a page that is being loaded catches up on a thousand agents with less.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// What a message costs beside its text.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// The end that messages are put into.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    sender: mpsc::UnboundedSender<Message>,
    waiting_bytes: Arc<AtomicUsize>,
    closed: CancellationToken,
}

/// The end that is written to the socket.
#[derive(Debug)]
pub(super) struct Waiting {
    receiver: mpsc::UnboundedReceiver<Message>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// Both ends. `closed` is cancelled when the reader is too slow.
pub(super) fn outbox(closed: CancellationToken) -> (Outbox, Waiting) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        sender,
        waiting_bytes: Arc::clone(&waiting_bytes),
        closed,
    };
    (
        outbox,
        Waiting {
            receiver,
            waiting_bytes,
        },
    )
}

impl Outbox {
    /// Puts a message in, or closes the socket.
    pub(super) fn put(&self, message: Message) {
        let size = size(&message);
        let waiting = self.waiting_bytes.fetch_add(size, Ordering::Relaxed) + size;
        if waiting > MAX_WAITING_BYTES {
            if !self.closed.is_cancelled() {
                tracing::warn!("a Realtime client reads too slowly; its socket is closed");
            }
            self.closed.cancel();
            return;
        }
        // Nobody listens to a socket that has ended.
        let _ended = self.sender.send(message);
    }

    /// Ends the socket.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }
}

impl Waiting {
    /// The next message. It counts as waiting until [`Waiting::sent`].
    pub(super) async fn next(&mut self) -> Option<Message> {
        self.receiver.recv().await
    }

    /// Tells that a message of this size is gone.
    pub(super) fn sent(&self, size: usize) {
        self.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
    }
}

/// What a message counts for.
pub(super) fn size(message: &Message) -> usize {
    let text = match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    };
    text + MESSAGE_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_shut_out_and_a_fast_one_is_not() {
        let closed = CancellationToken::new();
        let (outbox, mut waiting) = outbox(closed.clone());
        let message = || Message::Text("x".repeat(1024 * 1024).into());
        for _ in 0..20 {
            outbox.put(message());
            let taken = waiting.next().await.expect("it is there");
            waiting.sent(size(&taken));
        }
        assert!(!closed.is_cancelled());
        for _ in 0..8 {
            outbox.put(message());
        }
        assert!(closed.is_cancelled());
    }
}
