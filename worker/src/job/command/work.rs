//! One attempt at an agent: in its turn, step by step, in the backend that its row names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use creel_core::host_api::Doc;
use creel_core::id::AgentId;
use creel_core::status::{Backend as Kind, CommandType};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::plan::{Facts, Found, Step, plan_command};
use super::restart::{RestartNote, RestartNotes};
use super::{Task, malformed};
use crate::backend::{
    AgentRef, AgentSpec, Backend, BackendError, Deployed, Observed, is_own_workspace, plan_spec,
};
use crate::job::course::{Course, while_held};
use crate::job::{Failure, JobContext, JobError, JobRows};
use crate::mirror::MirrorHandle;
use crate::supervisor::plan::Why;
use crate::supervisor::{CommandTurn, Supervisor};
use crate::workspace::{Workspace, WorkspaceError};

/// A busy gateway would finish its turns for up to five minutes; who stops an agent wants it stopped.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// Works on the agents of this host, one attempt at each at a time.
pub struct AgentWork {
    supervisor: Arc<Supervisor>,
    notes: RestartNotes,
    mirror: Option<MirrorHandle>,
}

/// An attempt that is under way.
struct Attempt<'a> {
    work: &'a AgentWork,
    backend: &'a dyn Backend,
    task: &'a Task,
    context: &'a JobContext<'a>,
    agent: AgentRef,
    /// Another backend that has the agent still.
    elsewhere: Option<&'a dyn Backend>,
    turn: CommandTurn,
    /// What it came to so far, for the row.
    result: Map<String, Value>,
}

#[derive(Deserialize)]
struct AgentIds {
    id: Uuid,
    project_id: String,
    agent_key: String,
    backend: Kind,
    openclaw_id: Option<String>,
    workspace_path: Option<String>,
}

impl AgentWork {
    /// Works with the backends of this supervisor, and keeps notes in the worker's data directory.
    pub fn new(supervisor: Arc<Supervisor>, data_dir: &Path) -> Self {
        Self {
            supervisor,
            notes: RestartNotes::new(data_dir),
            mirror: None,
        }
    }

    /// Leaves the documents of deployed agents to a mirror.
    pub fn with_mirror(self, mirror: MirrorHandle) -> Self {
        Self {
            mirror: Some(mirror),
            ..self
        }
    }

    /// Whether there is a backend for the agent of this row that is not the host's shared gateway, or it had one.
    pub(crate) fn is_for(&self, agent: &Value) -> bool {
        AgentIds::deserialize(agent).is_ok_and(|ids| match ids.backend {
            Kind::Shared => ids
                .workspace_path
                .is_some_and(|path| is_own_workspace(Path::new(&path), ids.id)),
            kind => self.backend(kind).is_some(),
        })
    }

    /// The backend other than this one that has the agent, which may have come no further than half of its way.
    async fn elsewhere(
        &self,
        agent: &AgentRef,
        kind: Kind,
        previous: Option<Kind>,
    ) -> Result<Option<&dyn Backend>, BackendError> {
        for other in self.supervisor.backends() {
            let may_be_there = match other.kind() {
                other if other == kind => false,
                // To ask OpenClaw may take seconds.
                Kind::Shared => previous == Some(Kind::Shared) || agent.shared_place().is_some(),
                _ => true,
            };
            if may_be_there && other.workspace(agent).await?.is_some() {
                return Ok(Some(&**other));
            }
        }
        Ok(None)
    }

    fn backend(&self, kind: Kind) -> Option<&dyn Backend> {
        let mut backends = self.supervisor.backends().iter();
        Some(&**backends.find(|backend| backend.kind() == kind)?)
    }

    /// Deploys the agent of a provision request.
    pub(crate) async fn provision(&self, context: &JobContext<'_>) -> Result<Value, JobError> {
        let task = Task::provision(context.item)?;
        let mut result = self.carry_out(&task, context, "name").await?;
        result["served"] = json!(result["state"] == "running");
        Ok(result)
    }

