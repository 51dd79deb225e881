//! What is on this host, as `openclaw.json` says it: who starts OpenClaw to ask for it pays seconds.

use std::path::Path;

use serde_json::Value;

use super::config_file::{Answer, entry_of, port_of, read};
use super::{Entry, OpenClawError};

/// What a configuration has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// The agents, by id. Of a workspace that only OpenClaw can resolve nothing is known.
    pub agents: Vec<Entry>,
    /// The models on offer, as `provider/model`. Never how they are paid for.
    pub models: Vec<String>,
    /// The gateway's port; none if the configuration has no gateway.
    pub gateway_port: Option<u16>,
}

impl Overview {
    /// Reads a configuration; empty if there is none yet. None if nobody but OpenClaw can read it.
    pub async fn read(config_path: &Path) -> Result<Option<Self>, OpenClawError> {
        Ok(match read(config_path).await? {
            Answer::Known(Some(config)) => Some(Self::of(&config)),
            Answer::Known(None) => Some(Self::default()),
            Answer::AskOpenClaw => None,
        })
    }

    fn of(config: &Value) -> Self {
        let entries = config.pointer("/agents/entries").and_then(Value::as_object);
        let agents = entries.into_iter().flatten().map(|(id, entry)| {
            let mut agent = entry_of(id, entry);
            agent.workspace = agent.workspace.filter(|path| is_resolved(path));
            agent
        });
        Self {
            agents: agents.collect(),
            models: models(config),
            gateway_port: config.get("gateway").map(port_of),
        }
    }
}

/// OpenClaw knows `~` and `${NAME}`, a path does not.
fn is_resolved(path: &Path) -> bool {
    path.is_absolute() && !path.to_string_lossy().contains("${")
}

fn models(config: &Value) -> Vec<String> {
    let providers = config.pointer("/models/providers").and_then(Value::as_object);
    let of_provider = |(provider, settings): (&String, &Value)| {
        let models = settings.get("models").and_then(Value::as_array);
        let ids = models.into_iter().flatten().filter_map(|model| {
            let id = model.get("id").unwrap_or(model).as_str()?;
            Some(format!("{provider}/{id}"))
        });
        ids.collect::<Vec<_>>()
    };
    providers.into_iter().flatten().flat_map(of_provider).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::openclaw::config_file::DEFAULT_GATEWAY_PORT;

    #[test]
    fn agents_models_and_port_are_told_and_no_key() {
        let overview = Overview::of(&json!({
            "gateway": { "auth": { "token": "TOK" } },
            "models": { "providers": { "fake": {
                "apiKey": "sk-fake", "baseUrl": "http://user:pw@host/v1",
                "models": [{ "id": "fake-1", "name": "Fake" }, "fake-2", 7],
            }}},
            "agents": { "entries": {
                "ada": { "workspace": "/ws/ada", "identity": { "name": "Ada", "emoji": "🦉" } },
                "bob": { "workspace": "~/bob" },
            }},
        }));
        assert_eq!(overview.models, ["fake/fake-1", "fake/fake-2"]);
        assert_eq!(overview.gateway_port, Some(DEFAULT_GATEWAY_PORT));
        assert_eq!(overview.agents[0].identity_name.as_deref(), Some("Ada"));
        assert_eq!(
            overview.agents[0].workspace.as_deref(),
            Some(Path::new("/ws/ada"))
        );
        assert_eq!(overview.agents[1].workspace, None);
        let all = format!("{overview:?}");
        assert!(
            !all.contains("TOK") && !all.contains("sk-fake") && !all.contains("pw"),
            "{all}"
        );
    }

    #[test]
    fn what_is_no_configuration_has_nothing() {
        for config in [
            json!(null),
            json!([]),
            json!({ "agents": { "entries": [] }, "models": 7 }),
        ] {
            assert_eq!(Overview::of(&config), Overview::default(), "{config}");
        }
    }
}
