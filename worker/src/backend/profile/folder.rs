//! The folder of an agent with a gateway of its own, `<data directory>/agents/<agent>`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use creel_core::secret::Secret;
use serde_json::Value;
use uuid::Uuid;

use crate::backend::shared::SESSIONS;
use crate::backend::{AgentRef, BackendError, Record, files};
use crate::openclaw::parse_config;

/// Name of the folder of all agents in the worker's own.
const AGENTS: &str = "agents";

/// Name of the folder of the workspace beneath the agent's.
pub(super) const WORKSPACE: &str = "workspace";

/// The paths of one agent.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    pub(super) fn of(data_dir: &Path, id: Uuid) -> Self {
        Self {
            path: data_dir.join(AGENTS).join(id.to_string()),
        }
    }

    /// OPENCLAW_STATE_DIR.
    pub(super) fn state_dir(&self) -> PathBuf {
        self.path.join("state")
    }

    /// OPENCLAW_CONFIG_PATH.
    pub(super) fn config(&self) -> PathBuf {
        self.state_dir().join("openclaw.json")
    }

    /// The configuration with which the gateway was ready last.
    pub(super) fn last_good(&self) -> PathBuf {
        self.path.join("openclaw.last-good.json")
    }

    /// One that OpenClaw is to check before it is in force.
    pub(super) fn candidate(&self) -> PathBuf {
        self.path.join("openclaw.candidate.json")
    }

    pub(super) fn workspace(&self) -> PathBuf {
        self.path.join(WORKSPACE)
    }

    /// What the agent was told and said.
    pub(super) fn sessions(&self, id: &AgentRef) -> PathBuf {
        let agents = self.state_dir().join("agents");
        agents.join(id.openclaw_id.as_str()).join(SESSIONS)
    }

    /// What the gateway prints.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("gateway.log")
    }

    /// OpenClaw's own log.
    pub(super) fn openclaw_log(&self) -> PathBuf {
        self.path.join("openclaw.log")
    }

    fn record(&self) -> PathBuf {
        self.path.join("agent.json")
    }

    fn token(&self) -> PathBuf {
        self.path.join("token")
    }

    /// What is remembered of the agent. Half a file is none: its next deploy makes it anew.
    pub(super) fn read_record(&self) -> Result<Option<Record>, BackendError> {
        let path = self.record();
        let Some(text) = files::read(&path).map_err(|error| BackendError::disk(&path, error))? else {
            return Ok(None);
        };
        let record = serde_json::from_slice(&text);
        if let Err(error) = &record {
            let path = path.display();
            tracing::warn!(%error, "{path} is damaged; the agent's next deploy makes it anew: {error}");
        }
        Ok(record.ok())
    }

    pub(super) fn write_record(&self, record: &Record) -> Result<(), BackendError> {
        let text = serde_json::to_vec_pretty(record).expect("a record is JSON");
        let path = self.record();
        files::write(&path, &text).map_err(|error| BackendError::disk(path, error))
    }

    /// The gateway's token, made when there is none. It is in no other file that anybody but the gateway reads.
    pub(super) fn token_or_new(&self) -> Result<Secret, BackendError> {
        let path = self.token();
        let at = |error| BackendError::disk(&path, error);
        let is_token = |text: &str| text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let kept = files::read(&path)
            .map_err(at)?
            .and_then(|text| String::from_utf8(text).ok());
        if let Some(token) = kept.filter(|token| is_token(token)) {
            return Ok(Secret::new(token));
        }
        // 48 hexadecimal digits, as OpenClaw's own set-up makes them.
        let token = [Uuid::new_v4(), Uuid::new_v4()]
            .map(|part| part.simple().to_string())
            .concat();
        files::write(&path, &token.as_bytes()[..48]).map_err(at)?;
        Ok(Secret::new(&token[..48]))
    }

    /// A configuration in one of its files; none if there is none, or half of one.
    pub(super) fn read_config(&self, path: &Path) -> Result<Option<Value>, BackendError> {
        let text = files::read(path).map_err(|error| BackendError::disk(path, error))?;
        Ok(text.and_then(|text| parse_config(&String::from_utf8(text).ok()?)))
    }

    pub(super) fn write_config(&self, path: &Path, config: &Value) -> Result<(), BackendError> {
        let text = serde_json::to_vec_pretty(config).expect("a configuration is JSON");
        files::write(path, &text).map_err(|error| BackendError::disk(path, error))
    }

    /// Takes all of it away; a killed worker's next attempt goes on.
    pub(super) fn remove(&self) -> Result<(), BackendError> {
        files::remove_folder(&self.path).map_err(|error| BackendError::disk(&self.path, error))
    }
}

/// Whether a path is that of the workspace of an agent with a gateway of its own.
pub(crate) fn is_own_workspace(path: &Path, id: Uuid) -> bool {
    path.ends_with(Path::new(AGENTS).join(id.to_string()).join(WORKSPACE))
}

/// All agents of a worker that can be read.
pub(super) fn records(data_dir: &Path) -> Vec<Record> {
    let Ok(entries) = std::fs::read_dir(data_dir.join(AGENTS)) else {
        return Vec::new();
    };
    let ids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<Uuid>().ok());
    ids.filter_map(|id| {
        let record = Folder::of(data_dir, id).read_record().ok().flatten()?;
        (record.spec.agent.agent_id == id).then_some(record)
    })
    .collect()
}

/// The ports that agents are known to have.
pub(super) fn ports(data_dir: &Path) -> BTreeMap<Uuid, u16> {
    let records = records(data_dir).into_iter();
    records
        .map(|record| (record.spec.agent.agent_id, record.port))
        .collect()
}

/// Whose folder it is, where nobody remembers.
pub(super) fn not_deployed(id: &AgentRef) -> BackendError {
    BackendError::NotDeployed {
        id: id.openclaw_id.to_string(),
    }
}
