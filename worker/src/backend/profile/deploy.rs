//! What an agent has on the disk: made, completed, and taken away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use creel_core::host_api::Doc;
use creel_core::id::AgentId;
use creel_core::status::DesiredState;
use serde_json::Value;
use uuid::Uuid;

use super::Inner;
use super::config::{Place, base_hash, has_all, plan_config, read_base};
use super::folder::{self, Folder, WORKSPACE};
use crate::backend::{AgentRef, AgentSpec, BackendError, Deployed, Record, files};
use crate::workspace::{Templates, Workspace, WorkspaceError};

impl Inner {
    /// The configuration that this agent is to have.
    pub(super) fn plan(&self, spec: &AgentSpec, port: u16) -> Result<Value, BackendError> {
        let folder = self.folder(spec.agent.agent_id);
        let token = folder.token_or_new()?;
        // The way to the folder may have symbolic links, the workspace itself may be none.
        let path = folder.path.canonicalize().unwrap_or_else(|_| folder.path.clone());
        let place = Place {
            port,
            token: &token,
            workspace: &path.join(WORKSPACE),
            log: &folder.openclaw_log(),
        };
        Ok(plan_config(
            spec,
            &place,
            read_base(self.settings.base.as_deref())?,
        ))
    }

    /// Writes the configuration, unless it is there already. Answers with it.
    pub(super) fn put_config(&self, spec: &AgentSpec, port: u16) -> Result<Value, BackendError> {
        let folder = self.folder(spec.agent.agent_id);
        let config = self.plan(spec, port)?;
        if !self.is_in_force(&folder, &config)? {
            folder.write_config(&folder.config(), &config)?;
        }
        Ok(config)
    }

    /// Whether a configuration is the one that the gateway has, or would start with. What was taken out of it since
    /// it was good last is still in the file.
    pub(super) fn is_in_force(&self, folder: &Folder, config: &Value) -> Result<bool, BackendError> {
        let file = folder.read_config(&folder.config())?;
        let is_last_good = folder.read_config(&folder.last_good())?.as_ref() == Some(config);
        Ok(is_last_good && file.is_some_and(|file| has_all(&file, config)))
    }

    pub(super) fn deploy(&self, spec: &AgentSpec, docs: &[Doc]) -> Result<Deployed, BackendError> {
        let id = spec.agent.agent_id;
        let folder = self.folder(id);
        files::make_folder(&folder.path).map_err(|error| BackendError::disk(&folder.path, error))?;
        let record = folder.read_record()?;
        let port = self.ports.allot(id, || self.known_ports(None))?;
        let workspace = self.workspace(&spec.agent)?;
        workspace.seed(docs, &Templates::new(spec.persona()))?;
        files::make_folder(&folder.state_dir()).map_err(|error| BackendError::disk(&folder.path, error))?;
        // One that ran goes on with what it has; `configure` gives it another.
        let is_new = record.is_none();
        let base = base_hash(self.settings.base.as_deref());
        if is_new || !folder.config().exists() {
            self.put_config(spec, port)?;
        }
        folder.write_record(&match record {
            Some(record) => Record { port, ..record },
            None => Record {
                spec: spec.clone(),
                desired_state: DesiredState::Stopped,
                port,
                base,
                is_outdated: false,
            },
        })?;
        Ok(Deployed {
            openclaw_id: spec.agent.openclaw_id.to_string(),
            workspace: workspace.path().to_owned(),
            port: Some(port),
        })
    }

    /// The ports that agents are known to have, but for one agent's.
    pub(super) fn known_ports(&self, but: Option<Uuid>) -> BTreeMap<Uuid, u16> {
        let mut known = folder::ports(&self.settings.data_dir);
        if let Some(but) = but {
            known.remove(&but);
        }
        known
    }

    pub(super) fn workspace(&self, agent: &AgentRef) -> Result<Workspace, BackendError> {
        let name = AgentId::parse(WORKSPACE).expect("it is an id");
        let (folder, owner) = (self.folder(agent.agent_id), agent.owner());
        match Workspace::open(&folder.path, &name, &owner) {
            // The folder above it says whose it is, too: an agent that took away its mark gets it back.
            Err(WorkspaceError::NotOurs { path }) => Ok(Workspace::adopt(&path, &owner)?),
            opened => Ok(opened?),
        }
    }

    pub(super) fn undeploy(&self, id: &AgentRef) -> Result<Option<PathBuf>, BackendError> {
        let folder = self.folder(id.agent_id);
        // An agent may have put a link to somewhere else in its place.
        let found = folder.workspace().symlink_metadata();
        let archive = match found.is_ok_and(|found| found.is_dir()) {
            true => Some(
                self.archives
                    .pack(id, &folder.workspace(), &folder.sessions(id))?,
            ),
            false => self.archives.newest(id.agent_id),
        };
        folder.remove()?;
        self.ports
            .free(id.agent_id, || self.known_ports(Some(id.agent_id)))?;
        Ok(archive)
    }
}
