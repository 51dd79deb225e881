//! Puts the parts together, and watches that none of them ends before the worker does.

use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use creel_core::host_api::{API, ReleaseReply, ReleaseRequest};
use tokio::task::{JoinError, JoinSet};

use crate::agent_logs::AgentLogs;
use crate::claim::Claimer;
use crate::config::WorkerConfig;
use crate::crew::Crew;
use crate::exit::{Fatal, Stopped};
use crate::finish::{Finisher, Writer};
use crate::health::Health;
use crate::held::Held;
use crate::host::VersionWatch;
use crate::http::{PageState, Pages};
use crate::key_keeper::keep_key;
use crate::mirror::{MirrorRequests, MirrorTask};
use crate::process::{Mark, reap_marked};
use crate::reconcile::{Reconciler, Served};
use crate::run::Kit;
use crate::runtime::{RuntimeSources, RuntimeWatch};
use crate::shutdown::Shutdown;
use crate::stop::StopLimits;
use crate::tick::Ticker;
use crate::transport::{CALL_LIMIT, Connector, Link, LinkKeeper, Spares, retry_delays};
use crate::wake::Wake;

/// The loops beside the claim; each runs until the end, and whichever ends before ends the worker.
type Parts = JoinSet<Fatal>;

/// A part ends where it waits next. What a disk holds up is left behind.
const PARTS_GRACE: Duration = Duration::from_secs(1);

/// A host's login has ten connections, and nothing is gained by more processes than the database has processors.
const MAX_SPARES: usize = 3;

/// What the parts share.
pub(crate) struct Daemon {
    pub(crate) kit: Kit,
    pub(crate) drain_grace: Duration,
    pub(crate) shutdown: Shutdown,
    pub(crate) health: Arc<Health>,
    pub(crate) held: Arc<Held>,
    pub(crate) link: Link,
    pub(crate) crew: Arc<Crew>,
    wake: Arc<Wake>,
    connector: Connector,
}

/// The parts that are made together with what they share.
pub(crate) struct Background {
    pages: Pages,
    keeper: LinkKeeper,
    writer: Writer,
}

/// Argument of `report_outdated`, which every version of the database takes.
#[derive(serde::Serialize)]
struct OutdatedRequest {
    api: u32,
    worker_version: &'static str,
}

impl Daemon {
    /// Makes the parts; none of them runs yet.
    pub(crate) fn assemble(
        config: &WorkerConfig,
        connector: Connector,
        shutdown: Shutdown,
        kit: Kit,
        pages: Pages,
    ) -> (Self, Background) {
        let (health, held, wake) = (
            Arc::<Health>::default(),
            Arc::<Held>::default(),
            Arc::<Wake>::default(),
        );
        let (keeper, link) = LinkKeeper::new(connector.clone(), wake.clone(), health.clone());
        // Results that go one by one keep more than one process of the database busy.
        let spare_most = if config.finish_batch == 1 { MAX_SPARES } else { 1 };
        let spares = Spares::new(connector.clone(), spare_most);
        let (finisher, writer) = Finisher::new(link.clone(), spares, config.finish_batch);
        let jobs = kit.jobs.clone();
        let crew = Crew::new(
            jobs,
            config.permits,
            held.clone(),
            link.clone(),
            finisher,
            wake.clone(),
        );
        let daemon = Self {
            kit,
            drain_grace: config.drain_grace,
            shutdown,
            health,
            held,
            link,
            crew: Arc::new(crew),
            wake,
            connector,
        };
        (
            daemon,
            Background {
                pages,
                keeper,
                writer,
            },
        )
    }

    /// Runs until the wish to stop is fulfilled, or a part of it failed for good.
    pub(crate) async fn run(self, background: Background) -> anyhow::Result<Stopped> {
        let mut parts = Parts::new();
        let ended = self.run_parts(&mut parts, background).await;
        // Before the runtime takes their connections away, which a part that is at work would complain of.
        let _in_time = tokio::time::timeout(PARTS_GRACE, parts.shutdown()).await;
        let fatal = ended.as_ref().err().and_then(|error| error.downcast_ref());
        if matches!(fatal, Some(Fatal::UpgradeNeeded { .. })) {
            self.say_outdated().await;
        }
        ended
    }

    /// Lets people see why nothing comes from this host any more. It ends in any case.
    async fn say_outdated(&self) {
        let request = OutdatedRequest {
            api: API,
            worker_version: env!("CARGO_PKG_VERSION"),
        };
        let said = async {
            let session = self.connector.connect_tick().await?;
            session
                .call::<serde_json::Value>("report_outdated", &request, CALL_LIMIT)
                .await
        };
        if let Err(error) = said.await {
            let error = error.chain();
            tracing::warn!(error, "failed to say that this worker is too old: {error}");
        }
    }

