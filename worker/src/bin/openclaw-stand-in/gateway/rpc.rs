//! The methods that the gateway knows.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::limit::Limit;
use super::refusal::Refusal;
use super::server::Gateway;
use super::{files, patch};
use crate::agents;

/// Their names, as `hello-ok` tells them.
pub(super) const METHODS: &[&str] = &[
    "agent",
    "agent.wait",
    "agents.create",
    "agents.delete",
    "agents.files.get",
    "agents.files.list",
    "agents.files.set",
    "agents.list",
    "agents.update",
    "config.apply",
    "config.get",
    "config.patch",
    "health",
    "sessions.abort",
    "sessions.delete",
    "sessions.list",
];

/// Who calls.
pub(super) struct Caller {
    pub(super) scopes: Vec<String>,
    pub(super) limit: Limit,
}

/// Does what is asked.
pub(super) fn answer(
    gateway: &Gateway,
    caller: &Caller,
    method: &str,
    params: &Value,
) -> Result<Value, Refusal> {
    let given = Params { method, params };
    if method == "connect" {
        return Err(Refusal::invalid("connect is only valid as the first request"));
    }
    if !METHODS.contains(&method) {
        return Err(Refusal::invalid(format!("unknown method: {method}")));
    }
    let is_write = ["create", "delete", "set", "update", "patch", "apply", "abort"]
        .iter()
        .any(|verb| method.ends_with(verb));
    caller.must_have(if is_write {
        "operator.admin"
    } else {
        "operator.read"
    })?;
    match method {
        "agents.list" => {
            given.check(&[], &[])?;
            Ok(list(gateway))
        }
        "agents.create" => {
            given.check(&["name"], &["workspace", "model", "emoji", "avatar"])?;
            create(gateway, &given)
        }
        "agents.update" => {
            given.check(&["agentId"], &["name", "workspace", "model", "emoji", "avatar"])?;
            update(gateway, &given)
        }
        "agents.delete" => {
            given.check(&["agentId"], &["deleteFiles"])?;
            delete(gateway, &given)
        }
        "agents.files.list" => {
            given.check(&["agentId"], &[])?;
            files::list(gateway, given.text("agentId"))
        }
        "agents.files.get" => {
            given.check(&["agentId", "name"], &[])?;
            files::get(gateway, given.text("agentId"), given.text("name"))
        }
        "agents.files.set" => {
            given.check(&["agentId", "name"], &["content", "expectedHash"])?;
            files::set(
                gateway,
                given.text("agentId"),
                given.text("name"),
                given.text("content"),
            )
        }
        "agent" => {
            given.check(
                &["message", "agentId", "sessionKey", "idempotencyKey"],
                &["deliver"],
            )?;
            begin_turn(gateway, &given)
        }
        "agent.wait" => {
            given.check(&["runId"], &["timeoutMs"])?;
            Ok(match gateway.take_answer(given.text("runId")) {
                Some(text) => json!({
                    "runId": given.text("runId"), "status": "ok", "stopReason": "stop",
                    "terminalReply": { "disposition": "visible", "text": text },
                }),
                None => json!({ "runId": given.text("runId"), "status": "timeout" }),
            })
        }
        "sessions.delete" => {
            given.check(&["key"], &["deleteTranscript"])?;
            Ok(json!({ "ok": true, "key": given.text("key"), "deleted": true, "archived": [] }))
        }
        "config.get" => {
            given.check(&[], &[])?;
            Ok(patch::get(gateway))
        }
        "config.patch" => {
            caller.limit.count(method)?;
            given.check(
                &["raw"],
                &["baseHash", "sessionKey", "note", "restartDelayMs", "replacePaths"],
            )?;
            patch::patch(gateway, params)
        }
        "config.apply" => {
            caller.limit.count(method)?;
            given.check(&["raw"], &["baseHash", "sessionKey", "note", "restartDelayMs"])?;
            patch::apply(gateway, params)
        }
        "sessions.list" => {
            given.check(&[], &[])?;
            Ok(json!({ "sessions": gateway.sessions() }))
        }
        "sessions.abort" => {
            given.check(&["key"], &["runId", "clearQueued", "agentId"])?;
            let was_active = gateway.abort(given.text("key"));
            let status = if was_active { "aborted" } else { "no-active-run" };
            Ok(json!({ "ok": true, "abortedRunId": null, "status": status }))
        }
        _ => Ok(json!({ "ok": true, "agents": gateway.roster.agents().keys().collect::<Vec<_>>() })),
    }
}

