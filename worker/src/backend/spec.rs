//! What an agent is to be, checked before anything is done about it.

use std::path::PathBuf;

use creel_core::id::AgentId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::profile::is_own_workspace;
use super::{BackendError, channels};
use crate::job::Failure;
use crate::job::provision::checked_persona;
use crate::workspace::{Owner, Persona};

/// Longer than any name of a model, a skill or a level that there is.
const WORD_MAX_BYTES: usize = 200;

/// More skills than an agent's prompt has room for.
const SKILLS_MAX: usize = 200;

/// Which agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentRef {
    /// Its row, which names its folder and its process.
    pub agent_id: Uuid,
    /// Its project.
    pub project_id: String,
    /// Its key in the project.
    pub agent_key: String,
    /// Its id in OpenClaw.
    pub openclaw_id: AgentId,
    /// Its folder, where the row knows one.
    #[serde(default)]
    pub workspace_path: Option<String>,
}

impl AgentRef {
    /// Whose workspace it is.
    pub fn owner(&self) -> Owner {
        Owner {
            agent_id: self.agent_id,
            project_id: self.project_id.clone(),
            agent_key: self.agent_key.clone(),
        }
    }

    /// Its folder where it is one of the shared gateway, as the row knows it.
    pub fn shared_place(&self) -> Option<PathBuf> {
        let path = PathBuf::from(self.workspace_path.as_ref()?);
        (!is_own_workspace(&path, self.agent_id)).then_some(path)
    }
}

/// What an agent is to be. It holds no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// Which agent.
    #[serde(flatten)]
    pub agent: AgentRef,
    /// What people call it.
    pub name: String,
    /// One emoji; may be empty.
    #[serde(default)]
    pub emoji: String,
    /// What it does; may be empty.
    #[serde(default)]
    pub role: String,
    /// Which version of the row this is.
    #[serde(default)]
    pub generation: i64,
    /// `agents.config`.
    #[serde(default)]
    pub config: AgentConfig,
    /// `agents.limits`.
    #[serde(default)]
    pub limits: AgentLimits,
}

impl AgentSpec {
    /// Who it is.
    pub fn persona(&self) -> Persona {
        Persona {
            name: self.name.clone(),
            role: self.role.clone(),
            emoji: self.emoji.clone(),
        }
    }
}

/// What `agents.config` has for a worker; what it does not know is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentConfig {
    /// `provider/model`; the host's usual one if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How much it thinks, in OpenClaw's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// The skills that it may use; all of the host's if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skills: Option<Vec<String>>,
    /// Who may reach it, by what: taken by a gateway of its own. The shared gateway has channels of its owner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Map<String, Value>>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// `agents.limits`: what an agent may use. None is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentLimits {
    /// Of one core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Memory of all its processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ram_mb: Option<f64>,
    /// Size of its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_mb: Option<f64>,
}

/// The row of an agent, as claimed or as listed.
#[derive(Deserialize)]
struct Row {
    id: Uuid,
    project_id: String,
    agent_key: String,
    name: Option<String>,
    role: Option<String>,
    emoji: Option<String>,
    openclaw_id: Option<String>,
    workspace_path: Option<String>,
    #[serde(default)]
    generation: i64,
    config: Option<Value>,
    limits: Option<Value>,
}

/// Reads and checks the row of an agent.
pub fn plan_spec(row: &Value) -> Result<AgentSpec, BackendError> {
    let row: Row = Row::deserialize(row).map_err(|_| {
        invalid(
            "row_malformed",
            "the row of the agent lacks what this version of Creel needs",
            "update the worker, or the database's migrations",
        )
    })?;
    let openclaw_id = row.openclaw_id.unwrap_or_default();
    let openclaw_id = AgentId::parse(&openclaw_id).map_err(|error| {
        invalid(
            "agent_id_invalid",
            format!("the agent has no id that OpenClaw takes: {error}"),
            "give the agent another key",
        )
    })?;
    let persona = checked_persona(
        row.name.as_deref(),
        row.role.as_deref(),
        row.emoji.as_deref(),
        openclaw_id.as_str(),
    )
    .map_err(BackendError::Failed)?;
    let config: AgentConfig = part("config", row.config)?;
    check_config(&config)?;
    Ok(AgentSpec {
        agent: AgentRef {
            agent_id: row.id,
            project_id: row.project_id,
            agent_key: row.agent_key,
            openclaw_id,
            workspace_path: row.workspace_path,
        },
        name: persona.name,
        emoji: persona.emoji,
        role: persona.role,
        generation: row.generation,
        config,
        limits: part("limits", row.limits)?,
    })
}

