//! Puts the parts together, and owns how they end.

use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use creel_core::host_api::{API, ReleaseReply, ReleaseRequest};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::claim::{Claimer, give_back};
use crate::config::WorkerConfig;
use crate::crew::Crew;
use crate::db::{CALL_LIMIT, Connector, Link, LinkKeeper, retry_delays};
use crate::exit::{Fatal, Stopped};
use crate::finish::Finisher;
use crate::health::Health;
use crate::held::Held;
use crate::http::{self, PageState, Pages};
use crate::job::Job;
use crate::lock::HostLock;
use crate::shutdown::Shutdown;
use crate::tick::Ticker;
use crate::wake::Wake;

/// A job that is told to stop kills its processes, which takes a moment when they are asked first.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Somebody who asks twice wants the end now; what is not given back by then is noticed by its lease.
const STOP_NOW_LIMIT: Duration = Duration::from_millis(600);
/// To give back is one call; together with [`STOP_NOW_LIMIT`] it is less than a second.
const RELEASE_NOW_LIMIT: Duration = Duration::from_millis(300);
/// A claim that is under way when the end begins is waited for, so that what it took is known.
const CLAIM_END_LIMIT: Duration = Duration::from_secs(12);

/// The loops beside the claim; each runs until the end, and whichever ends before ends the worker.
type Parts = JoinSet<Fatal>;

/// Runs a worker with jobs of one's own, until `shutdown` asks it to stop or a part of it fails for
/// good ([`Fatal`]).
pub async fn run_with(
    config: WorkerConfig,
    shutdown: Shutdown,
    jobs: Vec<Arc<dyn Job>>,
) -> anyhow::Result<Stopped> {
    config.check().map_err(Fatal::from)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let _lock = HostLock::take(&config.data_dir)?;
    let connector = Connector::new(&config.database).map_err(Fatal::from)?;
    http::record_metrics();
    let pages = Pages::bind(config.http_listen, &config.data_dir).await?;
    Worker::assemble(config, connector, shutdown, jobs)
        .run(pages)
        .await
}

/// The parts that share state.
struct Worker {
    session_id: Uuid,
    drain_grace: Duration,
    connector: Connector,
    shutdown: Shutdown,
    health: Arc<Health>,
    held: Arc<Held>,
    wake: Arc<Wake>,
    link: Link,
    keeper: Option<LinkKeeper>,
    writer: Option<crate::finish::Writer>,
    crew: Arc<Crew>,
}

impl Worker {
    fn assemble(
        config: WorkerConfig,
        connector: Connector,
        shutdown: Shutdown,
        jobs: Vec<Arc<dyn Job>>,
    ) -> Self {
        let (health, held, wake) = (
            Arc::<Health>::default(),
            Arc::<Held>::default(),
            Arc::<Wake>::default(),
        );
        let (keeper, link) = LinkKeeper::new(connector.clone(), wake.clone(), health.clone());
        let (finisher, writer) = Finisher::new(link.clone());
        let crew = Arc::new(Crew::new(
            jobs,
            config.permits,
            held.clone(),
            link.clone(),
            finisher,
            wake.clone(),
        ));
        Self {
            session_id: Uuid::new_v4(),
            drain_grace: config.drain_grace,
            connector,
            shutdown,
            health,
            held,
            wake,
            link,
            keeper: Some(keeper),
            writer: Some(writer),
            crew,
        }
    }

    async fn run(mut self, pages: Pages) -> anyhow::Result<Stopped> {
        let mut parts = Parts::new();
        let state = PageState {
            health: self.health.clone(),
            held: self.held.clone(),
        };
        parts.spawn(async move { died("page server", pages.serve(state).await) });
        if let Some(keeper) = self.keeper.take() {
            parts.spawn(keeper.keep());
        }
        if let Some(writer) = self.writer.take() {
            parts.spawn(async move {
                writer.run().await;
                died("writer of results", None)
            });
        }

        let started = tokio::select! {
            started = self.recover() => started,
            fatal = first_end(&mut parts) => Err(fatal),
            () = self.shutdown.draining() => return Ok(Stopped::Drained { released: 0 }),
        };
        started?;
        tracing::info!(session = %self.session_id, "creel worker {} is at work", env!("CARGO_PKG_VERSION"));
        let ticker = Ticker {
            connector: self.connector.clone(),
            session_id: self.session_id,
            held: self.held.clone(),
            wake: self.wake.clone(),
            health: self.health.clone(),
        };
        parts.spawn(ticker.run());
        let claimer = Claimer {
            session_id: self.session_id,
            link: self.link.clone(),
            wake: self.wake.clone(),
            crew: self.crew.clone(),
            shutdown: self.shutdown.clone(),
        };
        let mut claiming = tokio::spawn(claimer.run());

        let fatal = tokio::select! {
            fatal = first_end(&mut parts) => Some(fatal),
            ended = &mut claiming => claim_end(ended, &self.shutdown),
            () = self.shutdown.draining() => None,
        };
        match fatal {
            Some(fatal) => {
                tracing::error!(error = %fatal, "the worker ends: {fatal}");
                claiming.abort();
                self.stop_jobs(STOP_NOW_LIMIT, RELEASE_NOW_LIMIT).await;
                Err(fatal.into())
            }
            None => Ok(self.drain(&mut claiming).await),
        }
    }

