//! Makes an OpenClaw agent of a row in `agent_provision_requests`.
//!
//! Each step can be done again: whatever a killed worker left half done, the next attempt completes. The
//! files come before `agents add`, as OpenClaw writes its own only where there are none.

mod course;
mod disk;
mod failure;
mod validate;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use creel_core::clock::Moment;
use creel_core::host_api::{Doc, Item, Provisioned};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use tracing::warn;
use uuid::Uuid;

pub use self::course::Step;
use self::disk::{Disk, Folders};
pub(crate) use self::failure::told;
use self::failure::{agent_exists, differs, nothing_to_adopt, workspace_shared};
pub(crate) use self::validate::checked_persona;
pub use self::validate::{Place, Wish, plan_wish};
use crate::job::command::AgentWork;
use crate::job::course::Course;
use crate::job::{Job, JobContext, JobError, JobRows, MemoryRows};
use crate::lease::Lease;
use crate::openclaw::{Entry, OpenClaw, OpenClawError};
use crate::workspace::{Skipped, Templates, Workspace, WorkspaceError};

/// Name of the queue.
pub const QUEUE: &str = "agent_provision_requests";

/// Whoever makes an agent without a row has a lease of his own, and drops this with it.
const REGISTER_LIMIT: Duration = Duration::from_secs(3_600);

/// The job for [`QUEUE`].
pub struct ProvisionJob {
    work: Option<Arc<AgentWork>>,
    openclaw: Arc<dyn OpenClaw>,
    workspace_root: PathBuf,
    folders: Folders,
}

impl ProvisionJob {
    /// A job that registers agents in this OpenClaw, with folders beneath this one.
    pub fn new(openclaw: Arc<dyn OpenClaw>, workspace_root: impl Into<PathBuf>) -> Self {
        Self {
            work: None,
            openclaw,
            workspace_root: workspace_root.into(),
            folders: Folders::default(),
        }
    }

    /// The same, which leaves agents that have a gateway of their own to this.
    #[must_use]
    pub fn with_work(self, work: Arc<AgentWork>) -> Self {
        Self {
            work: Some(work),
            ..self
        }
    }

    async fn steps(
        &self,
        context: &JobContext<'_>,
        course: &mut Course<'_>,
        work: &TaskTracker,
    ) -> Result<Value, JobError> {
        let rows = context.rows;
        let wish = course
            .provision(Step::Validate, self.validate(context.item))
            .await?;
        let disk = &self.folders.disk(&wish.id, context.lease, work);
        let workspace = course
            .provision(Step::Workspace, self.workspace(&wish, disk, rows))
            .await?;
        course
            .provision(Step::Add, self.add(&wish, disk, &workspace))
            .await?;
        course.provision(Step::Identity, self.identity(&wish)).await?;
        let skipped = course
            .provision(Step::Record, record(disk, &workspace, rows))
            .await?;
        let provisioned = course
            .provision(Step::Verify, self.verify(&wish, disk, &workspace))
            .await?;
        Ok(json!({
            "ok": true,
            "steps": course.done(),
            "skipped": skipped,
            "openclaw_id": provisioned.openclaw_id,
            "workspace": provisioned.workspace,
            "served": provisioned.served,
        }))
    }

    /// Makes the agent of a wish, as the job does, where there is no row of it.
    pub(crate) async fn register(&self, wish: &Wish, docs: &[Doc]) -> Result<Provisioned, JobError> {
        let lease = Lease::new(Uuid::nil(), Moment::now(), REGISTER_LIMIT);
        let (rows, work) = (MemoryRows::new(docs.to_vec()), TaskTracker::new());
        let disk = &self.folders.disk(&wish.id, &lease, &work);
        self.openclaw.version().await?;
        let workspace = self.workspace(wish, disk, &rows).await?;
        self.add(wish, disk, &workspace).await?;
        self.identity(wish).await?;
        self.verify(wish, disk, &workspace).await
    }

