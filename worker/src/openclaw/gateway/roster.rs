//! What a gateway's configuration says of its agents, and what has to change. Nothing here touches the world.

use std::path::{Path, PathBuf};

use creel_core::id::AgentId;
use serde_json::{Map, Value, json};

use crate::openclaw::config_file::entry_of;
use crate::openclaw::{Entry, NewAgent};

/// A wish to change the configuration.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Registers an agent.
    Add(NewAgent),
    /// Gives it name and emoji.
    Identity {
        id: AgentId,
        name: String,
        emoji: Option<String>,
    },
}

impl Change {
    pub(super) fn id(&self) -> &AgentId {
        match self {
            Self::Add(agent) => &agent.id,
            Self::Identity { id, .. } => id,
        }
    }

    /// Whether an entry is as it was wished for.
    pub(super) fn is_kept_by(&self, entry: &Entry) -> bool {
        let (workspace, name, emoji) = match self {
            Self::Add(agent) => (Some(agent.workspace.as_path()), &agent.name, &agent.emoji),
            Self::Identity { name, emoji, .. } => (None, name, emoji),
        };
        workspace.is_none_or(|path| entry.workspace.as_deref() == Some(path))
            && entry.identity_name.as_ref() == Some(name)
            && (emoji.is_none() || entry.identity_emoji == *emoji)
    }
}

/// What is to be done about a wish.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It is so already.
    Done,
    /// There is such an agent already, and not by us.
    Exists,
    /// There is no such agent.
    NotFound,
    /// Only `agents.create` can do it.
    Create,
    /// The entry is merged with this.
    Patch(Value),
}

/// The agents of a configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster {
    /// What a patch has to be based on.
    pub(super) hash: String,
    /// Whether the agents are named in it. OpenClaw makes one up where none is, and with the first that is
    /// named it would be gone.
    pub(super) is_explicit: bool,
    /// Whether OpenClaw writes nothing into a new workspace.
    pub(super) skips_bootstrap: bool,
    entries: Map<String, Value>,
}

impl Roster {
    /// Reads `config` of an answer to `config.get` or `config.patch`.
    pub(super) fn of(payload: &Value) -> Option<Self> {
        let agents = payload.pointer("/config/agents");
        // What is resolved has agents that nobody has written; what was parsed has those of the file.
        let written = payload.pointer("/parsed/agents/entries").or_else(|| {
            let is_patch = payload.get("parsed").is_none();
            agents.filter(|_| is_patch)?.get("entries")
        });
        let entries = agents
            .and_then(|agents| agents.get("entries"))
            .and_then(Value::as_object);
        Some(Self {
            hash: payload.get("hash")?.as_str()?.to_owned(),
            is_explicit: written
                .and_then(Value::as_object)
                .is_some_and(|entries| !entries.is_empty()),
            skips_bootstrap: agents
                .and_then(|agents| agents.pointer("/defaults/skipBootstrap"))
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            entries: entries.cloned().unwrap_or_default(),
        })
    }

    pub(super) fn entry(&self, id: &str) -> Option<Entry> {
        self.entries.get(id).map(|entry| entry_of(id, entry))
    }

    /// What is to be done about a wish. What an earlier attempt of ours has sent may have been done.
    pub(super) fn plan(&self, change: &Change, was_sent: bool, must_create: bool) -> Verdict {
        match (change, self.entry(change.id().as_str())) {
            (Change::Add(agent), Some(entry)) => {
                let is_ours = was_sent && entry.workspace.as_deref() == Some(agent.workspace.as_path());
                match is_ours {
                    false => Verdict::Exists,
                    true if change.is_kept_by(&entry) => Verdict::Done,
                    true => {
                        Verdict::Patch(json!({ "identity": identity(&agent.name, agent.emoji.as_deref()) }))
                    }
                }
            }
            (Change::Add(_), None) if must_create => Verdict::Create,
            (Change::Add(agent), None) => Verdict::Patch(json!({
                "name": agent.id.as_str(),
                "workspace": agent.workspace.to_string_lossy(),
                "identity": identity(&agent.name, agent.emoji.as_deref()),
            })),
            (Change::Identity { .. }, None) => Verdict::NotFound,
            (Change::Identity { .. }, Some(entry)) if change.is_kept_by(&entry) => Verdict::Done,
            (Change::Identity { name, emoji, .. }, Some(_)) => {
                Verdict::Patch(json!({ "identity": identity(name, emoji.as_deref()) }))
            }
        }
    }

