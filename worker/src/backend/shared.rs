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

use super::take_over::take_over;
use super::{
    AgentRef, AgentSpec, Applied, Archives, Backend, BackendError, Deployed, Observed, Record, Running, files,
};
use crate::job::JobError;
use crate::job::provision::{Place, ProvisionJob, Wish};
use crate::openclaw::{
    Entry, GatewayControl, GatewayProblem, GatewaySettings, OpenClaw, OpenClawError, Question, Settings,
    put_back,
};
use crate::process::Runner;
use crate::workspace::{Workspace, WorkspaceError};

/// How long a gateway that is just starting is waited for: 8 to 26 s, and more on a busy machine.
const SERVED_WAIT: Duration = Duration::from_secs(60);

/// What an agent was told and said, in its folder of OpenClaw's state.
pub(super) const SESSIONS: &str = "sessions";

/// Between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

type Turn = tokio::sync::Mutex<()>;

/// Agents of the host's one gateway.
pub struct SharedBackend {
    openclaw: Arc<dyn OpenClaw>,
    provision: ProvisionJob,
    workspace_root: PathBuf,
    state_dir: PathBuf,
    archives: Archives,
    turns: Mutex<HashMap<Uuid, Weak<Turn>>>,
    /// None where nobody is to be asked anything.
    control: Option<GatewayControl>,
}

impl SharedBackend {
    /// One for this OpenClaw, whose state is in this folder, with workspaces beneath that one.
    pub fn new(
        openclaw: Arc<dyn OpenClaw>,
        state_dir: impl Into<PathBuf>,
        workspace_root: impl Into<PathBuf>,
        archives: Archives,
    ) -> Self {
        let workspace_root = workspace_root.into();
        Self {
            provision: ProvisionJob::new(openclaw.clone(), &workspace_root),
            openclaw,
            workspace_root,
            state_dir: state_dir.into(),
            archives,
            turns: Mutex::default(),
            control: None,
        }
    }

    /// Lets its agents be asked by the gateway of this configuration.
    pub fn answering(self, settings: GatewaySettings, runner: Runner) -> Self {
        Self {
            control: Some(GatewayControl::new(settings, runner)),
            ..self
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
            place: spec.agent.shared_place().map_or(Place::Root, Place::Known),
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

    /// Its folder, if there is one that is ours: beneath the workspace root, or where it was when it was adopted.
    async fn kept(&self, id: &AgentRef) -> Result<Option<Kept>, BackendError> {
        let (owner, usual) = (id.owner(), self.usual_place(id));
        let adopted = id.shared_place().filter(|path| !is_same(path, &usual));
        on_disk(&usual, move |usual| {
            back(usual)?;
            match Workspace::reopen(usual, &owner) {
                Ok(workspace) => return Ok(Some(Kept::made(workspace.path()))),
                Err(WorkspaceError::Missing { .. }) => {}
                // Somebody else's, who has nothing to do with one that was adopted.
                Err(_) if adopted.is_some() => {}
                Err(error) => return Err(error.into()),
            }
            let Some(adopted) = adopted else { return Ok(None) };
            back(&adopted)?;
            match Workspace::reopen(&adopted, &owner) {
                Ok(workspace) => Ok(Some(Kept::adopted(workspace.path()))),
                // It was given back to who had it before.
                Err(WorkspaceError::Missing { .. } | WorkspaceError::NotOurs { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Where OpenClaw keeps what is the agent's: what it was told and said, and its logins.
    fn agent_state(&self, id: &AgentRef) -> PathBuf {
        self.state_dir.join("agents").join(id.openclaw_id.as_str())
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

/// The folder of an agent that may not be in OpenClaw's configuration.
struct Kept {
    path: PathBuf,
    /// It was there before Creel.
    is_adopted: bool,
}

impl Kept {
    fn made(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            is_adopted: false,
        }
    }

    fn adopted(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            is_adopted: true,
        }
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
        if !is_deployed && spec.agent.shared_place().is_none() {
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

    async fn ask(&self, id: &AgentRef, question: &Question) -> Result<String, BackendError> {
        let control = self
            .control
            .as_ref()
            .ok_or(OpenClawError::Gateway(GatewayProblem::Absent))?;
        // Who has this id there may be somebody else.
        if self.entry(id).await?.is_none() {
            return Err(not_deployed(id));
        }
        Ok(control.ask(id.openclaw_id.as_str(), question).await?)
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
            None => self.kept(agent).await?.ok_or_else(|| not_deployed(agent))?.path,
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
        let usual = self.usual_place(id);
        let (folder, is_adopted) = match (self.kept(id).await?, entry) {
            (Some(kept), _) => (kept.path, kept.is_adopted),
            (None, Some((_, folder))) => {
                let is_adopted = !is_same(&folder, &usual);
                (folder, is_adopted)
            }
            (None, None) => return Ok(self.archives.newest(id.agent_id)),
        };
        let (archives, agent, state) = (self.archives.clone(), id.clone(), self.agent_state(id));
        on_disk(&folder, move |folder| {
            let archive = match folder.is_dir() {
                true => Some(archives.pack(&agent, folder, &state.join(SESSIONS))?),
                false => archives.newest(agent.agent_id),
            };
            if is_adopted {
                // It was there before Creel, and stays as it is, with all that OpenClaw has of it.
                Workspace::give_back(folder, &agent.owner())?;
                return Ok(archive);
            }
            // The next agent of this id is another one. The workspace says whose all of this is, and goes last.
            for folder in [&state, folder] {
                files::remove_folder(folder).map_err(|error| BackendError::disk(folder, error))?;
            }
            Ok(archive)
        })
        .await
    }

    async fn workspace(&self, id: &AgentRef) -> Result<Option<PathBuf>, BackendError> {
        let entry = match self.entry(id).await {
            // One of this id that is not ours is no reason to look no further.
            Err(BackendError::OpenClaw(OpenClawError::AlreadyExists { .. })) => None,
            entry => entry?,
        };
        match entry {
            Some((_, folder)) => Ok(Some(folder)),
            None => Ok(self.kept(id).await?.map(|kept| kept.path)),
        }
    }

    async fn take_over(&self, id: &AgentRef, from: &Path) -> Result<(), BackendError> {
        let turn = self.turn(id.agent_id);
        let _turn = turn.lock().await;
        if self.kept(id).await?.is_some() {
            return Ok(());
        }
        let (agent, from) = (id.clone(), from.to_owned());
        on_disk(&self.usual_place(id), move |usual| {
            take_over(&agent, &from, usual)
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