    async fn validate(&self, item: &Item) -> Result<Wish, JobError> {
        let wish = plan_wish(item)?;
        self.openclaw.version().await?;
        Ok(wish)
    }

    async fn workspace(
        &self,
        wish: &Wish,
        disk: &Disk,
        rows: &dyn JobRows,
    ) -> Result<Arc<Workspace>, JobError> {
        match &wish.place {
            Place::Adopted => return self.adopted(wish, disk).await,
            Place::Known(path) if path.parent() != Some(&self.root(disk).await?) => {
                let (path, owner) = (path.clone(), wish.owner.clone());
                let opening = move |_: &Lease| Ok(Arc::new(Workspace::reopen(&path, &owner)?));
                return disk.run(&self.workspace_root, opening).await;
            }
            Place::Known(_) | Place::Root => {}
        }
        let documents = rows.read_docs().await.map_err(JobError::Rows)?;
        if !documents.held {
            return Err(JobError::LeaseLost);
        }
        let (root, id) = (self.workspace_root.clone(), wish.id.clone());
        let (owner, templates) = (wish.owner.clone(), Templates::new(wish.persona.clone()));
        disk.run(&self.workspace_root, move |lease| {
            let workspace = Workspace::open(&root, &id, &owner)?;
            for step in workspace.begin_seed(&documents.docs, &templates)? {
                lease.check()?;
                workspace.apply_seed(&[step])?;
            }
            Ok(Arc::new(workspace))
        })
        .await
    }

    /// The workspace root without symbolic links, as the paths of workspaces have it.
    async fn root(&self, disk: &Disk) -> Result<PathBuf, JobError> {
        let root = self.workspace_root.clone();
        let canonical = move |_: &Lease| Ok(root.canonicalize().unwrap_or(root));
        disk.run(&self.workspace_root, canonical).await
    }

    /// Takes over the folder that OpenClaw's configuration names.
    async fn adopted(&self, wish: &Wish, disk: &Disk) -> Result<Arc<Workspace>, JobError> {
        let entry = self.entry(wish).await?;
        let path = entry.and_then(|entry| entry.workspace);
        let path = path.ok_or_else(|| nothing_to_adopt(wish))?;
        let listed = self.openclaw.list().await?;
        let (folder, wish) = (path.clone(), wish.clone());
        let adopt = move |_: &Lease| {
            let mut others = listed.iter().filter(|other| other.id != wish.id.as_str());
            let is_here = |other: &&Entry| {
                other
                    .workspace
                    .as_ref()
                    .is_some_and(|path| is_same(path, &folder))
            };
            match others.find(is_here) {
                Some(other) => Err(workspace_shared(&wish, &folder, &other.id).into()),
                None => Ok(Arc::new(Workspace::adopt(&folder, &wish.owner)?)),
            }
        };
        disk.run(&path, adopt).await
    }

    /// The agent in OpenClaw's configuration. One that inherits its workspace is asked for at OpenClaw.
    async fn entry(&self, wish: &Wish) -> Result<Option<Entry>, JobError> {
        let entry = self.openclaw.find(&wish.id).await?;
        if entry.as_ref().is_none_or(|entry| entry.workspace.is_some()) {
            return Ok(entry);
        }
        let listed = self.openclaw.list().await?;
        Ok(listed.into_iter().find(|entry| entry.id == wish.id.as_str()))
    }

    async fn add(&self, wish: &Wish, disk: &Disk, workspace: &Arc<Workspace>) -> Result<(), JobError> {
        if self.is_there(wish, disk, workspace).await? {
            // A killed worker may have come no further than to the registration.
            return with(disk, workspace, Workspace::restore_identity).await;
        }
        if wish.place == Place::Adopted {
            return Err(nothing_to_adopt(wish).into());
        }
        with(disk, workspace, Workspace::keep_identity).await?;
        let added = self.openclaw.add(&wish.new_agent(workspace.path())).await;
        with(disk, workspace, Workspace::restore_identity).await?;
        match added {
            Err(OpenClawError::AlreadyExists { .. }) if self.is_there(wish, disk, workspace).await? => Ok(()),
            added => Ok(added?),
        }
    }

