//! Keeps the beginning of what a program prints, and lets the rest pass.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

/// What is kept of each stream: the list of thousands of agents fits, a program gone wild does not.
const CAPTURE_MAX_BYTES: usize = 4 << 20;

/// A stream that is being read. The reader goes on past the limit, so that the program is never blocked
/// by a full pipe.
pub(super) struct Capture {
    kept: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Capture {
    pub(super) fn of(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let reader = tokio::spawn(read(stream, Arc::clone(&kept)));
        Self { kept, reader }
    }

    /// Waits for the end of the stream.
    pub(super) async fn ended(&mut self) {
        // A reader that panicked has ended, too.
        let _ended = (&mut self.reader).await;
    }

    /// What was read so far. A process that left the group may hold the stream open for ever.
    pub(super) fn take(self) -> Vec<u8> {
        self.reader.abort();
        std::mem::take(&mut *self.kept.lock().expect("no holder of this lock panics"))
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, kept: Arc<Mutex<Vec<u8>>>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        let mut kept = kept.lock().expect("no holder of this lock panics");
        let room = CAPTURE_MAX_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..count.min(room)]);
    }
}
