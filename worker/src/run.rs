//! Starts a worker on this host.

use std::path::PathBuf;
use std::sync::Arc;

use creel_core::status::Backend;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::backend::{Archives, ProfileBackend, ProfileSettings, SharedBackend};
use crate::config::{KeepGateway, OpenClawDriver, WorkerConfig};
use crate::daemon::Daemon;
use crate::exit::{Fatal, Stopped};
use crate::gateway_service::{GatewayService, GatewaySettings, GatewayView};
use crate::host_events::HostEvents;
use crate::http::{self, Pages};
use crate::job::Job;
use crate::job::canary::CanaryJob;
use crate::job::command::{AgentWork, CommandJob};
use crate::job::provision::ProvisionJob;
use crate::lock::HostLock;
use crate::mirror::{MirrorHandle, MirrorRequests};
use crate::openclaw::{self, AutoDriver, Broker, CliDriver, CliLimits, CliSettings, GatewayDriver, OpenClaw};
use crate::process::{Mark, Runner};
use crate::shutdown::Shutdown;
use crate::supervisor::{Supervision, Supervisor, SupervisorSettings};
use crate::transport::Connector;

/// What a worker works with.
pub(crate) struct Kit {
    /// One per process start.
    pub(crate) session_id: Uuid,
    /// The kinds of work.
    pub(crate) jobs: Vec<Arc<dyn Job>>,
    /// What the jobs start programs with; none when they start none.
    pub(crate) runner: Option<Runner>,
    /// Whose version the host tells.
    pub(crate) openclaw: Option<Arc<dyn OpenClaw>>,
    /// OpenClaw's program; none where there is no OpenClaw.
    pub(crate) program: Option<PathBuf>,
    /// OpenClaw's configuration; none where there is no OpenClaw.
    pub(crate) config_path: Option<PathBuf>,
    /// Who changes that configuration takes turns.
    pub(crate) broker: Broker,
    /// The gateway, where this worker keeps it running.
    pub(crate) gateway: Option<watch::Receiver<GatewayView>>,
    /// Who minds the agents that have processes of their own.
    pub(crate) supervisor: Option<Arc<Supervisor>>,
    /// Who asks for an agent's documents to be mirrored at once; none where none are mirrored.
    pub(crate) mirror: Option<MirrorRequests>,
    /// What happened on the host, for the tick to tell.
    pub(crate) events: Arc<HostEvents>,
    /// The worker's own folder, by which its children are told from others'.
    pub(crate) data_dir: PathBuf,
}

impl Kit {
    /// What this version of the worker can do.
    fn of_this_version(config: &WorkerConfig) -> Self {
        let session_id = Uuid::new_v4();
        let runner = Runner::new(Mark::new(&config.data_dir, session_id));
        let mut settings = CliSettings::new(&config.openclaw, &config.openclaw_state_dir);
        if let Some(limit) = config.openclaw_timeout {
            settings.limits = CliLimits::all(limit);
        }
        let config_path = settings.config_path.clone();
        let events = Arc::<HostEvents>::default();
        let broker = Broker::keeping(config_path.clone(), config.data_dir.clone(), events.clone());
        let cli = || CliDriver::new(settings, runner.clone(), broker.clone());
        let gateway = || {
            let settings = openclaw::GatewaySettings::new(&config.openclaw_state_dir);
            GatewayDriver::new(settings, runner.clone(), broker.clone())
        };
        let openclaw: Arc<dyn OpenClaw> = match config.openclaw_driver {
            OpenClawDriver::Auto => Arc::new(AutoDriver::new(gateway(), cli())),
            OpenClawDriver::Cli => Arc::new(cli()),
            OpenClawDriver::Gateway => Arc::new(gateway()),
        };
        let mark = Mark::new(&config.data_dir, session_id);
        let profile = ProfileBackend::new(ProfileSettings {
            base: config.profile_base.clone(),
            first_port: config.first_agent_port,
            agent_memory_mb: config.agent_memory_mb,
            ..ProfileSettings::new(&config.openclaw, &config.data_dir, mark.clone(), runner.clone())
        });
        let archives = Archives::new(&config.data_dir);
        let shared = SharedBackend::new(
            openclaw.clone(),
            &config.openclaw_state_dir,
            &config.workspace_root,
            archives,
        )
        .answering(
            openclaw::GatewaySettings::new(&config.openclaw_state_dir),
            runner.clone(),
        );
        let supervisor = Supervisor::new(SupervisorSettings {
            backends: vec![Arc::new(shared), Arc::new(profile)],
            data_dir: config.data_dir.clone(),
            mark,
            events: events.clone(),
        });
        let (mirror, mirror_requests) = MirrorHandle::new();
        let work = AgentWork::new(supervisor.clone(), &config.data_dir).with_mirror(mirror);
        let work = Arc::new(work);
        let provision = ProvisionJob::new(openclaw.clone(), &config.workspace_root);
        Self {
            session_id,
            jobs: vec![
                Arc::new(provision.with_work(work.clone())),
                Arc::new(CommandJob::new(work)),
                Arc::new(CanaryJob::new(supervisor.clone())),
            ],
            runner: Some(runner),
            openclaw: Some(openclaw),
            program: Some(config.openclaw.clone()),
            config_path: Some(config_path),
            broker,
            gateway: None,
            supervisor: Some(supervisor),
            mirror: Some(mirror_requests),
            events,
            data_dir: config.data_dir.clone(),
        }
    }
}

