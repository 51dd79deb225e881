//! An agent of the host's one gateway. It is made as the provisioning makes it; stopped, it is taken out of OpenClaw's
//! configuration and keeps its files.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use creel_core::host_api::Doc;
use creel_core::status;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    AgentRef, AgentSpec, Applied, Archives, Backend, BackendError, Deployed, Observed, Record, Running, files,
};
use crate::job::JobError;
use crate::job::provision::{Place, ProvisionJob, Wish};
use crate::openclaw::{Entry, GatewayProblem, OpenClaw, OpenClawError, Settings, put_back};
use crate::workspace::{Workspace, WorkspaceError};

/// How long a gateway that is just starting is waited for: 8 to 26 s, and more on a busy machine.
const SERVED_WAIT: Duration = Duration::from_secs(60);

/// Between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

type Turn = tokio::sync::Mutex<()>;

/// Agents of the host's one gateway.
pub struct SharedBackend {
    openclaw: Arc<dyn OpenClaw>,
    provision: ProvisionJob,
    workspace_root: PathBuf,
    archives: Archives,
    turns: Mutex<HashMap<Uuid, Weak<Turn>>>,
}

impl SharedBackend {
    /// One for this OpenClaw, with workspaces beneath this folder.
    pub fn new(openclaw: Arc<dyn OpenClaw>, workspace_root: impl Into<PathBuf>, archives: Archives) -> Self {
        let workspace_root = workspace_root.into();
        Self {
            provision: ProvisionJob::new(openclaw.clone(), &workspace_root),
            openclaw,
            workspace_root,
            archives,
            turns: Mutex::default(),
        }
    }

    fn turn(&self, id: Uuid) -> Arc<Turn> {
        let mut turns = self.turns.lock().expect("no holder of this lock panics");
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = turns.get(&id).and_then(Weak::upgrade).unwrap_or_default();
        turns.insert(id, Arc::downgrade(&turn));
        turn
    }

    fn usual_place(&self, id: &AgentRef) -> PathBuf {
        self.workspace_root.join(id.openclaw_id.as_str())
    }

    /// Makes the agent, or completes it.
    async fn register(&self, spec: &AgentSpec, docs: &[Doc]) -> Result<Deployed, BackendError> {
        let usual = self.usual_place(&spec.agent);
        on_disk(&usual, back).await?;
        let wish = Wish {
            id: spec.agent.openclaw_id.clone(),
            owner: spec.agent.owner(),
            persona: spec.persona(),
            place: spec
                .workspace_path
                .as_ref()
                .map_or(Place::Root, |path| Place::Known(path.into())),
        };
        let provisioned = self.provision.register(&wish, docs).await.map_err(of_job)?;
        self.openclaw
            .configure(&spec.agent.openclaw_id, &settings(spec))
            .await
            .map_err(refused)?;
        Ok(Deployed {
            openclaw_id: provisioned.openclaw_id,
            workspace: provisioned.workspace.into(),
            port: None,
        })
    }