    /// Does what is left to be done. Steps have their names under `name_key`.
    pub(crate) async fn carry_out(
        &self,
        task: &Task,
        context: &JobContext<'_>,
        name_key: &'static str,
    ) -> Result<Value, JobError> {
        let ids = AgentIds::deserialize(&context.item.agent).map_err(|_| malformed("agent"))?;
        let backend = self.backend(ids.backend).ok_or_else(|| no_backend(ids.backend))?;
        let agent = plan_agent(ids)?;
        let turn = while_held(context.lease, async {
            Ok(self.supervisor.turn(agent.agent_id).await)
        })
        .await?;
        turn.begin_anew();
        let mut course = Course::new(context.lease, context.rows, name_key);
        let mut attempt = Attempt {
            work: self,
            backend,
            task,
            context,
            agent,
            elsewhere: None,
            turn,
            result: Map::new(),
        };
        match attempt.run(&mut course).await {
            Ok(()) => {
                let mut result = attempt.result;
                result.insert("ok".to_owned(), json!(true));
                result.insert("steps".to_owned(), json!(course.done()));
                Ok(Value::Object(result))
            }
            Err(JobError::Failed(failure)) => {
                attempt.hold_back(&failure).await;
                let steps = course.done();
                Err(JobError::Failed(Failure { steps, ..failure }))
            }
            Err(error) => Err(error),
        }
    }
}

