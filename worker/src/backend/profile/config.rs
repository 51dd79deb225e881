//! The `openclaw.json` of an agent with a gateway of its own: made anew from what is known of the agent, and never
//! from what a gateway made of an earlier one.

use std::path::{Path, PathBuf};

use creel_core::secret::Secret;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::backend::{AgentSpec, BackendError};
use crate::openclaw::parse_config;

use crate::backend::files;

/// OpenClaw's own log, of which it keeps five older ones; its default is 100 MB each.
const LOG_MAX_BYTES: u64 = 8 << 20;

/// Where an agent's gateway is, and what it wants to hear.
pub(super) struct Place<'a> {
    pub(super) port: u16,
    pub(super) token: &'a Secret,
    pub(super) workspace: &'a Path,
    /// OpenClaw's own log.
    pub(super) log: &'a Path,
}

/// The hash of the owner's file as it is now; none if there is none, or it cannot be read.
pub(super) fn base_hash(path: Option<&Path>) -> Option<String> {
    let text = files::read_of_owner(path?).ok()??;
    Some(hex::encode(Sha256::digest(text)))
}

/// The owner's file, with model providers and whatever else all agents of the host have in common. None if there is
/// none.
pub(super) fn read_base(path: Option<&Path>) -> Result<Map<String, Value>, BackendError> {
    let Some(path) = path else {
        return Ok(Map::new());
    };
    let unusable = |what: String| BackendError::BaseUnusable {
        path: PathBuf::from(path),
        what,
    };
    let text = files::read_of_owner(path)
        .map_err(|error| unusable(format!("cannot be read: {error}")))?
        .ok_or_else(|| unusable("is not there".to_owned()))?;
    let text = String::from_utf8(text).map_err(|_| unusable("is not UTF-8".to_owned()))?;
    match parse_config(&text) {
        Some(Value::Object(base)) => Ok(base),
        Some(_) => Err(unusable("is no object".to_owned())),
        None => Err(unusable("is no JSON5".to_owned())),
    }
}

/// The whole configuration. OpenClaw adds its own `AGENTS.md` with the first turn, where there is none, and leaves
/// the files alone that are there. What Creel decides goes before what the owner's file says; what a deployer may decide
/// was checked when his row was read.
pub(super) fn plan_config(spec: &AgentSpec, place: &Place<'_>, base: Map<String, Value>) -> Value {
    let id = spec.agent.openclaw_id.as_str();
    let mut entry = json!({
        "name": id,
        "workspace": place.workspace,
        "identity": { "name": spec.name },
    });
    if !spec.emoji.is_empty() {
        entry["identity"]["emoji"] = spec.emoji.as_str().into();
    }
    if let Some(model) = &spec.config.model {
        entry["model"] = json!({ "primary": model });
    }
    if let Some(thinking) = &spec.config.thinking {
        entry["thinkingDefault"] = thinking.as_str().into();
    }
    if let Some(skills) = &spec.config.skills {
        entry["skills"] = json!(skills);
    }
    let ours = json!({
        "gateway": {
            "mode": "local",
            "bind": "loopback",
            "port": place.port,
            "auth": { "mode": "token", "token": place.token.expose() },
            "controlUi": { "enabled": false },
        },
        "discovery": { "mdns": { "mode": "off" } },
        "update": { "checkOnStart": false },
        "logging": { "file": place.log, "maxFileBytes": LOG_MAX_BYTES },
        "agents": {
            "ownership": "explicit",
            "defaults": { "systemAgent": { "agentId": id } },
            "entries": { id: entry },
        },
    });
    let mut ours = ours;
    if let Some(channels) = &spec.config.channels {
        ours["channels"] = Value::Object(channels.clone());
    }
    let mut config = Value::Object(base);
    if let Some(agents) = config.get_mut("agents").and_then(Value::as_object_mut) {
        // No other agent may come by the owner's file: it would be in every gateway.
        agents.remove("entries");
        agents.remove("list");
    }
    merge(&mut config, ours);
    config
}

/// Puts the one over the other; objects are merged.
fn merge(into: &mut Value, over: Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over,
    }
}

/// Whether a file has all that a configuration has; OpenClaw adds to it.
pub(super) fn has_all(file: &Value, config: &Value) -> bool {
    match (file, config) {
        (Value::Object(file), Value::Object(config)) => config
            .iter()
            .all(|(key, value)| file.get(key).is_some_and(|found| has_all(found, value))),
        (file, config) => file == config,
    }
}

#[cfg(test)]
mod tests {
    use creel_core::id::AgentId;
    use uuid::Uuid;

