//! Renews leases and asks whether there is work: on a connection and a task of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::BackoffBuilder;
use creel_core::clock::Moment;
use creel_core::host_api::{API, HostReport, TickReply, TickRequest};
use creel_core::status::Backend;
use creel_core::telemetry::{RECONNECTED, TICK_FAILED, TICK_SECONDS};
use tokio::sync::watch;
use uuid::Uuid;

use crate::exit::Fatal;
use crate::health::Health;
use crate::held::Held;
use crate::host::HostMeter;
use crate::host_events::HostEvents;
use crate::http;
use crate::jitter::jittered;
use crate::mirror::DocsSince;
use crate::runtime::RuntimeNews;
use crate::supervisor::AgentReports;
use crate::transport::{CallError, Connector, Session, TICK_LIMIT, retry_delays};
use crate::wake::Wake;

/// Something that becomes claimable is looked for no more often than this, whatever the database
/// says: a fault there must not become a flood.
const MIN_PAUSE: Duration = Duration::from_millis(200);
/// A database that wishes for rarer ticks than this would have hosts look offline.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Who is not told of a cancellation looks for it this often, while there is something to cancel: a stop is to
/// take seconds. An idle host asks no more often because of it.
const BLIND_PAUSE: Duration = Duration::from_secs(3);

/// What happens to agents within the same second is told together.
const NEWS_PAUSE: Duration = Duration::from_secs(1);

/// The loop that ticks.
pub(crate) struct Ticker {
    /// Makes its connection.
    pub(crate) connector: Connector,
    /// One per process start.
    pub(crate) session_id: Uuid,
    /// What it renews.
    pub(crate) held: Arc<Held>,
    /// What it rings when there is work.
    pub(crate) wake: Arc<Wake>,
    /// Where it tells how it goes.
    pub(crate) health: Arc<Health>,
    /// Which OpenClaw the host has, when somebody looks for that.
    pub(crate) openclaw_version: Option<watch::Receiver<Option<String>>>,
    /// What of OpenClaw is there, when somebody looks for that.
    pub(crate) runtime: Option<RuntimeNews>,
    /// What happened on the host.
    pub(crate) events: Arc<HostEvents>,
    /// How its agents are.
    pub(crate) agents: Arc<AgentReports>,
    /// Since when documents are asked for, where they are mirrored.
    pub(crate) docs: Option<DocsSince>,
    /// Where agents can run on this host; told once.
    pub(crate) backends: Option<Vec<Backend>>,
}

impl Ticker {
    /// Ticks until the worker ends it. Ends by itself only by what no repetition can mend.
    pub(crate) async fn run(mut self) -> Fatal {
        let mut meter = HostMeter::new(self.runtime.take());
        let mut delays = retry_delays().build();
        let mut connection: Option<Session> = None;
        let mut connected_before = false;
        loop {
            let session = match connection.take() {
                Some(session) => Ok(session),
                None => {
                    if std::mem::replace(&mut connected_before, true) {
                        metrics::counter!(RECONNECTED, "connection" => "tick").increment(1);
                    }
                    self.connector.connect_tick().await
                }
            };
            let ticked = match session {
                Ok(session) => self
                    .tick_once(&session, &mut meter)
                    .await
                    .map(|pause| (session, pause)),
                Err(error) => Err(error),
            };
            http::fold_metrics();
            match ticked {
                Ok((session, pause)) => {
                    self.health.set_shut_out(false);
                    delays = retry_delays().build();
                    // A connection that ends between two ticks is made again before the next is due.
                    tokio::select! {
                        () = self.pause(pause) => connection = Some(session),
                        () = session.ended() => self.health.tick_down(),
                    }
                }
                Err(error) => {
                    if let Some(fatal) = error.fatal_at_work() {
                        return fatal;
                    }
                    self.health.tick_down();
                    self.health.set_shut_out(error.is_shut_out());
                    metrics::counter!(TICK_FAILED).increment(1);
                    error.log("failed to tick");
                    tokio::time::sleep(delays.next().unwrap_or(MAX_PAUSE)).await;
                }
            }
        }
    }

    /// Until the next tick is due, or something changed that only a tick can tell the time of.
    async fn pause(&self, pause: Duration) {
        tokio::time::sleep(MIN_PAUSE).await;
        tokio::select! {
            () = tokio::time::sleep(pause.saturating_sub(MIN_PAUSE)) => {}
            () = self.wake.asked_when() => {}
            () = self.news_of_agents() => {}
        }
    }