impl Attempt<'_> {
    async fn run(&mut self, course: &mut Course<'_>) -> Result<(), JobError> {
        let (spec, steps) = course
            .step(Step::Validate.as_str(), None, self.validate())
            .await?;
        if let Some(first) = steps.first() {
            course.tell(first.as_str()).await?;
        }
        let mut next = steps.iter().skip(1);
        for &step in &steps {
            let next = next.next().map(|step| step.as_str());
            let work = self.apply(step, spec.as_ref());
            course.step(step.as_str(), next, work).await?;
        }
        Ok(())
    }

    /// What is to be, where that is needed, and what is left to be done for it.
    async fn validate(&mut self) -> Result<(Option<AgentSpec>, Vec<Step>), JobError> {
        let command = self.task.command;
        let looking = self
            .work
            .elsewhere(&self.agent, self.backend.kind(), self.task.previous);
        self.elsewhere = looking.await?;
        // What is wrong with its configuration must not keep an agent from being stopped.
        let spec = match command {
            CommandType::Stop | CommandType::Undeploy => None,
            _ => Some(plan_spec(&self.context.item.agent)?),
        };
        let found = self.found().await;
        let note = match command {
            CommandType::Restart => self.work.notes.read(self.agent.agent_id, self.task.id),
            _ => None,
        };
        let steps = plan_command(&Facts {
            command,
            desired: self.task.desired,
            found,
            is_elsewhere: self.elsewhere.is_some(),
            restart: note.as_ref(),
        });
        Ok((spec, steps))
    }

    async fn found(&self) -> Found {
        match self.backend.observe(&self.agent).await {
            Observed::Absent => Found::Absent,
            Observed::Stopped | Observed::Failed { .. } => Found::Down,
            Observed::Starting { pid } => Found::Up { pid },
            Observed::Running(running) => Found::Up { pid: running.pid },
        }
    }

    async fn apply(&mut self, step: Step, spec: Option<&AgentSpec>) -> Result<(), JobError> {
        let spec = || spec.ok_or_else(|| JobError::from(malformed("agent")));
        match step {
            Step::Validate => {}
            Step::StopPrevious => {
                if let Some(previous) = self.elsewhere {
                    let supervisor = &self.work.supervisor;
                    supervisor.stop(previous, &self.agent, STOP_GRACE).await?;
                }
            }
            Step::TakeOver => self.take_over().await?,
            Step::UndeployPrevious => {
                if let Some(previous) = self.elsewhere {
                    let archive = previous.undeploy(&self.agent).await?;
                    self.tell("previous_backend", json!(previous.kind()));
                    self.tell("previous_archive", json!(archive));
                }
            }
            Step::Deploy => self.deploy(spec()?).await?,
            Step::Record => self.record().await?,
            Step::Configure => self.configure(spec()?).await?,
            Step::Note => self.note(false).await?,
            Step::Stop => {
                let supervisor = &self.work.supervisor;
                supervisor.stop(self.backend, &self.agent, STOP_GRACE).await?;
                if self.task.command == CommandType::Restart {
                    self.note(true).await?;
                }
            }
            Step::Start => {
                let running = self.backend.start(spec()?).await?;
                self.tell("pid", json!(running.pid));
                self.tell("port", json!(running.port));
            }
            Step::Undeploy => {
                let archive = self.backend.undeploy(&self.agent).await?;
                self.work.supervisor.clear(self.agent.agent_id).await;
                self.work.notes.remove(self.agent.agent_id);
                if let Some(archive) = archive {
                    self.tell("archive", json!(archive));
                }
            }
            Step::Verify => self.verify().await?,
        }
        Ok(())
    }

    fn tell(&mut self, key: &str, value: Value) {
        if !value.is_null() {
            self.result.insert(key.to_owned(), value);
        }
    }

    async fn deploy(&mut self, spec: &AgentSpec) -> Result<(), JobError> {
        let docs = self.docs().await?;
        let Deployed {
            openclaw_id,
            workspace,
            port,
        } = self.backend.deploy(spec, &docs).await?;
        self.tell("openclaw_id", json!(openclaw_id));
        self.tell("workspace", json!(workspace));
        // The one that it had elsewhere is not its any more.
        self.result.insert("port".to_owned(), json!(port));
        self.tell("generation", json!(spec.generation));
        Ok(())
    }

    async fn take_over(&self) -> Result<(), JobError> {
        let Some(previous) = self.elsewhere else {
            return Ok(());
        };
        let Some(from) = previous.workspace(&self.agent).await? else {
            return Ok(());
        };
        Ok(self.backend.take_over(&self.agent, &from).await?)
    }

    async fn configure(&mut self, spec: &AgentSpec) -> Result<(), JobError> {
        // What it wrote where it comes from is newer than what was mirrored.
        let is_moved = self.elsewhere.is_some() || self.task.previous.is_some();
        let docs = match &self.work.mirror {
            _ if is_moved => Vec::new(),
            // No word on the disk that the rows do not have is written over.
            Some(mirror) => {
                mirror.sync_agent(self.agent.agent_id).await;
                Vec::new()
            }
            None => self.docs().await?,
        };
        let applied = self.backend.configure(spec, &docs).await?;
        self.tell("changed", json!(applied.changed));
        self.tell("restarted", json!(applied.restarted));
        self.tell("generation", json!(spec.generation));
        Ok(())
    }

    async fn docs(&self) -> Result<Vec<Doc>, JobError> {
        let reply = self.context.rows.read_docs().await.map_err(JobError::Rows)?;
        match reply.held {
            true => Ok(reply.docs),
            false => Err(JobError::LeaseLost),
        }
    }

    /// Makes rows of the documents that are on the disk. What no row can hold is no reason to fail.
    async fn record(&mut self) -> Result<(), JobError> {
        let Some(workspace) = self.result.get("workspace").and_then(Value::as_str) else {
            return Ok(());
        };
        let (path, owner) = (PathBuf::from(workspace), self.agent.owner());
        let reading = tokio::task::spawn_blocking(move || Workspace::reopen(&path, &owner)?.documents());
        let read = reading.await.map_err(|error| JobError::Rows(error.into()))?;
        let documents = read.map_err(|error: WorkspaceError| BackendError::from(error))?;
        self.tell("skipped", json!(documents.skipped));
        let rows: &dyn JobRows = self.context.rows;
        match rows
            .record_docs(documents.docs)
            .await
            .map_err(JobError::Rows)?
            .held
        {
            true => Ok(()),
            false => Err(JobError::LeaseLost),
        }
    }

    /// Remembers how far a restart has come. Without the note it would be done again, so that it is not begun.
    async fn note(&self, is_stopped: bool) -> Result<(), JobError> {
        let pid = match self.found().await {
            Found::Up { pid } => pid,
            Found::Absent | Found::Down => None,
        };
        let note = RestartNote {
            command_id: self.task.id,
            pid,
            is_stopped,
        };
        let (notes, agent_id) = (self.work.notes.clone(), self.agent.agent_id);
        let writing = tokio::task::spawn_blocking(move || notes.write(agent_id, &note));
        let written = writing.await.map_err(|error| JobError::Rows(error.into()))?;
        written.map_err(|error| JobError::from(note_failed(&error)))
    }

    async fn verify(&mut self) -> Result<(), JobError> {
        let observed = self.backend.observe(&self.agent).await;
        let must_run = match self.task.command {
            CommandType::Stop | CommandType::Undeploy | CommandType::UpdateConfig => false,
            _ => self.task.desired == creel_core::status::DesiredState::Running,
        };
        let state = match &observed {
            Observed::Running(running) => {
                self.tell("pid", json!(running.pid));
                self.tell("port", json!(running.port));
                "running"
            }
            // It was ready a moment ago, or restarts itself for its configuration.
            Observed::Starting { pid } => {
                self.tell("pid", json!(pid));
                "running"
            }
            Observed::Absent if self.task.command == CommandType::Undeploy => "removed",
            Observed::Absent => {
                self.tell("on_host", json!(false));
                "stopped"
            }
            Observed::Failed { reason } if must_run => return Err(not_running(reason).into()),
            Observed::Stopped if must_run => return Err(not_running("it stopped again").into()),
            Observed::Failed { .. } | Observed::Stopped => "stopped",
        };
        if state == "running" {
            self.turn.runs();
        }
        // The note of a restart stays: until the database has heard of it, this may be done once more.
        self.tell("state", json!(state));
        Ok(())
    }

    /// What could not be started is not tried by the supervisor as well, and what is not to run is not started by it,
    /// even if that could not be written down.
    async fn hold_back(&self, failure: &Failure) {
        let note = format!("{}; {}", failure.message, failure.hint);
        match self.task.command {
            CommandType::Stop | CommandType::Undeploy => self.turn.hold(Why::NotStopped, &note),
            _ if self.found().await == Found::Down => self.turn.hold(Why::NotStarted, &note),
            _ => {}
        }
    }
}