    /// The agent in OpenClaw's configuration, if it is ours, with its folder.
    async fn entry(&self, id: &AgentRef) -> Result<Option<(Entry, PathBuf)>, BackendError> {
        let Some(entry) = self.openclaw.find(&id.openclaw_id).await? else {
            return Ok(None);
        };
        let exists = || OpenClawError::AlreadyExists {
            id: id.openclaw_id.to_string(),
        };
        let path = entry.workspace.clone().ok_or_else(exists)?;
        let (owner, usual) = (id.owner(), self.usual_place(id));
        let opened = on_disk(&path, move |path| {
            back(&usual)?;
            match Workspace::reopen(path, &owner) {
                Ok(workspace) => Ok(Some(workspace.path().to_owned())),
                // Somebody took away what we made there; whose any other folder was nobody can say.
                Err(WorkspaceError::Missing { .. }) if is_same(path, &usual) => Ok(Some(path.to_owned())),
                Err(WorkspaceError::Missing { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        });
        Ok(Some((entry, opened.await?.ok_or_else(exists)?)))
    }

    /// Its folder beneath the workspace root, if it is ours.
    async fn kept(&self, id: &AgentRef) -> Result<Option<PathBuf>, BackendError> {
        let owner = id.owner();
        let usual = self.usual_place(id);
        let opened = on_disk(&usual, move |path| {
            back(path)?;
            Ok(Workspace::reopen(path, &owner)?)
        });
        match opened.await {
            Ok(workspace) => Ok(Some(workspace.path().to_owned())),
            Err(BackendError::Workspace(WorkspaceError::Missing { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn unregister(&self, id: &AgentRef) -> Result<(), BackendError> {
        if self.entry(id).await?.is_some() {
            self.openclaw.remove(&id.openclaw_id).await?;
        }
        Ok(())
    }

    async fn served(&self) -> Result<Running, BackendError> {
        let began = Instant::now();
        while !self.openclaw.is_served().await {
            if began.elapsed() >= SERVED_WAIT {
                return Err(OpenClawError::Gateway(GatewayProblem::Absent).into());
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(RUNNING)
    }

    async fn look(&self, id: &AgentRef) -> Result<Observed, BackendError> {
        Ok(match self.entry(id).await? {
            Some(_) if self.openclaw.is_served().await => Observed::Running(RUNNING),
            Some(_) => Observed::Stopped,
            None if self.kept(id).await?.is_some() => Observed::Stopped,
            None => Observed::Absent,
        })
    }
}

/// One that has neither a process nor a port of its own.
const RUNNING: Running = Running {
    pid: None,
    port: None,
    since: None,
};

#[async_trait]
impl Backend for SharedBackend {
    fn kind(&self) -> status::Backend {
        status::Backend::Shared
    }

    async fn deploy(&self, spec: &AgentSpec, docs: &[Doc]) -> Result<Deployed, BackendError> {
        let turn = self.turn(spec.agent.agent_id);
        let _turn = turn.lock().await;
        self.register(spec, docs).await
    }

    async fn start(&self, spec: &AgentSpec) -> Result<Running, BackendError> {
        let turn = self.turn(spec.agent.agent_id);
        let _turn = turn.lock().await;
        let is_deployed = self.entry(&spec.agent).await?.is_some() || self.kept(&spec.agent).await?.is_some();
        if !is_deployed && spec.workspace_path.is_none() {
            return Err(not_deployed(&spec.agent));
        }
        self.register(spec, &[]).await?;
        self.served().await
    }

    async fn stop(&self, id: &AgentRef, _grace: Duration) -> Result<(), BackendError> {
        let turn = self.turn(id.agent_id);
        let _turn = turn.lock().await;
        self.unregister(id).await
    }

    async fn kill(&self, _id: &AgentRef) -> Result<(), BackendError> {
        // It has no process of its own.
        Ok(())
    }

    async fn configure(&self, spec: &AgentSpec, docs: &[Doc]) -> Result<Applied, BackendError> {
        let turn = self.turn(spec.agent.agent_id);
        let _turn = turn.lock().await;
        let agent = &spec.agent;
        let entry = self.entry(agent).await?;
        let mut changed = false;
        let folder = match &entry {
            Some((entry, folder)) => {
                changed |= self
                    .openclaw
                    .configure(&agent.openclaw_id, &settings(spec))
                    .await
                    .map_err(refused)?;
                let emoji = Some(spec.emoji.as_str()).filter(|emoji| !emoji.is_empty());
                let is_shown = entry.identity_name.as_ref() == Some(&spec.name)
                    && emoji.is_none_or(|emoji| entry.identity_emoji.as_deref() == Some(emoji));
                if !is_shown {
                    self.openclaw
                        .set_identity(&agent.openclaw_id, &spec.name, emoji)
                        .await?;
                    changed = true;
                }
                folder.clone()
            }
            // It gets its settings when it is started.
            None => self.kept(agent).await?.ok_or_else(|| not_deployed(agent))?,
        };
        let (owner, docs) = (agent.owner(), docs.to_vec());
        changed |= on_disk(&folder, move |path| {
            let workspace = Workspace::reopen(path, &owner)?;
            let mut written = false;
            for doc in &docs {
                written |= workspace.replace_document(doc)?;
            }
            Ok(written)
        })
        .await?;
        let runs = entry.is_some() && self.openclaw.is_served().await;
        Ok(Applied {
            changed,
            restarted: false,
            running: runs.then_some(RUNNING),
        })
    }

    async fn undeploy(&self, id: &AgentRef) -> Result<Option<PathBuf>, BackendError> {
        let turn = self.turn(id.agent_id);
        let _turn = turn.lock().await;
        let entry = self.entry(id).await?;
        if entry.is_some() {
            self.openclaw.remove(&id.openclaw_id).await?;
        }
        let kept = self.kept(id).await?;
        let folder = match (&kept, entry) {
            (Some(kept), _) => kept.clone(),
            (None, Some((_, folder))) => folder,
            (None, None) => return Ok(self.archives.newest(id.agent_id)),
        };
        let (archives, agent) = (self.archives.clone(), id.clone());
        on_disk(&folder, move |folder| {
            let archive = match folder.is_dir() {
                true => Some(archives.pack(&agent, folder)?),
                false => archives.newest(agent.agent_id),
            };
            // One that was adopted was there before Creel, and stays.
            if kept.is_some() {
                files::remove_folder(folder).map_err(|error| BackendError::disk(folder, error))?;
            }
            Ok(archive)
        })
        .await
    }

    async fn observe(&self, id: &AgentRef) -> Observed {
        self.look(id).await.unwrap_or_else(|error| Observed::Failed {
            reason: error.to_string(),
        })
    }

    async fn records(&self) -> Vec<Record> {
        Vec::new()
    }
}

fn settings(spec: &AgentSpec) -> Settings {
    Settings {
        model: spec.config.model.clone(),
        thinking: spec.config.thinking.clone(),
        skills: spec.config.skills.clone(),
    }
}

fn not_deployed(id: &AgentRef) -> BackendError {
    BackendError::NotDeployed {
        id: id.openclaw_id.to_string(),
    }
}

/// A configuration of one agent that OpenClaw does not take is the agent's fault, and not its own.
fn refused(error: OpenClawError) -> BackendError {
    match error {
        OpenClawError::ConfigRefused { message, .. } => BackendError::ConfigRefused { message },
        error => error.into(),
    }
}

fn of_job(error: JobError) -> BackendError {
    match error {
        JobError::Failed(failure) => BackendError::Failed(failure),
        JobError::LeaseLost => BackendError::Superseded,
        JobError::Rows(error) => BackendError::disk("", io::Error::other(error)),
    }
}

/// Whether two paths are one beneath a root that may be a symbolic link; neither needs to be there.
fn is_same(one: &Path, other: &Path) -> bool {
    let true_path = |path: &Path| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    one == other || true_path(one).is_some_and(|one| true_path(other) == Some(one))
}

/// Puts a folder back that a killed worker left out of OpenClaw's way.
fn back(folder: &Path) -> Result<(), BackendError> {
    put_back(folder).map_err(|error| BackendError::disk(folder, error))
}

/// Works on the disk beside everything else.
async fn on_disk<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    let ours = path.to_owned();
    let worked = tokio::task::spawn_blocking(move || work(&ours)).await;
    worked.unwrap_or_else(|error| Err(BackendError::disk(path, error.into())))
}
