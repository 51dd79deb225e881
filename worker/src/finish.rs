//! Writes what jobs came to: what ends within the same moment goes in one call.

use std::time::Duration;

use backon::BackoffBuilder;
use creel_core::host_api::{API, Finish, FinishReply, FinishRequest};
use creel_core::telemetry::FINISHED;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::lease::Lease;
use crate::transport::{CALL_LIMIT, CallError, Link, Spares, retry_delays};

/// Results that are written one by one are under way together, so that none waits for another's way to the
/// database and back.
const ALONE_UNDER_WAY: usize = 32;
/// While the connection is down, leases that ran out meanwhile are looked for this often.
const DOWN_STEP: Duration = Duration::from_secs(1);

/// Where jobs leave what they came to. Clones share one writer.
#[derive(Clone)]
pub(crate) struct Finisher {
    queue: mpsc::UnboundedSender<Pending>,
}

/// What became of a finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// It is on the row.
    Applied {
        /// Whether there is something to claim now.
        work: bool,
    },
    /// The item was no longer ours, or nobody could be told in time.
    NotOurs,
}

/// One finish that waits to be written.
struct Pending {
    finish: Finish,
    queue: String,
    lease: Lease,
    recorded: oneshot::Sender<Recorded>,
}

/// Writes until the last [`Finisher`] is gone.
pub(crate) struct Writer {
    pen: Pen,
    waiting: mpsc::UnboundedReceiver<Pending>,
    /// How many are written in one call at most.
    most: usize,
}

/// What writes.
struct Pen {
    link: Link,
    spares: Spares,
}

impl Finisher {
    /// A finisher and its writer. What waits is bounded by the permits, which are held until the
    /// finish is known.
    pub(crate) fn new(link: Link, spares: Spares, most: usize) -> (Self, Writer) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let pen = Pen { link, spares };
        (Self { queue }, Writer { pen, waiting, most })
    }

    /// A finisher whose items are applied and handed to the test.
    #[cfg(test)]
    pub(crate) fn observed() -> (Self, mpsc::UnboundedReceiver<Finish>) {
        let (queue, mut waiting) = mpsc::unbounded_channel::<Pending>();
        let (seen, observed) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(pending) = waiting.recv().await {
                let _test_is_over = seen.send(pending.finish.clone());
                pending.tell(Recorded::Applied { work: false });
            }
        });
        (Self { queue }, observed)
    }

    /// Writes what an item came to, and waits until that is known.
    pub(crate) async fn finish(&self, queue: &str, lease: &Lease, finish: Finish) -> Recorded {
        let (recorded, answer) = oneshot::channel();
        let pending = Pending {
            finish,
            queue: queue.to_owned(),
            lease: lease.clone(),
            recorded,
        };
        if self.queue.send(pending).is_err() {
            return Recorded::NotOurs;
        }
        answer.await.unwrap_or(Recorded::NotOurs)
    }
}

impl Writer {
    /// Runs until the last [`Finisher`] is gone.
    pub(crate) async fn run(self) {
        let Self {
            pen,
            mut waiting,
            most,
        } = self;
        let most_under_way = if most == 1 { ALONE_UNDER_WAY } else { 1 };
        let mut under_way = FuturesUnordered::new();
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = waiting.recv_many(&mut batch, most), if under_way.len() < most_under_way => {
                    if count == 0 {
                        break;
                    }
                    under_way.push(pen.write(std::mem::take(&mut batch), waiting.len()));
                }
                Some(()) = under_way.next() => {}
                () = pen.spares.rest(), if under_way.is_empty() => {}
            }
        }
        while under_way.next().await.is_some() {}
    }
}

impl Pen {
    /// Writes a batch, whatever it takes within its leases.
    /// `backlog`: how many wait behind it.
    async fn write(&self, batch: Vec<Pending>, backlog: usize) {
        self.spares.note_load(batch.len() + backlog);
        match self.write_batch(batch).await {
            Ok(()) => {}
            // One of them is refused: found by writing each alone.
            Err(Unwritable { batch, .. }) if batch.len() > 1 => {
                for pending in batch {
                    if let Err(refused) = self.write_batch(vec![pending]).await {
                        self.write_substitute(refused).await;
                    }
                }
            }
            Err(refused) => self.write_substitute(refused).await,
        }
    }

