//! An agent with a gateway of its own: state directory, workspace, configuration, port and process.
//!
//! Everything about an agent is in its folder, so that it can be started, stopped and found again with the database
//! away. The process outlives the worker; the next one finds it by its mark.

mod config;
mod configure;
mod deploy;
mod folder;
mod memory;
mod ports;
mod run;
mod slot;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use creel_core::host_api::Doc;
use creel_core::status::{self, DesiredState};
use tokio::sync::Semaphore;
use uuid::Uuid;

use self::config::base_hash;
pub(crate) use self::folder::is_own_workspace;
use self::folder::{Folder, not_deployed};
use self::memory::Admission;
pub use self::memory::{AGENT_MEMORY_MB, MachineMemory, Memory};
use self::ports::Ports;
pub use self::ports::{FIRST_PORT, PORT_SPACING};
use self::slot::{ABORT_WAIT, Slot, Turn};
use super::archive::Archives;
use super::take_over::take_over;
use super::{AgentRef, AgentSpec, Applied, Backend, BackendError, Deployed, Observed, Record, Running};
use crate::gateway_service::probe::probe;
use crate::gateway_service::{Answer, log};
use crate::openclaw::{GatewayControl, GatewaySettings, Question, local_client};
use crate::process::{Mark, Runner, ServiceMark, reap_service};

/// From the start to ready: 8 to 26 s when all is well, and more than a minute on a machine that is overloaded.
const START_LIMIT: Duration = Duration::from_secs(300);

/// A start takes a core for 10 s or more; more at once only make all of them late.
const STARTS_AT_ONCE_MIN: usize = 2;

/// A graceful end of what is not to come back.
const UNDEPLOY_GRACE: Duration = Duration::from_secs(10);

/// Which OpenClaw, and where its agents are.
#[derive(Clone)]
pub struct ProfileSettings {
    /// OpenClaw's program.
    pub program: PathBuf,
    /// The worker's own folder.
    pub data_dir: PathBuf,
    /// The owner's file with what all agents of the host have in common, model providers first.
    pub base: Option<PathBuf>,
    /// By which processes are found again.
    pub mark: Mark,
    /// What runs OpenClaw's command line.
    pub runner: Runner,
    /// The first agent's port.
    pub first_port: u16,
    /// What each gateway needs.
    pub agent_memory_mb: u64,
    /// What there is of it.
    pub memory: Arc<dyn Memory>,
    /// How long a gateway may take until it is ready.
    pub start_limit: Duration,
}

impl ProfileSettings {
    /// The usual ones.
    pub fn new(
        program: impl Into<PathBuf>,
        data_dir: impl Into<PathBuf>,
        mark: Mark,
        runner: Runner,
    ) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Self {
            program: program.into(),
            data_dir: absolute(data_dir.into()),
            base: None,
            mark,
            runner,
            first_port: FIRST_PORT,
            agent_memory_mb: AGENT_MEMORY_MB,
            memory: Arc::new(MachineMemory),
            start_limit: START_LIMIT,
        }
    }
}

/// Agents with a gateway of their own.
pub struct ProfileBackend(Arc<Inner>);

struct Inner {
    settings: ProfileSettings,
    ports: Ports,
    admission: Admission,
    archives: Archives,
    starts: Semaphore,
    slots: Mutex<HashMap<Uuid, Arc<Slot>>>,
    client: Option<reqwest::Client>,
}

/// The mark of an agent's processes.
fn agent_mark(mark: &Mark, id: Uuid) -> ServiceMark {
    mark.of_service(&format!("agent-{id}"))
}

impl ProfileBackend {
    /// One for all agents of a worker.
    pub fn new(settings: ProfileSettings) -> Self {
        let cores = std::thread::available_parallelism().map_or(STARTS_AT_ONCE_MIN, usize::from);
        let client = local_client()
            .inspect_err(|error| tracing::error!(%error, "failed to make an HTTP client: {error}"))
            .ok();
        Self(Arc::new(Inner {
            ports: Ports::new(&settings.data_dir, settings.first_port),
            admission: Admission::new(settings.memory.clone(), settings.agent_memory_mb),
            archives: Archives::new(&settings.data_dir),
            starts: Semaphore::new(cores.max(STARTS_AT_ONCE_MIN)),
            slots: Mutex::default(),
            client,
            settings,
        }))
    }