    use super::*;
    use crate::backend::{AgentConfig, AgentLimits, AgentRef};

    fn spec(config: AgentConfig) -> AgentSpec {
        AgentSpec {
            agent: AgentRef {
                agent_id: Uuid::from_u128(1),
                project_id: "p".to_owned(),
                agent_key: "agent:scout:main".to_owned(),
                openclaw_id: AgentId::parse("scout").expect("an id"),
                workspace_path: None,
            },
            name: "Scout \"the\" 🦉".to_owned(),
            emoji: "🦉".to_owned(),
            role: String::new(),
            generation: 1,
            config,
            limits: AgentLimits::default(),
        }
    }

    fn planned(config: AgentConfig, base: Value) -> Value {
        let place = Place {
            port: 19_001,
            token: &Secret::new("TOK"),
            workspace: Path::new("/a/workspace"),
            log: Path::new("/a/openclaw.log"),
        };
        plan_config(
            &spec(config),
            &place,
            base.as_object().cloned().expect("an object"),
        )
    }

    #[test]
    fn the_owners_file_gives_the_models_and_decides_nothing_of_ours() {
        let base = json!({
            "models": { "mode": "replace", "providers": { "fake": { "apiKey": "sk" } } },
            "gateway": { "bind": "lan", "port": 1, "http": { "endpoints": {} }, "auth": { "token": "theirs" } },
            "agents": {
                "defaults": { "model": { "primary": "fake/fake-1" }, "systemAgent": { "agentId": "x" } },
                "entries": { "other": {} },
            },
        });
        let config = planned(AgentConfig::default(), base.clone());
        assert_eq!(config["models"], base["models"]);
        assert_eq!(config["gateway"]["bind"], "loopback");
        assert_eq!(config["gateway"]["auth"]["token"], "TOK");
        assert_eq!(config["gateway"]["http"], json!({ "endpoints": {} }));
        assert_eq!(config["agents"]["defaults"]["model"]["primary"], "fake/fake-1");
        assert_eq!(config["agents"]["defaults"]["systemAgent"]["agentId"], "scout");
        let entries = config["agents"]["entries"].as_object().expect("entries");
        assert_eq!(entries.keys().collect::<Vec<_>>(), ["scout"]);
        assert_eq!(entries["scout"]["identity"]["name"], "Scout \"the\" 🦉");
    }

    #[test]
    fn what_a_deployer_may_decide_is_the_agents_own() {
        let config = AgentConfig {
            model: Some("fake/fake-2".to_owned()),
            thinking: Some("low".to_owned()),
            skills: Some(vec![]),
            channels: json!({ "telegram": { "dmPolicy": "disabled" } })
                .as_object()
                .cloned(),
            more: json!({ "gateway": { "bind": "lan" } })
                .as_object()
                .cloned()
                .expect("an object"),
        };
        let owners =
            json!({ "channels": { "telegram": { "botToken": "of the owner", "dmPolicy": "open" } } });
        let planned = planned(config, owners);
        let entry = &planned["agents"]["entries"]["scout"];
        assert_eq!(entry["model"], json!({ "primary": "fake/fake-2" }));
        assert_eq!(
            (&entry["thinkingDefault"], &entry["skills"]),
            (&json!("low"), &json!([]))
        );
        assert_eq!(planned["gateway"]["bind"], "loopback");
        let telegram = json!({ "botToken": "of the owner", "dmPolicy": "disabled" });
        assert_eq!(planned["channels"]["telegram"], telegram);
    }

    #[test]
    fn what_openclaw_adds_is_no_difference() {
        let config = planned(AgentConfig::default(), json!({}));
        let mut file = config.clone();
        file["meta"] = json!({ "lastTouchedVersion": "2026.9.6" });
        assert!(has_all(&file, &config));
        file["gateway"]["port"] = 7.into();
        assert!(!has_all(&file, &config));
        assert!(!has_all(&json!({}), &config) && !has_all(&json!(null), &config));
    }

    #[test]
    fn an_owners_file_that_cannot_be_used_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("base.json5");
        let told = || match read_base(Some(&path)) {
            Err(error) => error.to_string(),
            Ok(base) => panic!("{base:?}"),
        };
        assert!(told().ends_with("is not there"));
        std::fs::write(&path, "// mine\n{ models: {} }").expect("write");
        assert!(read_base(Some(&path)).expect("it is read").contains_key("models"));
        std::fs::write(&path, "{ models: ").expect("write");
        assert!(told().ends_with("is no JSON5"));
        std::fs::write(&path, "[]").expect("write");
        assert!(told().ends_with("is no object"));
    }
}
