//! A host with a key hears by a Realtime channel that there is work. It is a hint, and may be lost: the tick finds what
//! was not announced. So nothing here is an error of the worker, only slower.

mod frame;
mod socket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant as Time, sleep_until, timeout};
use uuid::Uuid;

use frame::Heard;
use socket::Socket;

use crate::config::RealtimeConfig;
use crate::jitter::jittered;
use crate::transport::hints::Hints;
use crate::wake::Wake;

/// Name look-up, TCP, TLS and the join; a server that needs longer is down.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// As supabase-js does it; proxies end what is silent for a minute.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(25);
/// A server that lives answers at once. With the distance of heartbeats: how long silence can go unnoticed.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(10);
/// What was written while the database did not know yet that this host listens has been committed by then.
const CATCH_UP: Duration = Duration::from_secs(1);
/// A flood of hints is a claim each, and no more.
const HINT_PAUSE: Duration = Duration::from_millis(100);
/// A server that restarts is back soon; until then the tick looks.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// A project without Realtime is asked once a minute.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A channel that lasted so long was a good one.
const STEADY: Duration = Duration::from_secs(30);

/// Joins the channel, and joins it again.
pub(crate) struct Channel {
    http: reqwest::Client,
    config: RealtimeConfig,
    hints: Arc<Hints>,
}

/// Why nothing is heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// There is no connection.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It said no, with these words.
    #[error("{0}")]
    Refused(String),
    /// The connection is gone.
    #[error("the connection ended")]
    Cut,
    /// The connection is there, and nobody at its end.
    #[error("it does not answer")]
    Silent,
    /// It ended the channel, with these words.
    #[error("the channel ended: {0}")]
    Closed(String),
    /// It is there, and does not bring what it should.
    #[error("it had not announced work that was there")]
    Doubted,
    /// Nothing is wrong: it is to be heard elsewhere.
    #[error("the channel has another name now")]
    Moved,
}

impl Channel {
    pub(super) fn new(http: reqwest::Client, config: RealtimeConfig, hints: Arc<Hints>) -> Self {
        Self { http, config, hints }
    }

    /// Listens for ever.
    pub(crate) async fn keep(self, wake: Arc<Wake>) {
        let mut delays = retry_delays().build();
        let mut said = Said::default();
        loop {
            let topic = self.hints.topic().await;
            let begin = Instant::now();
            let trouble = match self.listen(&topic, &wake, &mut said).await {
                Ok(never) => match never {},
                Err(trouble) => trouble,
            };
            let was_live = self.hints.is_live();
            self.hints.down();
            if was_live {
                // Nobody is to send to where nobody listens.
                wake.ask_when();
            }
            let is_vain = matches!(trouble, Trouble::Doubted) && !self.hints.has_brought();
            let was_good = matches!(trouble, Trouble::Moved | Trouble::Doubted) || begin.elapsed() > STEADY;
            if was_good && !is_vain {
                delays = retry_delays().build();
            }
            if !matches!(trouble, Trouble::Moved) {
                said.away(&trouble, is_vain);
                tokio::time::sleep(delays.next().unwrap_or(RETRY_MAX)).await;
            }
        }
    }