    /// Where the agent's gateway prints.
    pub fn log_path(&self, id: Uuid) -> PathBuf {
        self.0.folder(id).log()
    }
}

impl Inner {
    fn folder(&self, id: Uuid) -> Folder {
        Folder::of(&self.settings.data_dir, id)
    }

    fn slot(&self, id: Uuid) -> Arc<Slot> {
        let mut slots = self.slots.lock().expect("no holder of this lock panics");
        let slot = slots.entry(id).or_insert_with(|| {
            let settings = GatewaySettings::new(self.folder(id).state_dir());
            let control = GatewayControl::new(settings, self.settings.runner.clone());
            Slot::new(agent_mark(&self.settings.mark, id), control)
        });
        Arc::clone(slot)
    }

    /// Works on the disk beside everything else.
    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let ours = Arc::clone(self);
        let worked = tokio::task::spawn_blocking(move || work(&ours)).await;
        worked.unwrap_or_else(|error| Err(BackendError::disk(&self.settings.data_dir, error.into())))
    }

    /// The same as a part of an operation: who has the next turn finds it done, even if nobody waits for it any more.
    async fn in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        turn: &Turn,
        work: impl FnOnce(&Self) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let turn = turn.clone();
        self.on_disk(move |inner| {
            let result = work(inner);
            drop(turn);
            result
        })
        .await
    }

    /// Remembers what was asked for.
    async fn wish(
        self: &Arc<Self>,
        turn: &Turn,
        id: &AgentRef,
        desired_state: DesiredState,
    ) -> Result<Record, BackendError> {
        let id = id.clone();
        self.in_turn(turn, move |inner| {
            let folder = inner.folder(id.agent_id);
            let record = folder.read_record()?.ok_or_else(|| not_deployed(&id))?;
            if record.desired_state == desired_state {
                return Ok(record);
            }
            let record = Record {
                desired_state,
                ..record
            };
            folder.write_record(&record)?;
            Ok(record)
        })
        .await
    }

    async fn remember(self: &Arc<Self>, turn: &Turn, record: Record) -> Result<(), BackendError> {
        self.in_turn(turn, move |inner| {
            let folder = inner.folder(record.spec.agent.agent_id);
            match folder.read_record()? {
                Some(known) if known == record => Ok(()),
                _ => folder.write_record(&record),
            }
        })
        .await
    }

    /// What answers on a port.
    async fn ask(&self, port: u16) -> Answer {
        match &self.client {
            Some(client) => probe(client, port).await,
            None => Answer::Silent,
        }
    }

    /// Ends what runs of an agent: it gives up what it does, is asked to end, and is killed after the grace.
    async fn end(self: &Arc<Self>, slot: &Slot, id: Uuid, grace: Duration) {
        if slot.process().await.is_some() {
            if !grace.is_zero() {
                // One that does not answer is asked to end all the same.
                let aborted = tokio::time::timeout(ABORT_WAIT.min(grace), slot.control.abort_runs()).await;
                if let Ok(Ok(count @ 1..)) = aborted {
                    tracing::info!(agent.id = %id, "aborted {count} runs of agent {id} to stop it");
                }
            }
            if let Some(service) = slot.take() {
                service.end(grace).await;
            }
        } else {
            // What a gateway that ended by itself left behind.
            reap_service(slot.mark()).await;
        }
        slot.is_stopped();
        self.admission.leave(id);
    }
}

#[async_trait]
impl Backend for ProfileBackend {
    fn kind(&self) -> status::Backend {
        status::Backend::Profile
    }

    async fn deploy(&self, spec: &AgentSpec, docs: &[Doc]) -> Result<Deployed, BackendError> {
        let slot = self.0.slot(spec.agent.agent_id).turn().await;
        let (spec, docs) = (spec.clone(), docs.to_vec());
        self.0
            .in_turn(&slot, move |inner| inner.deploy(&spec, &docs))
            .await
    }

    async fn start(&self, spec: &AgentSpec) -> Result<Running, BackendError> {
        let slot = self.0.slot(spec.agent.agent_id);
        tokio::select! {
            biased;
            () = slot.stop_wished() => Err(BackendError::Superseded),
            started = self.0.start(&slot, spec) => started,
        }
    }