/// The agent of a claimed item, and where it runs.
pub(in crate::job) fn agent_of(agent: &Value) -> Result<(Kind, AgentRef), Failure> {
    let ids = AgentIds::deserialize(agent).map_err(|_| malformed("agent"))?;
    Ok((ids.backend, plan_agent(ids)?))
}

fn plan_agent(ids: AgentIds) -> Result<AgentRef, Failure> {
    let openclaw_id = AgentId::parse(&ids.openclaw_id.unwrap_or_default()).map_err(|error| Failure {
        code: "agent_id_invalid",
        message: format!("the agent has no id that OpenClaw takes: {error}"),
        hint: "give the agent another key".to_owned(),
        retry: false,
        steps: Vec::new(),
    })?;
    Ok(AgentRef {
        agent_id: ids.id,
        project_id: ids.project_id,
        agent_key: ids.agent_key,
        openclaw_id,
        workspace_path: ids.workspace_path,
    })
}

pub(in crate::job) fn no_backend(kind: Kind) -> Failure {
    Failure {
        code: "backend_unknown",
        message: format!("this host's worker cannot run agents with the backend {kind}"),
        hint: "give the agent another backend, or another host".to_owned(),
        retry: false,
        steps: Vec::new(),
    }
}

fn not_running(reason: &str) -> Failure {
    Failure {
        code: "agent_not_running",
        message: format!("the agent was started and does not run: {reason}"),
        hint: "see its log on the host".to_owned(),
        retry: true,
        steps: Vec::new(),
    }
}

fn note_failed(error: &std::io::Error) -> Failure {
    Failure {
        code: "disk_failed",
        message: format!("the worker cannot write into its data directory: {error}"),
        hint: "check that disk of the host".to_owned(),
        retry: true,
        steps: Vec::new(),
    }
}