    /// Counts on a patch, for the wishes that come after it in the same batch.
    pub(super) fn assume(&mut self, id: &AgentId, patch: &Value) {
        let entry = self.entries.entry(id.as_str()).or_insert_with(|| json!({}));
        merge(entry, patch);
    }
}

fn identity(name: &str, emoji: Option<&str>) -> Value {
    match emoji {
        Some(emoji) => json!({ "name": name, "emoji": emoji }),
        None => json!({ "name": name }),
    }
}

/// A merge patch, as far as it is needed: nothing is taken away.
pub(super) fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

/// An agent in the answer of `agents.list`.
pub(super) fn listed(agent: &Value) -> Option<Entry> {
    let text = |pointer: &str| {
        agent
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    Some(Entry {
        id: text("/id")?,
        name: text("/name"),
        workspace: text("/workspace").map(PathBuf::from),
        identity_name: text("/identity/name"),
        identity_emoji: text("/identity/emoji"),
    })
}

/// Whether OpenClaw may remember an agent of this id that was deleted: then only `agents.create` brings it
/// back, and a patch would leave the whole gateway in need of a restart. The folder stays when all that was
/// in it is deleted.
pub(super) fn was_here(state_dir: &Path, id: &AgentId) -> bool {
    let folder = state_dir.join("agents").join(id.as_str());
    folder.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AgentId {
        AgentId::parse(text).expect("an id")
    }

    fn add(name: &str, workspace: &str) -> Change {
        Change::Add(NewAgent {
            name: name.to_owned(),
            emoji: Some("🦉".to_owned()),
            ..NewAgent::unnamed(id("ada"), workspace)
        })
    }

    fn roster(entries: Value) -> Roster {
        Roster::of(&json!({ "hash": "h", "config": { "agents": { "entries": entries } } })).expect("a roster")
    }

    #[test]
    fn an_agent_of_somebody_else_is_left_alone_and_one_of_an_earlier_attempt_is_completed() {
        let there = roster(json!({ "ada": { "workspace": "/ws/ada" } }));
        assert_eq!(there.plan(&add("Ada", "/ws/ada"), false, false), Verdict::Exists);
        assert_eq!(
            there.plan(&add("Ada", "/elsewhere"), true, false),
            Verdict::Exists
        );
        let patch = Verdict::Patch(json!({ "identity": { "name": "Ada", "emoji": "🦉" } }));
        assert_eq!(there.plan(&add("Ada", "/ws/ada"), true, false), patch);
        let whole = roster(json!({ "ada": {
            "workspace": "/ws/ada", "identity": { "name": "Ada", "emoji": "🦉" },
        }}));
        assert_eq!(whole.plan(&add("Ada", "/ws/ada"), true, false), Verdict::Done);
    }

    #[test]
    fn a_second_wish_of_a_batch_sees_the_first() {
        let mut roster = roster(json!({}));
        let Verdict::Patch(patch) = roster.plan(&add("Ada", "/ws/ada"), false, false) else {
            panic!("a patch")
        };
        roster.assume(&id("ada"), &patch);
        assert_eq!(
            roster.plan(&add("Ada", "/ws/other"), false, false),
            Verdict::Exists
        );
        let named = Change::Identity {
            id: id("ada"),
            name: "Lady".to_owned(),
            emoji: None,
        };
        let Verdict::Patch(patch) = roster.plan(&named, false, false) else {
            panic!("a patch")
        };
        roster.assume(&id("ada"), &patch);
        let entry = roster.entry("ada").expect("it is there");
        assert_eq!(
            (entry.identity_name.as_deref(), entry.identity_emoji.as_deref()),
            (Some("Lady"), Some("🦉"))
        );
    }

    #[test]
    fn a_made_up_agent_is_no_explicit_roster() {
        let payload = |parsed: Value| json!({ "hash": "h", "parsed": parsed, "config": { "agents": { "entries": { "main": {} } } } });
        assert!(!Roster::of(&payload(json!({}))).expect("a roster").is_explicit);
        let named = json!({ "agents": { "entries": { "main": {} } } });
        assert!(Roster::of(&payload(named)).expect("a roster").is_explicit);
    }
}