    /// Writes, in place of a result that the database does not take, that it did not take it.
    async fn write_substitute(&self, refused: Unwritable) {
        let error = refused.error.chain();
        for mut pending in refused.batch {
            let token = pending.finish.token;
            tracing::error!(item.token = %token, error, "failed to write a result: {error}");
            pending.finish.result = json!({
                "ok": false,
                "error": {
                    "code": "result_refused",
                    "message": "the database did not take the result of this attempt",
                    "hint": "see the worker's log for what it said",
                },
            });
            pending.finish.outcome = creel_core::status::Outcome::Failed;
            if let Err(again) = self.write_batch(vec![pending]).await {
                let error = again.error.chain();
                tracing::error!(item.token = %token, error, "failed to write a failure: {error}");
                for pending in again.batch {
                    pending.tell(Recorded::NotOurs);
                }
            }
        }
    }

    /// Repeats one call until it is answered or every lease in it has ended. With the connection up
    /// each is tried once, lease or not: the fence decides, and a late success may still be welcome.
    async fn write_batch(&self, mut batch: Vec<Pending>) -> Result<(), Unwritable> {
        let mut delays = retry_delays().build();
        let mut tried = false;
        loop {
            // What the spare connection did not carry out is repeated on the main one.
            let spare = if tried { None } else { self.spares.session() };
            let session = match spare {
                Some(session) => Some(session),
                None => self.link.session_within(DOWN_STEP).await,
            };
            if let Some(session) = session {
                let items = batch.iter().map(|pending| pending.finish.clone()).collect();
                let request = FinishRequest { api: API, items };
                match session.call::<FinishReply>("finish", &request, CALL_LIMIT).await {
                    Ok(reply) => {
                        distribute(batch, &reply, tried);
                        return Ok(());
                    }
                    // A page of somebody who stands between, or a key that is just being replaced, says nothing of the result.
                    Err(error) if !error.is_about_the_call() => {
                        error.log("failed to finish items, trying again");
                        tokio::time::sleep(delays.next().unwrap_or(DOWN_STEP)).await;
                    }
                    Err(error) => return Err(Unwritable { batch, error }),
                }
                tried = true;
            }
            let (alive, ended): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .partition(|pending| pending.lease.check().is_ok());
            for pending in ended {
                let token = pending.finish.token;
                tracing::warn!(item.token = %token, "gave up to finish an item: its lease ended before an answer came");
                pending.tell(Recorded::NotOurs);
            }
            if alive.is_empty() {
                return Ok(());
            }
            batch = alive;
        }
    }
}

/// A batch that the database refuses as it is.
struct Unwritable {
    batch: Vec<Pending>,
    error: CallError,
}

/// Tells each job what became of its finish. `repeated`: an earlier call may have been carried out
/// without its answer reaching us; its items are no longer known then.
fn distribute(batch: Vec<Pending>, reply: &FinishReply, repeated: bool) {
    for pending in batch {
        let token = pending.finish.token;
        let applied = reply.items.iter().any(|item| item.token == token && item.applied);
        if applied {
            let outcome = pending.finish.outcome.as_str();
            metrics::counter!(FINISHED, "queue" => pending.queue.clone(), "outcome" => outcome).increment(1);
            pending.tell(Recorded::Applied { work: reply.work });
        } else {
            let repeated = if repeated {
                ", or was finished by a call whose answer was lost"
            } else {
                ""
            };
            tracing::info!(item.token = %token, "an item was no longer ours when it was finished{repeated}");
            metrics::counter!(FINISHED, "queue" => pending.queue.clone(), "outcome" => "not_ours")
                .increment(1);
            pending.tell(Recorded::NotOurs);
        }
    }
}

impl Pending {
    /// A job that is gone does not want to know.
    fn tell(self, recorded: Recorded) {
        let _gone = self.recorded.send(recorded);
    }
}