    async fn identity(&self, wish: &Wish) -> Result<(), JobError> {
        // Who it is, an adopted agent knows best.
        if wish.place == Place::Adopted {
            return Ok(());
        }
        if self
            .openclaw
            .find(&wish.id)
            .await?
            .is_some_and(|entry| wish.is_shown_by(&entry))
        {
            return Ok(());
        }
        Ok(self
            .openclaw
            .set_identity(&wish.id, &wish.persona.name, wish.emoji())
            .await?)
    }

    /// Reads back what was written.
    async fn verify(
        &self,
        wish: &Wish,
        disk: &Disk,
        workspace: &Arc<Workspace>,
    ) -> Result<Provisioned, JobError> {
        if !self.is_there(wish, disk, workspace).await? {
            return Err(differs(wish, "the agent is not in its configuration").into());
        }
        let entry = self.openclaw.find(&wish.id).await?;
        let entry = entry.filter(|entry| wish.place == Place::Adopted || wish.is_shown_by(entry));
        let entry = entry.ok_or_else(|| differs(wish, "the agent has another name or emoji"))?;
        let served = self.openclaw.is_served().await;
        let workspace = workspace.path().to_string_lossy().into_owned();
        Ok(Provisioned {
            openclaw_id: entry.id,
            workspace,
            served,
        })
    }

    /// Whether OpenClaw has the agent with our workspace. With another workspace it is somebody else's.
    async fn is_there(&self, wish: &Wish, disk: &Disk, workspace: &Arc<Workspace>) -> Result<bool, JobError> {
        let Some(entry) = self.entry(wish).await? else {
            return Ok(false);
        };
        let Some(path) = entry.workspace else {
            return Err(agent_exists(wish).into());
        };
        let ours = Arc::clone(workspace);
        match disk.run(workspace.path(), move |_| Ok(ours.is_at(&path))).await? {
            true => Ok(true),
            false => Err(agent_exists(wish).into()),
        }
    }
}

#[async_trait]
impl Job for ProvisionJob {
    fn queue(&self) -> &'static str {
        QUEUE
    }

    async fn run(&self, context: JobContext<'_>) -> Result<Value, JobError> {
        let work = self.work.as_ref();
        if let Some(work) = work.filter(|work| work.is_for(&context.item.agent)) {
            return work.provision(&context).await;
        }
        let mut course = Course::new(context.lease, context.rows, "name");
        let work = TaskTracker::new();
        let result = self.steps(&context, &mut course, &work).await;
        if matches!(result, Err(JobError::LeaseLost)) {
            // Whoever hears that this attempt has stopped may give the item to another.
            disk::ended(&work).await;
        }
        result.map_err(|error| match error {
            JobError::Failed(failure) => JobError::Failed(failure.after(course.done())),
            error => error,
        })
    }
}

/// Whether two paths lead to one folder.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Makes rows of the documents that are on the disk. What no row can hold is no reason to fail.
async fn record(
    disk: &Disk,
    workspace: &Arc<Workspace>,
    rows: &dyn JobRows,
) -> Result<Vec<Skipped>, JobError> {
    let documents = with(disk, workspace, Workspace::documents).await?;
    for skipped in &documents.skipped {
        let path = workspace.path().join(skipped.file);
        warn!(path = %path.display(), "{} is not mirrored: {}", path.display(), skipped.reason);
    }
    match rows
        .record_docs(documents.docs)
        .await
        .map_err(JobError::Rows)?
        .held
    {
        true => Ok(documents.skipped),
        false => Err(JobError::LeaseLost),
    }
}

async fn with<T: Send + 'static>(
    disk: &Disk,
    workspace: &Arc<Workspace>,
    work: impl FnOnce(&Workspace) -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, JobError> {
    let ours = Arc::clone(workspace);
    disk.run(workspace.path(), move |_| Ok(work(&ours)?)).await
}
