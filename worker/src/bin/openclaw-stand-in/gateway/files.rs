//! `agents.files.*`: a few files of a workspace.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use super::server::Gateway;

const NAMES: &[&str] = &[
    "AGENTS.md",
    "SOUL.md",
    "IDENTITY.md",
    "USER.md",
    "BOOTSTRAP.md",
    "MEMORY.md",
];

pub(super) fn list(gateway: &Gateway, id: &str) -> Result<Value, Refusal> {
    let workspace = workspace(gateway, id)?;
    // The real one leaves this one away.
    let shown = NAMES.iter().filter(|name| **name != "IDENTITY.md");
    let files: Vec<Value> = shown.map(|name| described(&workspace, name, false)).collect();
    Ok(json!({ "agentId": id, "workspace": workspace, "files": files }))
}

pub(super) fn get(gateway: &Gateway, id: &str, name: &str) -> Result<Value, Refusal> {
    let workspace = workspace(gateway, id)?;
    let name = known(name)?;
    Ok(json!({ "agentId": id, "workspace": workspace, "file": described(&workspace, name, true) }))
}

pub(super) fn set(gateway: &Gateway, id: &str, name: &str, content: &str) -> Result<Value, Refusal> {
    let workspace = workspace(gateway, id)?;
    let name = known(name)?;
    std::fs::create_dir_all(&workspace)?;
    std::fs::write(workspace.join(name), content)?;
    let file = described(&workspace, name, true);
    Ok(json!({ "ok": true, "agentId": id, "workspace": workspace, "file": file }))
}

fn workspace(gateway: &Gateway, id: &str) -> Result<PathBuf, Refusal> {
    let agents = gateway.roster.agents();
    let entry = agents.get(id).ok_or_else(|| Refusal::no_agent(id))?;
    Ok(PathBuf::from(entry["workspace"].as_str().unwrap_or_default()))
}

fn known(name: &str) -> Result<&str, Refusal> {
    if NAMES.contains(&name) {
        return Ok(name);
    }
    Err(Refusal::invalid(format!("unsupported file \"{name}\"")))
}

fn described(workspace: &Path, name: &str, with_content: bool) -> Value {
    let path = workspace.join(name);
    let Ok(content) = std::fs::read_to_string(&path) else {
        return json!({ "name": name, "path": path, "missing": true });
    };
    let hash = hex::encode(Sha256::digest(&content));
    let mut file =
        json!({ "name": name, "path": path, "missing": false, "size": content.len(), "hash": hash });
    if with_content {
        file["content"] = content.into();
    }
    file
}