    /// What an agent does is told soon, and not with a tick for each.
    async fn news_of_agents(&self) {
        self.agents.changed().await;
        tokio::time::sleep(NEWS_PAUSE).await;
    }

    /// One tick. Answers when the next is due.
    async fn tick_once(&mut self, session: &Session, meter: &mut HostMeter) -> Result<Duration, CallError> {
        let news = self.agents.news();
        let hints = self.connector.hints();
        let channel = hints.as_ref().map(|hints| hints.report());
        let request = TickRequest {
            api: API,
            session: self.session_id,
            tokens: self.held.tokens(),
            metrics: news.metric_values(),
            agents: news.reports.clone(),
            docs_since: self.docs.as_ref().and_then(DocsSince::get),
            channel,
            host: HostReport {
                openclaw_version: self
                    .openclaw_version
                    .as_ref()
                    .and_then(|latest| latest.borrow().clone()),
                events: self.events.next(),
                backends: self.backends.clone(),
                ..meter.report()
            },
        };
        let (asked, started) = (Moment::now(), Instant::now());
        let reply: TickReply = session.call("tick", &request, TICK_LIMIT).await?;
        metrics::histogram!(TICK_SECONDS).record(started.elapsed());
        self.events.forget(&request.host.events);
        self.agents.were_told(news);
        self.backends = None;
        if let (Some(hints), Some(report)) = (hints, &request.channel) {
            hints.were_told(report, reply.topic.clone());
        }
        meter.was_told(request.host);
        self.apply(&request.tokens, asked, &reply);
        let is_busy = reply.work || self.held.count() > 0;
        Ok(plan_pause(&reply, is_busy && !self.connector.is_told()))
    }

    fn apply(&self, tokens: &[Uuid], asked: Moment, reply: &TickReply) {
        let every = Duration::from_millis(reply.tick_ms).clamp(MIN_PAUSE, MAX_PAUSE);
        self.health.ticked(reply.host_id, asked, every);
        for warning in &reply.warnings {
            tracing::warn!(
                warning,
                "the database could not take a part of what was told: {warning}"
            );
        }
        let lasts = Duration::from_millis(reply.lease_ms);
        for token in tokens {
            if reply.lost.contains(token) {
                self.held.lose(*token);
                continue;
            }
            self.held.with(*token, |lease| lease.renew(asked, lasts));
            if reply.cancel.contains(token) {
                self.held.cancel(*token);
            }
        }
        if reply.work {
            self.wake.found();
        }
        if reply.docs {
            self.wake.docs();
        }
    }
}

/// When to tick next: as the database wishes, or sooner when something becomes claimable by then. `is_blind`: only a
/// tick tells what is to be cancelled of what is at work.
fn plan_pause(reply: &TickReply, is_blind: bool) -> Duration {
    let mut every = jittered(Duration::from_millis(reply.tick_ms));
    if is_blind {
        every = every.min(BLIND_PAUSE);
    }
    let wake_in = reply.wake_in_ms.map_or(Duration::MAX, Duration::from_millis);
    every.min(wake_in).clamp(MIN_PAUSE, MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(tick_ms: u64, wake_in_ms: Option<u64>) -> TickReply {
        TickReply {
            host_id: Uuid::nil(),
            lease_ms: 30_000,
            tick_ms,
            lost: Vec::new(),
            cancel: Vec::new(),
            work: false,
            docs: false,
            warnings: Vec::new(),
            topic: None,
            wake_in_ms,
        }
    }

    #[test]
    fn the_next_tick_comes_when_something_becomes_claimable() {
        assert_eq!(
            plan_pause(&reply(10_000, Some(1_500)), false),
            Duration::from_millis(1_500)
        );
        assert!(plan_pause(&reply(10_000, Some(60_000)), false) <= Duration::from_secs(11));
    }

    #[test]
    fn a_fault_in_the_database_is_no_flood_of_ticks() {
        assert_eq!(plan_pause(&reply(0, None), true), MIN_PAUSE);
        assert_eq!(plan_pause(&reply(10_000, Some(0)), false), MIN_PAUSE);
        assert_eq!(plan_pause(&reply(u64::MAX / 2, None), false), MAX_PAUSE);
    }

    #[test]
    fn who_is_not_told_of_a_cancellation_looks_for_it_while_something_runs() {
        assert_eq!(plan_pause(&reply(10_000, None), true), BLIND_PAUSE);
        assert!(plan_pause(&reply(10_000, None), false) > BLIND_PAUSE);
    }
}