impl Caller {
    fn must_have(&self, scope: &str) -> Result<(), Refusal> {
        let has = |wanted: &str| self.scopes.iter().any(|scope| scope == wanted);
        if has(scope) || has("operator.admin") {
            return Ok(());
        }
        let details = json!({ "code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope] });
        Err(Refusal::new("FORBIDDEN", format!("missing scope: {scope}")).with_details(details))
    }
}

/// What a method was given.
struct Params<'a> {
    method: &'a str,
    params: &'a Value,
}

impl Params<'_> {
    /// These must be there, as texts that are not empty; those may.
    fn check(&self, required: &[&str], optional: &[&str]) -> Result<(), Refusal> {
        let invalid = |what: String| Refusal::invalid(format!("invalid {} params: {what}", self.method));
        let none = Map::new();
        let given = match self.params {
            Value::Null => &none,
            Value::Object(given) => given,
            _ => return Err(invalid("at root: must be object".to_owned())),
        };
        let is_known = |name: &str| required.contains(&name) || optional.contains(&name);
        if let Some(unknown) = given.keys().find(|name| !is_known(name)) {
            return Err(invalid(format!("at root: unexpected property '{unknown}'")));
        }
        for name in required {
            match given.get(*name) {
                None => return Err(invalid(format!("must have required property '{name}'"))),
                Some(Value::String(text)) if text.is_empty() => {
                    return Err(invalid(format!(
                        "at /{name}: must not have fewer than 1 characters"
                    )));
                }
                Some(Value::String(_)) => {}
                Some(_) => return Err(invalid(format!("at /{name}: must be string"))),
            }
        }
        if given.get("name").is_some_and(|name| name == "") {
            return Err(invalid(
                "at /name: must not have fewer than 1 characters".to_owned(),
            ));
        }
        Ok(())
    }

    fn text(&self, name: &str) -> &str {
        self.params[name].as_str().unwrap_or_default()
    }

