//! Where an agent runs, behind one trait: as one of the host's shared gateway, or with a gateway of its own.

mod archive;
mod ask;
mod channels;
mod error;
mod files;
mod profile;
mod shared;
mod spec;
mod take_over;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use creel_core::host_api::Doc;
use creel_core::status::{self, DesiredState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use archive::{ARCHIVE_RETENTION, Archives};
pub use error::BackendError;
pub(crate) use profile::is_own_workspace;
pub use profile::{
    AGENT_MEMORY_MB, FIRST_PORT, MachineMemory, Memory, PORT_SPACING, ProfileBackend, ProfileSettings,
};
pub use shared::SharedBackend;
pub use spec::{AgentConfig, AgentLimits, AgentRef, AgentSpec, plan_spec};

use crate::openclaw::Question;

/// What Creel does with agents on a host. Each operation may be done again: what an earlier one left half done is
/// completed. Two operations on one agent take turns; those on different agents do not wait for each other.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> status::Backend;
    /// Makes everything that the agent needs but a running gateway of its own.
    async fn deploy(&self, spec: &AgentSpec, docs: &[Doc]) -> Result<Deployed, BackendError>;
    /// Lets it run, until it says that it is ready. One that runs is left as it is.
    async fn start(&self, spec: &AgentSpec) -> Result<Running, BackendError>;
    /// Stops it within the grace and some seconds; nothing of it is left then. Its files stay.
    async fn stop(&self, id: &AgentRef, grace: Duration) -> Result<(), BackendError>;
    /// Ends what runs of it, at once. What was asked for stays: one that is to run is to be started again.
    async fn kill(&self, id: &AgentRef) -> Result<(), BackendError>;
    /// Gives it another configuration and other documents; one that runs goes on with them. What is not accepted
    /// leaves the last good configuration in force.
    async fn configure(&self, spec: &AgentSpec, docs: &[Doc]) -> Result<Applied, BackendError>;
    /// Stops it and takes everything of it away; answers with the archive of its workspace, which is kept for a
    /// while. None if there was nothing.
    async fn undeploy(&self, id: &AgentRef) -> Result<Option<PathBuf>, BackendError>;
    /// Its folder, where there is something of it here: for another backend to take over.
    async fn workspace(&self, id: &AgentRef) -> Result<Option<PathBuf>, BackendError>;
    /// Begins with a copy of the files that it has in another backend, where it has none here. It runs in neither.
    async fn take_over(&self, id: &AgentRef, from: &Path) -> Result<(), BackendError>;
    /// Puts a question to it, in a conversation of its own that is forgotten afterwards; answers its words.
    async fn ask(&self, id: &AgentRef, question: &Question) -> Result<String, BackendError>;
    /// How it is now.
    async fn observe(&self, id: &AgentRef) -> Observed;
    /// What the host itself remembers of its agents, for when the database is away. Empty where it remembers none.
    async fn records(&self) -> Vec<Record>;
}

/// What the host remembers of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The agent as it was deployed or configured last.
    pub spec: AgentSpec,
    /// What was asked for last: `start` makes it running, `stop` makes it stopped.
    pub desired_state: DesiredState,
    /// Its gateway's port.
    pub port: u16,
    /// The hash of the owner's file that its configuration was made with; none if there was no file.
    #[serde(default)]
    pub base: Option<String>,
    /// That file is another one by now.
    #[serde(skip)]
    pub is_outdated: bool,
}

/// An agent that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployed {
    /// The id in OpenClaw.
    pub openclaw_id: String,
    /// Its folder, absolute and without symbolic links.
    pub workspace: PathBuf,
    /// Its own gateway's port; none where it shares one.
    pub port: Option<u16>,
}

/// An agent that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Its own gateway's process; none where it shares one.
    pub pid: Option<u32>,
    /// The port of its gateway.
    pub port: Option<u16>,
    /// Since when; none where nobody knows.
    pub since: Option<Timestamp>,
}

/// What came of another configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Whether anything was different from before.
    pub changed: bool,
    /// Whether its gateway was started anew for it.
    pub restarted: bool,
    /// The agent, if it runs.
    pub running: Option<Running>,
}

/// How an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Nothing of it is on this host.
    Absent,
    /// It is there and does not run.
    Stopped,
    /// It runs and is not ready yet, or not any more.
    Starting {
        /// Its own gateway's process; none where it shares one.
        pid: Option<u32>,
    },
    /// It is ready.
    Running(Running),
    /// It is to run and does not.
    Failed {
        /// Why, for people.
        reason: String,
    },
}