    /// Listens until something is wrong.
    async fn listen(
        &self,
        topic: &str,
        wake: &Wake,
        said: &mut Said,
    ) -> Result<std::convert::Infallible, Trouble> {
        let opened = timeout(OPEN_LIMIT, self.open(topic)).await;
        let mut socket = opened.map_err(|_| Trouble::Silent)??;
        self.hints.up();
        said.joined();
        // What was sent while nobody listened is found by looking; and by a tick the database learns that somebody does.
        wake.poll();
        wake.docs();
        wake.ask_when();

        let mut number = 1;
        let mut heartbeat_at = Time::now() + jittered(HEARTBEAT_EVERY);
        let mut unanswered: Option<u64> = None;
        let mut catch_up_at: Option<Time> = None;
        let mut ring = Ring::default();
        loop {
            tokio::select! {
                text = socket.next() => match frame::hear(&text?, topic) {
                    Heard::Work => {
                        self.hints.heard();
                        wake.announced();
                        said.heard();
                        ring.work = true;
                    }
                    Heard::Cancel => ring.cancel = true,
                    Heard::Docs => ring.docs = true,
                    Heard::Closed(said) => return Err(Trouble::Closed(said)),
                    Heard::Reply(answered, _) if unanswered == Some(answered) => {
                        unanswered = None;
                        heartbeat_at = Time::now() + jittered(HEARTBEAT_EVERY);
                    }
                    Heard::Reply(..) | Heard::Other => {}
                },
                () = sleep_until(heartbeat_at) => {
                    if unanswered.is_some() {
                        return Err(Trouble::Silent);
                    }
                    number += 1;
                    unanswered = Some(number);
                    let sent = timeout(HEARTBEAT_LIMIT, socket.send(frame::heartbeat(number))).await;
                    sent.map_err(|_| Trouble::Silent)??;
                    heartbeat_at = Time::now() + HEARTBEAT_LIMIT;
                }
                () = ring.due() => {}
                () = self.hints.told() => catch_up_at = catch_up_at.or(Some(Time::now() + CATCH_UP)),
                () = sleep_until(catch_up_at.unwrap_or(heartbeat_at)), if catch_up_at.is_some() => {
                    wake.poll();
                    // And what is to be cancelled, or to be read anew.
                    wake.ask_when();
                    catch_up_at = None;
                }
                () = self.hints.is_other_than(topic) => return Err(Trouble::Moved),
                () = self.hints.doubted() => return Err(Trouble::Doubted),
            }
            ring.ring(wake);
        }
    }

    /// Joins a channel like the host's, whose name only a tick tells, and leaves it.
    pub(crate) async fn probe(&self) -> Result<(), Trouble> {
        let topic = format!("creel-probe:{}", Uuid::new_v4().simple());
        let opened = timeout(OPEN_LIMIT, self.open(&topic)).await;
        opened.map_err(|_| Trouble::Silent)?.map(drop)
    }

    /// A channel that is joined.
    async fn open(&self, topic: &str) -> Result<Socket, Trouble> {
        let mut socket = Socket::open(&self.http, &self.config).await?;
        socket.send(frame::join(topic, 1)).await?;
        loop {
            match frame::hear(&socket.next().await?, topic) {
                Heard::Reply(1, Ok(())) => return Ok(socket),
                Heard::Reply(1, Err(said)) => return Err(Trouble::Refused(said)),
                Heard::Closed(said) => return Err(Trouble::Closed(said)),
                _ => {}
            }
        }
    }
}

/// What the log has said last.
#[derive(Default)]
struct Said {
    /// Whether it hears; none where nothing was said yet.
    hears: Option<bool>,
    /// That it was joined means nothing: the last time, too, it brought nothing.
    in_vain: bool,
}

impl Said {
    fn joined(&mut self) {
        if !self.in_vain {
            self.heard();
        }
    }

    fn heard(&mut self) {
        self.in_vain = false;
        match self.hears.replace(true) {
            None => tracing::info!("hears of work at once, by Realtime"),
            Some(false) => tracing::info!("hears of work at once again, by Realtime"),
            Some(true) => {}
        }
    }

    fn away(&mut self, trouble: &Trouble, is_vain: bool) {
        self.in_vain |= is_vain;
        if self.hears.replace(false) != Some(false) {
            tracing::info!(
                error = %trouble,
                "hears of work by its ticks only, as Realtime is away: {trouble}"
            );
        }
    }
}

/// What was heard and not yet rung for.
#[derive(Default)]
struct Ring {
    work: bool,
    cancel: bool,
    docs: bool,
    rung: Option<Time>,
}

impl Ring {
    /// Waits until what waits may ring.
    async fn due(&self) {
        match self.rung {
            Some(rung) if self.work || self.cancel || self.docs => sleep_until(rung + HINT_PAUSE).await,
            _ => std::future::pending().await,
        }
    }

    /// Rings for what waits, unless it has just been rung.
    fn ring(&mut self, wake: &Wake) {
        let is_early = self.rung.is_some_and(|rung| rung.elapsed() < HINT_PAUSE);
        if is_early || !(self.work || self.cancel || self.docs) {
            return;
        }
        if std::mem::take(&mut self.work) {
            wake.push();
        }
        if std::mem::take(&mut self.cancel) {
            wake.ask_when();
        }
        if std::mem::take(&mut self.docs) {
            wake.docs();
        }
        self.rung = Some(Time::now());
    }
}

fn retry_delays() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(RETRY_MIN)
        .with_max_delay(RETRY_MAX)
        .with_jitter()
        .with_jitter_seed(rand::random())
        .without_max_times()
}