    /// A text on one line, without what is around it; none if nothing is left.
    fn line(&self, name: &str) -> Option<String> {
        let text = self.text(name).replace(['\n', '\r'], " ");
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

fn list(gateway: &Gateway) -> Value {
    let agents = gateway.roster.agents();
    let listed = agents.iter().map(|(id, entry)| {
        let mut listed = json!({ "id": id, "workspace": entry["workspace"], "workspaceGit": false });
        for name in ["name", "identity"] {
            if !entry[name].is_null() {
                listed[name] = entry[name].clone();
            }
        }
        listed
    });
    let listed: Vec<Value> = listed.collect();
    json!({ "defaultId": "main", "ownership": "explicit", "selectionRequired": false, "agents": listed })
}

fn create(gateway: &Gateway, given: &Params<'_>) -> Result<Value, Refusal> {
    let name = given.text("name");
    let Some(id) = agents::normalised(name) else {
        return Err(Refusal::invalid(format!(
            "Agent name \"{name}\" has no valid id characters. Use at least one letter a-z or digit."
        )));
    };
    let exists = || Refusal::invalid(format!("agent \"{id}\" already exists"));
    let state = &gateway.state;
    if id == "main" || state.read()?["agents"]["entries"].get(&id).is_some() {
        return Err(exists());
    }
    let workspace = match given.line("workspace") {
        Some(path) => std::path::absolute(path)?,
        None => state.dir.join(format!("workspace-{id}")),
    };
    let emoji = given.line("emoji");
    agents::make(state, &id, name, emoji.as_deref(), &workspace)?.ok_or_else(exists)?;
    Ok(json!({ "ok": true, "agentId": id, "name": name, "workspace": workspace }))
}

/// Changes the entry and, other than the command line, IDENTITY.md.
fn update(gateway: &Gateway, given: &Params<'_>) -> Result<Value, Refusal> {
    let asked = given.text("agentId");
    let id = agents::normalised(asked).unwrap_or_default();
    if !gateway.roster.agents().contains_key(&id) {
        return Err(Refusal::no_agent(asked));
    }
    let (name, emoji) = (given.line("name"), given.line("emoji"));
    let workspace = given.line("workspace");
    let entry = gateway.state.change(|entries| {
        let entry = entries.get_mut(&id)?;
        if let Some(name) = &name {
            entry["name"] = name.as_str().into();
            entry["identity"]["name"] = name.as_str().into();
        }
        if let Some(emoji) = &emoji {
            entry["identity"]["emoji"] = emoji.as_str().into();
        }
        if let Some(workspace) = workspace {
            entry["workspace"] = workspace.into();
        }
        Some(entry.clone())
    })?;
    let entry = entry.ok_or_else(|| Refusal::no_agent(asked))?;
    let path = PathBuf::from(entry["workspace"].as_str().unwrap_or_default()).join("IDENTITY.md");
    let mut text =
        std::fs::read_to_string(&path).unwrap_or_else(|_| "# IDENTITY.md - Agent Identity\n\n".to_owned());
    for (label, value) in [("Name", name), ("Emoji", emoji)] {
        if let Some(value) = value {
            text = with_line(&text, label, &value);
        }
    }
    if let Some(workspace) = path.parent() {
        std::fs::create_dir_all(workspace)?;
    }
    std::fs::write(&path, text)?;
    Ok(json!({ "ok": true, "agentId": id }))
}

/// It does what a canary asks for, as a good model would: the words after the last colon, the last one first.
fn begin_turn(gateway: &Gateway, given: &Params<'_>) -> Result<Value, Refusal> {
    let agent = given.text("agentId");
    if !gateway.roster.agents().contains_key(agent) {
        return Err(Refusal::invalid(format!(
            "invalid agent params: unknown agent id \"{agent}\""
        )));
    }
    let message = given.text("message");
    let (_, words) = message.rsplit_once(": ").unwrap_or(("", message));
    let answer: Vec<&str> = words.split_whitespace().rev().collect();
    let run = given.text("idempotencyKey");
    gateway.keep_answer(run, &answer.join(" "));
    Ok(
        json!({ "runId": run, "sessionKey": given.text("sessionKey"), "agentId": agent, "status": "accepted" }),
    )
}

fn delete(gateway: &Gateway, given: &Params<'_>) -> Result<Value, Refusal> {
    let id = given.text("agentId");
    if id == "main" {
        return Err(Refusal::invalid(
            "Agent \"main\" owns the legacy shared auth store and cannot be deleted. Run openclaw doctor --fix \
             to migrate shared auth, then retry.",
        ));
    }
    if !gateway.roster.agents().contains_key(id) {
        return Err(Refusal::no_agent(id));
    }
    if gateway.state.change(|entries| entries.remove(id))?.is_some() {
        gateway.state.bury(id)?;
    }
    Ok(json!({ "ok": true, "agentId": id, "removedBindings": 0, "removed": [], "failed": [] }))
}

/// Replaces `- Name: …` or `- **Name:** …`, or adds it.
fn with_line(text: &str, label: &str, value: &str) -> String {
    let (plain, bold) = (format!("- {label}:"), format!("- **{label}:**"));
    let new = format!("- {label}: {value}");
    let mut found = false;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let is_it = !found && (line.starts_with(&plain) || line.starts_with(&bold));
        found |= is_it;
        lines.push(if is_it { new.clone() } else { line.to_owned() });
    }
    if !found {
        lines.push(new);
    }
    lines.join("\n") + "\n"
}
