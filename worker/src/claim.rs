//! Takes as many items as there are free permits.

use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use creel_core::clock::Moment;
use creel_core::host_api::{API, ClaimReply, ClaimRequest, ReleaseReply, ReleaseRequest};
use creel_core::status::WokenBy;
use tokio::time::Instant;
use uuid::Uuid;

use crate::crew::Crew;
use crate::exit::Fatal;
use crate::jitter::jittered;
use crate::shutdown::Shutdown;
use crate::transport::{CALL_LIMIT, CallError, Hints, Link, retry_delays};
use crate::wake::Wake;

/// Each tick asks whether there is work, and a notification comes sooner: this is for the time in
/// which both fail, and finds out about a main connection that is silently dead.
const BACKSTOP: Duration = Duration::from_secs(30);

/// What finished jobs make room for is claimed together: a claim for each would cost as much as all jobs' finishes.
/// Of its time the claimer spends no more than one part in this many on such claims.
const GATHER_FACTOR: u32 = 4;
/// Nothing waits longer for room that is there.
const GATHER_MAX: Duration = Duration::from_millis(100);

/// The loop that claims.
pub(crate) struct Claimer {
    /// One per process start.
    pub(crate) session_id: Uuid,
    /// The main connection.
    pub(crate) link: Link,
    /// What makes it look.
    pub(crate) wake: Arc<Wake>,
    /// What would like to know what nobody had announced.
    pub(crate) hints: Option<Arc<Hints>>,
    /// Who works on what was claimed.
    pub(crate) crew: Arc<Crew>,
    /// Ends it.
    pub(crate) shutdown: Shutdown,
}

/// One pass of the loop.
enum Claimed {
    /// There may be more.
    All,
    /// The queue had fewer than were asked for.
    Rest,
    /// The worker is stopping; what came was given back.
    Stopping,
}

impl Claimer {
    /// Claims until the worker is to stop. Ends otherwise only by what no repetition can mend.
    pub(crate) async fn run(self) -> Result<(), Fatal> {
        let mut delays = retry_delays().build();
        let mut gather_until = Instant::now();
        loop {
            tokio::select! {
                () = self.wake.rung() => {}
                () = tokio::time::sleep(jittered(BACKSTOP)) => {}
                () = self.shutdown.draining() => return Ok(()),
            }
            self.gather(gather_until).await;
            let begin = Instant::now();
            while self.crew.free_permits() > 0 && !self.shutdown.is_draining() {
                match self.claim_once().await {
                    Ok(Claimed::All) => delays = retry_delays().build(),
                    Ok(Claimed::Rest) => {
                        delays = retry_delays().build();
                        break;
                    }
                    Ok(Claimed::Stopping) => return Ok(()),
                    Err(error) => {
                        if let Some(fatal) = error.fatal_at_work() {
                            return Err(fatal);
                        }
                        // What the database gave us without our hearing of it comes back by the
                        // tick, which tells what we know to hold.
                        error.log("failed to claim work");
                        self.pause(delays.next().unwrap_or(BACKSTOP)).await;
                        self.wake.poll();
                        break;
                    }
                }
            }
            gather_until = Instant::now() + (begin.elapsed() * GATHER_FACTOR).min(GATHER_MAX);
        }
    }

    /// Waits until half of the permits are free, or somebody wrote something, or it is time.
    async fn gather(&self, until: Instant) {
        while !self.wake.is_pushed() && !self.crew.is_half_free() && !self.shutdown.is_draining() {
            tokio::select! {
                () = self.wake.rung() => {}
                () = tokio::time::sleep_until(until) => return,
                () = self.shutdown.draining() => {}
            }
        }
    }

    /// Takes what is free, and starts to work on it.
    async fn claim_once(&self) -> Result<Claimed, CallError> {
        let session = tokio::select! {
            session = self.link.session() => session,
            () = self.shutdown.draining() => return Ok(Claimed::Stopping),
        };
        let limit = self.crew.free_permits();
        let begin = Instant::now();
        let (woken_by, was_found) = (self.wake.take(), self.wake.was_found());
        let ended_count = self.wake.ended_count();
        let request = ClaimRequest {
            api: API,
            session: self.session_id,
            limit,
            woken_by,
        };
        let asked = Moment::now();
        let reply: ClaimReply = session
            .call("claim", &request, CALL_LIMIT)
            .await
            .inspect_err(|_| self.wake.put_back(woken_by, was_found))?;
        if self.shutdown.is_draining() {
            let tokens = reply.items.iter().map(|item| item.token).collect();
            give_back(&self.link, self.session_id, tokens, CALL_LIMIT).await;
            return Ok(Claimed::Stopping);
        }
        // What waits for another attempt is announced by nobody.
        let is_new = reply.items.iter().any(|item| item.attempt == 1);
        if let Some(hints) = self.hints.as_ref().filter(|_| is_new && was_found)
            && woken_by == WokenBy::Poll
        {
            hints.found_by_tick(begin.into_std());
        }
        let left_nothing = reply.items.len() < limit;
        self.wake.claimed(ended_count.filter(|_| left_nothing));
        let claimed = if left_nothing { Claimed::Rest } else { Claimed::All };
        for item in reply.items {
            self.crew
                .start(item, asked, Duration::from_millis(reply.lease_ms));
        }
        Ok(claimed)
    }

    async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.shutdown.draining() => {}
        }
    }
}

/// Gives items back so that another worker can take them at once; without it they wait for their
/// leases to end. Answers how many were given back.
pub(crate) async fn give_back(link: &Link, session_id: Uuid, tokens: Vec<Uuid>, limit: Duration) -> u64 {
    if tokens.is_empty() {
        return 0;
    }
    let request = ReleaseRequest {
        api: API,
        session: session_id,
        tokens,
        others: false,
    };
    let released = tokio::time::timeout(limit, async {
        link.session()
            .await
            .call::<ReleaseReply>("release", &request, limit)
            .await
    });
    let error = match released.await {
        Ok(Ok(reply)) => {
            tracing::info!(count = reply.released, "gave back {} items", reply.released);
            return reply.released;
        }
        Ok(Err(error)) => error.chain(),
        Err(_) => "the database did not answer in time".to_owned(),
    };
    let count = request.tokens.len();
    tracing::warn!(
        error,
        "failed to give back {count} items, their leases will end instead: {error}"
    );
    0
}