    /// Gives back what the dead selves of this host held: the lock says that they are dead.
    async fn recover(&self) -> Result<(), Fatal> {
        let request = ReleaseRequest {
            api: API,
            session: self.session_id,
            tokens: Vec::new(),
            others: true,
        };
        let mut delays = retry_delays().build();
        loop {
            let session = self.link.session().await;
            match session
                .call::<ReleaseReply>("release", &request, CALL_LIMIT)
                .await
            {
                Ok(reply) => {
                    if reply.released > 0 {
                        tracing::info!(
                            count = reply.released,
                            "took back {} items that an earlier worker on this host left",
                            reply.released
                        );
                    }
                    return Ok(());
                }
                Err(error) => {
                    if let Some(fatal) = error.fatal_at_start() {
                        return Err(fatal);
                    }
                    let error = error.chain();
                    tracing::warn!(error, "failed to start, trying again: {error}");
                    tokio::time::sleep(delays.next().unwrap_or(STOP_LIMIT)).await;
                }
            }
        }
    }

    /// Lets jobs finish within the grace, then stops them and gives them back. Parts that die now
    /// change nothing: the leases say when it is too late.
    async fn drain(&self, claiming: &mut tokio::task::JoinHandle<Result<(), Fatal>>) -> Stopped {
        let grace = self.drain_grace;
        self.health.set_draining();
        tracing::info!(
            running = self.held.count(),
            "stopping: {} jobs have {} s to finish; a second signal stops them at once",
            self.held.count(),
            grace.as_secs()
        );
        let patient = async {
            if !claiming.is_finished() {
                let _ended_or_late = tokio::time::timeout(CLAIM_END_LIMIT, claiming).await;
            }
            let _all_or_late = tokio::time::timeout(grace, self.crew.all_ended()).await;
            self.stop_jobs(STOP_LIMIT, CALL_LIMIT).await
        };
        tokio::select! {
            released = patient => {
                tracing::info!(released, "stopped");
                Stopped::Drained { released }
            }
            () = self.shutdown.stopping_now() => {
                tracing::warn!("stopping at once");
                self.stop_jobs(STOP_NOW_LIMIT, RELEASE_NOW_LIMIT).await;
                Stopped::AtOnce { signal: self.shutdown.last_signal() }
            }
        }
    }

    /// Stops what is at work and gives back what stopped. Answers how many were given back.
    async fn stop_jobs(&self, stop_limit: Duration, release_limit: Duration) -> u64 {
        self.held.give_back_all();
        if tokio::time::timeout(stop_limit, self.crew.all_ended())
            .await
            .is_err()
        {
            let count = self.held.count();
            tracing::warn!(count, "{count} jobs did not stop in time; their leases will end");
        }
        let tokens = self.held.take_given_back();
        give_back(&self.link, self.session_id, tokens, release_limit).await
    }
}

/// Waits for the first part that ends.
async fn first_end(parts: &mut Parts) -> Fatal {
    match parts.join_next().await {
        Some(Ok(fatal)) => fatal,
        Some(Err(error)) => died("background task", Some(error.to_string())),
        None => std::future::pending::<Fatal>().await,
    }
}

/// The claimer may end when the worker is stopping, and else not.
fn claim_end(ended: Result<Result<(), Fatal>, tokio::task::JoinError>, shutdown: &Shutdown) -> Option<Fatal> {
    match ended {
        Ok(Ok(())) if shutdown.is_draining() => None,
        Ok(Ok(())) => Some(died("claimer", None)),
        Ok(Err(fatal)) => Some(fatal),
        Err(error) => Some(died("claimer", Some(error.to_string()))),
    }
}

fn died(part: &'static str, why: Option<String>) -> Fatal {
    Fatal::PartDied { part, why }
}