    async fn run_parts(&self, parts: &mut Parts, background: Background) -> anyhow::Result<Stopped> {
        self.start_background(parts, background);
        tokio::select! {
            recovered = self.recover() => recovered?,
            fatal = first_end(parts) => return Err(fatal.into()),
            () = self.shutdown.draining() => return Ok(Stopped::Drained { released: 0 }),
        }
        tracing::info!(session = %self.kit.session_id, "creel worker {} is at work", env!("CARGO_PKG_VERSION"));
        let versions = self.kit.openclaw.clone().map(VersionWatch::start);
        let runtime = self.runtime(versions.as_ref());
        parts.spawn(self.ticker(versions.as_ref(), runtime.as_ref()).run());
        if let Some(reconciler) = self.reconciler() {
            parts.spawn(async move {
                reconciler.run().await;
                died("reconciliation", None)
            });
        }
        if self.kit.openclaw.is_some() {
            let logs = AgentLogs {
                data_dir: self.kit.data_dir.clone(),
                link: self.link.clone(),
            };
            parts.spawn(async move {
                logs.run().await;
                died("reader of the agents' logs", None)
            });
        }
        if let Some(mirror) = self.mirror() {
            parts.spawn(async move {
                mirror.run().await;
                died("mirror of documents", None)
            });
        }
        let mut claiming = tokio::spawn(self.claimer().run());

        let fatal = tokio::select! {
            fatal = first_end(parts) => Some(fatal),
            ended = &mut claiming => claim_end(ended, &self.shutdown),
            () = self.shutdown.draining() => None,
        };
        match fatal {
            None => Ok(self.drain(&mut claiming).await),
            Some(fatal) => {
                claiming.abort();
                self.stop_jobs(StopLimits::AT_ONCE).await;
                Err(fatal.into())
            }
        }
    }

    fn start_background(&self, parts: &mut Parts, background: Background) {
        let Background {
            pages,
            keeper,
            writer,
        } = background;
        let state = PageState {
            health: self.health.clone(),
            held: self.held.clone(),
            connector: self.connector.clone(),
            gateway: self.kit.gateway.clone(),
        };
        parts.spawn(async move { died("page server", pages.serve(state).await) });
        parts.spawn(keeper.keep());
        if let Some(rotation) = self.connector.key_rotation() {
            let wake = self.wake.clone();
            parts.spawn(async move {
                keep_key(rotation, &wake).await;
                died("keeper of the key", None)
            });
        }
        if let Some(channel) = self.connector.channel() {
            let wake = self.wake.clone();
            parts.spawn(async move {
                channel.keep(wake).await;
                died("listener for hints", None)
            });
        }
        parts.spawn(async move {
            writer.run().await;
            died("writer of results", None)
        });
    }

    fn runtime(&self, versions: Option<&VersionWatch>) -> Option<RuntimeWatch> {
        Some(RuntimeWatch::start(RuntimeSources {
            openclaw: self.kit.openclaw.clone()?,
            config_path: self.kit.config_path.clone()?,
            version: versions?.latest(),
            gateway: self.kit.gateway.clone(),
        }))
    }

    fn ticker(&self, versions: Option<&VersionWatch>, runtime: Option<&RuntimeWatch>) -> Ticker {
        Ticker {
            connector: self.connector.clone(),
            session_id: self.kit.session_id,
            held: self.held.clone(),
            wake: self.wake.clone(),
            health: self.health.clone(),
            openclaw_version: versions.map(VersionWatch::latest),
            runtime: runtime.map(RuntimeWatch::news),
            events: self.kit.events.clone(),
            agents: self
                .kit
                .supervisor
                .as_ref()
                .map(|supervisor| supervisor.reports())
                .unwrap_or_default(),
            docs: self.kit.mirror.as_ref().map(MirrorRequests::since),
            backends: self.kit.backends(),
        }
    }

    fn reconciler(&self) -> Option<Reconciler> {
        Some(Reconciler {
            session_id: self.kit.session_id,
            link: self.link.clone(),
            supervisor: self.kit.supervisor.clone()?,
            served: Served {
                view: self.kit.gateway.clone(),
                openclaw: self.kit.openclaw.clone(),
            },
        })
    }

    fn mirror(&self) -> Option<MirrorTask> {
        Some(MirrorTask::new(
            self.kit.session_id,
            self.link.clone(),
            self.wake.clone(),
            self.kit.supervisor.clone()?,
            self.kit.mirror.clone()?,
            self.kit.program.clone()?,
        ))
    }

    fn claimer(&self) -> Claimer {
        Claimer {
            session_id: self.kit.session_id,
            link: self.link.clone(),
            wake: self.wake.clone(),
            hints: self.connector.hints(),
            crew: self.crew.clone(),
            shutdown: self.shutdown.clone(),
        }
    }

    /// Gives back what the dead selves of this host held: the lock says that they are dead.
    async fn recover(&self) -> Result<(), Fatal> {
        let request = ReleaseRequest {
            api: API,
            session: self.kit.session_id,
            tokens: Vec::new(),
            others: true,
        };
        // What the dead selves left must not go on beside whoever takes their items. The connection is
        // made in the same time.
        let killed = reap_marked(&Mark::new(&self.kit.data_dir, self.kit.session_id)).await;
        if killed > 0 {
            tracing::warn!(
                count = killed,
                "killed {killed} processes that an earlier worker left"
            );
        }
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
                    tokio::time::sleep(delays.next().expect("the delays have no end")).await;
                }
            }
        }
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
fn claim_end(ended: Result<Result<(), Fatal>, JoinError>, shutdown: &Shutdown) -> Option<Fatal> {
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
