//! OpenClaw on this host, behind one trait.

mod aside;
mod auto;
mod broker;
mod change;
mod cli;
mod config_file;
mod error;
mod gateway;
mod last_good;
mod output;
mod overview;
mod version;

use std::path::PathBuf;

use async_trait::async_trait;
use creel_core::id::AgentId;

pub(crate) use aside::put_back;
pub use auto::AutoDriver;
pub use broker::{Broker, Turn};
pub use change::Settings;
pub use cli::{CliDriver, CliLimits, CliSettings};
pub(crate) use config_file::{DEFAULT_GATEWAY_PORT, parse as parse_config};
pub use error::OpenClawError;
pub(crate) use gateway::ready::client as local_client;
pub(crate) use gateway::{GatewayControl, NotAnswered, NotApplied};
pub use gateway::{GatewayDriver, GatewayLimits, GatewayProblem, GatewaySettings, Question};
pub(crate) use output::shown;
pub use overview::Overview;
pub use version::{MIN_VERSION, Version};

/// What Creel does with OpenClaw. One instance serves all jobs of a host.
#[async_trait]
pub trait OpenClaw: Send + Sync {
    /// Its version; an error if it is missing or older than [`MIN_VERSION`].
    async fn version(&self) -> Result<Version, OpenClawError>;
    /// One agent, as OpenClaw's configuration has it.
    async fn find(&self, id: &AgentId) -> Result<Option<Entry>, OpenClawError>;
    /// All agents.
    async fn list(&self) -> Result<Vec<Entry>, OpenClawError>;
    /// Registers an agent. [`OpenClawError::AlreadyExists`] if there is one with this id. Its name and emoji
    /// may come with it at no further cost; only [`OpenClaw::set_identity`] gives them for sure.
    async fn add(&self, agent: &NewAgent) -> Result<(), OpenClawError>;
    /// Gives an agent its name and emoji; no emoji leaves the one it has.
    async fn set_identity(&self, id: &AgentId, name: &str, emoji: Option<&str>) -> Result<(), OpenClawError>;
    /// Takes an agent out of the configuration; what it does is broken off, its files stay. Answers whether it was
    /// there.
    async fn remove(&self, id: &AgentId) -> Result<bool, OpenClawError>;
    /// Gives an agent these settings. Answers whether it had others. [`OpenClawError::ConfigRefused`] if OpenClaw
    /// does not take them.
    async fn configure(&self, id: &AgentId, settings: &Settings) -> Result<bool, OpenClawError>;
    /// Whether the gateway of this configuration is up, and with it all registered agents.
    async fn is_served(&self) -> bool;
    /// Which driver does it now, for people to read.
    fn driver(&self) -> &'static str;
}

/// An agent that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAgent {
    /// Its id.
    pub id: AgentId,
    /// Its folder, absolute, which is there already.
    pub workspace: PathBuf,
    /// What people see.
    pub name: String,
    /// The emoji that people see.
    pub emoji: Option<String>,
}

impl NewAgent {
    /// An agent that is called as its id.
    pub fn unnamed(id: AgentId, workspace: impl Into<PathBuf>) -> Self {
        Self {
            name: id.to_string(),
            workspace: workspace.into(),
            emoji: None,
            id,
        }
    }
}

/// An agent in OpenClaw's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id, normalised by OpenClaw.
    pub id: String,
    /// Its name in the configuration; not what people see.
    pub name: Option<String>,
    /// Its folder.
    pub workspace: Option<PathBuf>,
    /// What people see.
    pub identity_name: Option<String>,
    /// The emoji that people see.
    pub identity_emoji: Option<String>,
}