impl Kit {
    /// Where agents can run on this host; none where nobody knows.
    pub(crate) fn backends(&self) -> Option<Vec<Backend>> {
        let own = self.supervisor.as_ref()?.backends();
        Some(own.iter().map(|backend| backend.kind()).collect())
    }

    /// Begins to mind the agents.
    fn supervise(&self) -> Option<Supervision> {
        Some(Supervision::start(self.supervisor.clone()?))
    }

    /// Begins to keep the gateway running, where that is wished for.
    fn keep_gateway(&mut self, config: &WorkerConfig) -> Option<GatewayService> {
        let config_path = self.config_path.clone()?;
        if config.keep_gateway == KeepGateway::Never {
            return None;
        }
        let service = GatewayService::start(GatewaySettings {
            program: config.openclaw.clone(),
            state_dir: config.openclaw_state_dir.clone(),
            config_path,
            data_dir: self.data_dir.clone(),
            mark: Mark::new(&self.data_dir, self.session_id),
            broker: self.broker.clone(),
            events: self.events.clone(),
            ends_with_worker: config.keep_gateway == KeepGateway::UntilEnd,
        });
        self.gateway = Some(service.view());
        Some(service)
    }
}

/// Runs a worker with the jobs of this version, until `shutdown` asks it to stop or a part of it fails
/// for good ([`Fatal`]).
///
/// A thread that works on a disk which does not answer may be left behind. A program that ends with its
/// worker shuts its runtime down with a time limit, or it would wait for that thread without end.
pub async fn run(config: WorkerConfig, shutdown: Shutdown) -> anyhow::Result<Stopped> {
    // The lock comes first: it makes the data directory, by whose true path children are marked.
    let lock = HostLock::take(&config.data_dir).await?;
    let kit = Kit::of_this_version(&config);
    run_locked(lock, config, shutdown, kit).await
}

/// Runs a worker with jobs of one's own.
pub async fn run_with(
    config: WorkerConfig,
    shutdown: Shutdown,
    jobs: Vec<Arc<dyn Job>>,
) -> anyhow::Result<Stopped> {
    let lock = HostLock::take(&config.data_dir).await?;
    let data_dir = config.data_dir.clone();
    let kit = Kit {
        session_id: Uuid::new_v4(),
        jobs,
        runner: None,
        openclaw: None,
        program: None,
        config_path: None,
        broker: Broker::default(),
        gateway: None,
        supervisor: None,
        mirror: None,
        events: Arc::default(),
        data_dir,
    };
    run_locked(lock, config, shutdown, kit).await
}

async fn run_locked(
    lock: HostLock,
    config: WorkerConfig,
    shutdown: Shutdown,
    mut kit: Kit,
) -> anyhow::Result<Stopped> {
    config.check().map_err(Fatal::from)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let connector = Connector::new(&config.transport).map_err(Fatal::from)?;
    http::record_metrics();
    let pages = Pages::bind(config.http_listen, &config.data_dir).await?;
    let _looked_after = AbortOnDropHandle::new(tokio::spawn(kit.broker.clone().watch()));
    let archives = Archives::new(&config.data_dir).watch(config.archive_retention);
    let _pruned = AbortOnDropHandle::new(tokio::spawn(archives));
    let gateway = kit.keep_gateway(&config);
    let supervision = kit.supervise();
    let (daemon, background) = Daemon::assemble(&config, connector, shutdown.clone(), kit, pages);
    let stopped = daemon.run(background).await;
    if let Some(supervision) = supervision {
        supervision.end(config.agents_end_with_worker).await;
    }
    if let Some(gateway) = gateway {
        gateway.end(&shutdown).await;
    }
    drop(lock);
    stopped
}
