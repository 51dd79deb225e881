//! What the stand-in does about agents.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::Answer;
use crate::config::State;

/// OpenClaw cuts ids to this.
const ID_MAX_LEN: usize = 64;

/// The files that the real one writes where they are missing.
const SEEDED: &[(&str, &str)] = &[
    ("AGENTS.md", "# AGENTS.md - of the stand-in\n"),
    ("SOUL.md", "# SOUL.md - of the stand-in\n"),
    ("USER.md", "# USER.md - of the stand-in\n"),
    (
        "IDENTITY.md",
        "# IDENTITY.md - of the stand-in\n\n- **Name:**\n- **Emoji:**\n",
    ),
];

pub(crate) fn add(state: &State, name: &str, workspace: &str) -> io::Result<Answer> {
    let Some(id) = normalised(name) else {
        return Ok(Answer::Refused(format!(
            "Agent name \"{name}\" has no valid id characters. Use at least one letter a-z or digit."
        )));
    };
    if id == "main" || state.read()?["agents"]["entries"].get(&id).is_some() {
        return Ok(Answer::Refused(format!("Agent \"{id}\" already exists.")));
    }
    let workspace = std::path::absolute(workspace)?;
    let Some(entry) = make(state, &id, name, None, &workspace)? else {
        return Ok(Answer::Refused(format!("Agent \"{id}\" already exists.")));
    };
    Ok(Answer::Json(json!({
        "agentId": id, "name": name, "workspace": workspace, "agentDir": entry["agentDir"],
        "bindings": { "added": [], "updated": [], "skipped": [], "conflicts": [] },
    })))
}

/// Writes its files and its entry; none if there is one already.
pub(crate) fn make(
    state: &State,
    id: &str,
    name: &str,
    emoji: Option<&str>,
    workspace: &PathBuf,
) -> io::Result<Option<Value>> {
    if state.read()?["agents"]["defaults"]["skipBootstrap"] == true {
        std::fs::create_dir_all(workspace)?;
    } else {
        seed(workspace, id)?;
    }
    let agent_dir = state.dir.join("agents").join(id).join("agent");
    let mut entry = json!({
        "name": name, "workspace": workspace, "agentDir": agent_dir, "identity": { "name": name },
    });
    if let Some(emoji) = emoji {
        entry["identity"]["emoji"] = emoji.into();
    }
    state.dig_up(id)?;
    state.change_all(|config| {
        let agents = &mut config["agents"];
        if agents["ownership"].is_null() {
            // The first agent besides the implicit one.
            agents["ownership"] = "explicit".into();
            agents["defaults"]["systemAgent"] = json!({ "agentId": "main" });
            agents["defaults"]["heartbeat"] = json!({ "agentId": "main" });
        }
        if agents["entries"].get("main").is_none() {
            agents["entries"]["main"] = json!({ "workspace": state.dir.join("workspace") });
        }
        // Somebody may have been faster.
        if agents["entries"].get(id).is_some() {
            return Ok(None);
        }
        agents["entries"][id] = entry.clone();
        Ok(Some(entry))
    })
}

pub(crate) fn list(state: &State) -> io::Result<Answer> {
    let config = state.read()?;
    let none = Map::new();
    let entries = config["agents"]["entries"].as_object().unwrap_or(&none);
    let listed = entries.iter().map(|(id, entry)| {
        let mut listed = json!({
            "id": id, "workspace": entry["workspace"], "agentDir": state.dir.join("agents").join(id),
            "bindings": 0, "isDefault": id == "main",
        });
        for (name, value) in [
            ("name", &entry["name"]),
            ("identityName", &entry["identity"]["name"]),
            ("identityEmoji", &entry["identity"]["emoji"]),
        ] {
            if !value.is_null() {
                listed[name] = value.clone();
            }
        }
        listed
    });
    Ok(Answer::Json(listed.collect()))
}

pub(crate) fn set_identity(
    state: &State,
    agent: &str,
    name: Option<&str>,
    emoji: Option<&str>,
) -> io::Result<Answer> {
    let changed = state.change(|entries| {
        let entry = entries.get_mut(agent)?;
        for (key, value) in [("name", name), ("emoji", emoji)] {
            if let Some(value) = value {
                entry["identity"][key] = value.trim().into();
            }
        }
        Some(entry.clone())
    })?;
    Ok(match changed {
        None => Answer::Refused(format!(
            "Agent \"{agent}\" not found. Create it with `openclaw agents add`."
        )),
        Some(entry) => Answer::Json(json!({
            "agentId": agent, "identity": entry["identity"], "workspace": null,
            "storedWorkspace": entry["workspace"], "identityFile": null,
        })),
    })
}

pub(crate) fn delete(state: &State, agent: &str) -> io::Result<Answer> {
    let removed = state.change(|entries| entries.remove(agent))?;
    if let Some(entry) = &removed {
        state.bury(agent)?;
        // Other than the gateway, it asks nobody whether the files are to stay.
        let sessions = state.dir.join("agents").join(agent).join("sessions");
        for path in [
            PathBuf::from(entry["workspace"].as_str().unwrap_or_default()),
            sessions,
        ] {
            state.trash(&path)?;
        }
    }
    Ok(match removed {
        None => Answer::Refused(format!(
            "Agent \"{agent}\" not found. Run openclaw agents list to see configured agents."
        )),
        Some(entry) => Answer::Json(json!({ "agentId": agent, "workspace": entry["workspace"] })),
    })
}

/// Writes what is missing; changes the name in an `IDENTITY.md` that is there.
fn seed(workspace: &PathBuf, id: &str) -> io::Result<()> {
    std::fs::create_dir_all(workspace)?;
    let blank = std::fs::read_dir(workspace)?.next().is_none();
    for (name, content) in SEEDED {
        create(&workspace.join(name), content)?;
    }
    if blank {
        return create(
            &workspace.join("BOOTSTRAP.md"),
            "# BOOTSTRAP.md - of the stand-in\n",
        );
    }
    let path = workspace.join("IDENTITY.md");
    let named = |line: &str| {
        let is_name = line.starts_with("- Name:") || line.starts_with("- **Name:**");
        if is_name {
            format!("- Name: {id}")
        } else {
            line.to_owned()
        }
    };
    let text: Vec<String> = std::fs::read_to_string(&path)?.lines().map(named).collect();
    std::fs::write(path, text.join("\n") + "\n")
}

fn create(path: &Path, content: &str) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        file => file?.write_all(content.as_bytes()),
    }
}

/// `My Agent` becomes `my-agent`, and `../x` becomes `x`; nothing if no letter or digit is left.
pub(crate) fn normalised(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let words = name.split(|c| !allowed(c)).filter(|word| !word.is_empty());
    let id = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    let id: String = id.trim_matches('-').chars().take(ID_MAX_LEN).collect();
    id.chars().any(|c| c.is_ascii_alphanumeric()).then_some(id)
}