fn part<T: Default + for<'de> Deserialize<'de>>(
    name: &'static str,
    value: Option<Value>,
) -> Result<T, BackendError> {
    match value {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => serde_json::from_value(value).map_err(|error| {
            invalid(
                "agent_config_invalid",
                format!("the agent's {name} cannot be read: {error}"),
                "correct it on the agent, which makes a new update_config",
            )
        }),
    }
}

/// Words go into OpenClaw's configuration: they are names and nothing else.
fn check_config(config: &AgentConfig) -> Result<(), BackendError> {
    let words = [("model", &config.model), ("thinking", &config.thinking)];
    let words = words
        .iter()
        .flat_map(|(what, word)| word.iter().map(|word| (*what, word)));
    let skills = config.skills.iter().flatten().map(|skill| ("skill", skill));
    if config
        .skills
        .as_ref()
        .is_some_and(|skills| skills.len() > SKILLS_MAX)
    {
        return Err(invalid(
            "agent_config_invalid",
            format!("the agent has more than {SKILLS_MAX} skills"),
            "take some away",
        ));
    }
    if let Some(problem) = config.channels.as_ref().and_then(channels::problem) {
        return Err(invalid(
            "agent_config_invalid",
            format!("the agent's configuration cannot be used: {problem}"),
            "say who may reach the agent, without secrets, paths and ${…}; logins of channels are in the host's \
             profile_base",
        ));
    }
    for (what, word) in words.chain(skills) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+ ".contains(c);
        if word.is_empty() || word.len() > WORD_MAX_BYTES || !word.chars().all(is_plain) {
            return Err(invalid(
                "agent_config_invalid",
                format!("{word:?} is no name of a {what}"),
                "use letters, digits and - _ . / : @ + only",
            ));
        }
    }
    Ok(())
}

fn invalid(code: &'static str, message: impl Into<String>, hint: &str) -> BackendError {
    BackendError::Failed(Failure {
        code,
        message: message.into(),
        hint: hint.to_owned(),
        retry: false,
        steps: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(change: Value) -> Value {
        let mut row = json!({
            "id": Uuid::from_u128(1), "project_id": "p", "agent_key": "agent:scout:main", "openclaw_id": "scout",
            "name": "Scout", "generation": 3, "config": {}, "limits": {},
        });
        let change = change.as_object().cloned().unwrap_or_default();
        row.as_object_mut().expect("an object").extend(change);
        row
    }

    fn code(change: Value) -> &'static str {
        match plan_spec(&row(change)) {
            Err(BackendError::Failed(failure)) => failure.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_worker_does_not_know_is_kept() {
        let config = json!({ "model": "fake/fake-1", "tags": ["gpu"], "later": { "deep": 1 } });
        let spec = plan_spec(&row(json!({ "config": config, "unknown": 7 }))).expect("a spec");
        assert_eq!(serde_json::to_value(&spec.config).expect("JSON"), config);
        let text = serde_json::to_string(&spec).expect("JSON");
        assert_eq!(serde_json::from_str::<AgentSpec>(&text).expect("a spec"), spec);
    }

    #[test]
    fn what_openclaw_would_expand_or_misread_is_refused() {
        for config in [
            json!({ "model": "${SECRET}" }),
            json!({ "model": "" }),
            json!({ "model": 7 }),
            json!({ "thinking": "high\n" }),
            json!({ "skills": ["ok", "${HOME}"] }),
            json!({ "skills": "all" }),
            json!({ "channels": { "telegram": { "name": "${SECRET}" } } }),
            json!({ "channels": { "telegram": { "botToken": "123:abc" } } }),
            json!({ "channels": ["telegram"] }),
            json!([]),
        ] {
            assert_eq!(
                code(json!({ "config": config })),
                "agent_config_invalid",
                "{config}"
            );
        }
        assert_eq!(code(json!({ "name": "${HOME}" })), "display_name_invalid");
        assert_eq!(code(json!({ "openclaw_id": "main" })), "agent_id_invalid");
        assert_eq!(
            code(json!({ "limits": { "ram_mb": "much" } })),
            "agent_config_invalid"
        );
        assert_eq!(code(json!({ "id": 1 })), "row_malformed");
    }
}