    async fn stop(&self, id: &AgentRef, grace: Duration) -> Result<(), BackendError> {
        let slot = self.0.slot(id.agent_id);
        let _wish = slot.stop_wish();
        let turn = slot.turn().await;
        // What nobody remembers, or can write down, is stopped all the same.
        let wished = self.0.wish(&turn, id, DesiredState::Stopped).await;
        self.0.end(&turn, id.agent_id, grace).await;
        match wished {
            Ok(_) | Err(BackendError::NotDeployed { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn configure(&self, spec: &AgentSpec, docs: &[Doc]) -> Result<Applied, BackendError> {
        self.0.configure(spec, docs).await
    }

    async fn undeploy(&self, id: &AgentRef) -> Result<Option<PathBuf>, BackendError> {
        let slot = self.0.slot(id.agent_id);
        let _wish = slot.stop_wish();
        let turn = slot.turn().await;
        self.0.end(&turn, id.agent_id, UNDEPLOY_GRACE).await;
        let id = id.clone();
        self.0.in_turn(&turn, move |inner| inner.undeploy(&id)).await
    }

    async fn kill(&self, id: &AgentRef) -> Result<(), BackendError> {
        let slot = self.0.slot(id.agent_id);
        let _wish = slot.stop_wish();
        let turn = slot.turn().await;
        self.0.end(&turn, id.agent_id, Duration::ZERO).await;
        Ok(())
    }

    async fn workspace(&self, id: &AgentRef) -> Result<Option<PathBuf>, BackendError> {
        let id = id.agent_id;
        let looking = self.0.on_disk(move |inner| {
            let folder = inner.folder(id);
            Ok(folder.path.is_dir().then(|| folder.workspace()))
        });
        looking.await
    }

    async fn take_over(&self, id: &AgentRef, from: &Path) -> Result<(), BackendError> {
        let slot = self.0.slot(id.agent_id).turn().await;
        let (id, from) = (id.clone(), from.to_owned());
        let work = self.0.in_turn(&slot, move |inner| {
            let folder = inner.folder(id.agent_id);
            match folder.workspace().symlink_metadata() {
                Ok(_) => Ok(()),
                Err(_) => take_over(&id, &from, &folder.workspace()),
            }
        });
        work.await
    }

    async fn ask(&self, id: &AgentRef, question: &Question) -> Result<String, BackendError> {
        let slot = self.0.slot(id.agent_id);
        Ok(slot.control.ask(id.openclaw_id.as_str(), question).await?)
    }

    async fn observe(&self, id: &AgentRef) -> Observed {
        let slot = self.0.slot(id.agent_id);
        let ours = id.agent_id;
        let known = self.0.on_disk(move |inner| {
            let folder = inner.folder(ours);
            // A log that cannot be rotated, as on a full disk, is no news about the agent.
            let _stuck = log::rotate_once(&folder.log());
            folder.read_record()
        });
        let record = match known.await {
            Ok(record) => record,
            Err(error) => {
                return Observed::Failed {
                    reason: error.to_string(),
                };
            }
        };
        let process = slot.process().await;
        // Whoever starts it has been promised memory, and no process yet.
        if process.is_none() && slot.is_idle() {
            self.0.admission.leave(ours);
        }
        match (process, record) {
            (Some(process), Some(record)) => {
                self.0.admission.used_by(ours, process.pid);
                match self.0.ask(record.port).await {
                    Answer::Ready => Observed::Running(Running {
                        pid: Some(process.pid),
                        port: Some(record.port),
                        since: process.since,
                    }),
                    _ => Observed::Starting {
                        pid: Some(process.pid),
                    },
                }
            }
            (Some(process), None) => Observed::Starting {
                pid: Some(process.pid),
            },
            (None, None) => Observed::Absent,
            (None, Some(record)) if record.desired_state == DesiredState::Running => match slot.failed() {
                Some(reason) => Observed::Failed { reason },
                None => Observed::Stopped,
            },
            (None, Some(_)) => Observed::Stopped,
        }
    }

    async fn records(&self) -> Vec<Record> {
        let read = self.0.on_disk(|inner| {
            let base = base_hash(inner.settings.base.as_deref());
            let mut records = folder::records(&inner.settings.data_dir);
            for record in &mut records {
                record.is_outdated = base.is_some() && record.base != base;
            }
            Ok(records)
        });
        read.await.unwrap_or_default()
    }
}
