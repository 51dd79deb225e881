//! `config.get`, `config.patch` and `config.apply`; on the command line `config validate` and `config patch`.

use std::io;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use super::server::Gateway;
use crate::Answer;
use crate::config::State;

/// What a configuration may have. The real one knows more, and refuses the rest, too.
const KEYS: &[&str] = &[
    "agents",
    "auth",
    "bindings",
    "browser",
    "channels",
    "commands",
    "cron",
    "diagnostics",
    "discovery",
    "env",
    "gateway",
    "hooks",
    "logging",
    "media",
    "memory",
    "messages",
    "meta",
    "models",
    "plugins",
    "session",
    "skills",
    "talk",
    "tools",
    "ui",
    "update",
    "wizard",
];

/// The same for `gateway`.
const GATEWAY_KEYS: &[&str] = &[
    "auth",
    "bind",
    "controlUi",
    "customBindHost",
    "http",
    "mode",
    "port",
    "reload",
    "remote",
    "tailscale",
    "tls",
    "tools",
    "trustedProxies",
];

/// How long a restart takes that the gateway itself finds necessary.
const RECOVERY_MS: u64 = 300;

/// What is shown in place of a secret; when it comes back, it stands for what is there.
const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// Answers `config.get`.
pub(super) fn get(gateway: &Gateway) -> Value {
    let path = &gateway.state.config_path;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let hash = hash(&text);
    let mut whole = json!({
        "path": path, "exists": path.exists(), "hash": hash, "configRevisionHash": hash,
        "appliedConfigHash": hash, "legacyIssues": [], "warnings": [],
    });
    let rest = match serde_json::from_str::<Value>(&text) {
        Ok(mut config) => {
            redact(&mut config);
            json!({ "raw": format!("{config:#}\n"), "config": config, "valid": true, "issues": [] })
        }
        Err(error) => {
            let issue = json!({ "path": "", "message": format!("JSON5 parse failed: SyntaxError: {error}") });
            json!({ "raw": null, "config": {}, "valid": false, "issues": [issue] })
        }
    };
    let fields = whole.as_object_mut().expect("it is written as an object above");
    fields.extend(rest.as_object().cloned().unwrap_or_default());
    whole
}

/// Answers `config.patch`.
pub(super) fn patch(gateway: &Gateway, params: &Value) -> Result<Value, Refusal> {
    let raw = params["raw"].as_str().unwrap_or_default();
    let patch: Value =
        json5::from_str(raw).map_err(|error| Refusal::invalid(format!("SyntaxError: JSON5: {error}")))?;
    if !patch.is_object() {
        return Err(Refusal::invalid("config.patch raw must be an object"));
    }
    let path = &gateway.state.config_path;
    let mut risen = false;
    let (changed, config) = gateway.state.change_all(|config| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let new = merged(config, &patch);
        let changed = changed_paths(config, &new);
        if changed.is_empty() {
            return Ok::<_, Refusal>((changed, new));
        }
        match params["baseHash"].as_str() {
            None => {
                return Err(Refusal::invalid(format!(
                    "config base hash required for {}; re-run config.get and retry with baseHash",
                    changed.join(", ")
                )));
            }
            Some(base) if base != hash(&text) => {
                return Err(Refusal::invalid(
                    "config changed since last load; re-run config.get and retry",
                ));
            }
            Some(_) => {}
        }
        let is_kept = |id: &&String| {
            new.pointer("/agents/entries")
                .and_then(|new| new.get(*id))
                .is_none()
        };
        let dropped: Vec<String> = entries(config).keys().filter(is_kept).cloned().collect();
        if !dropped.is_empty() {
            return Err(Refusal::new(
                "UNAVAILABLE",
                format!(
                    "Error: Config write would drop agent roster entries without an explicit deletion: {}.",
                    dropped.join(", ")
                ),
            ));
        }
        if let Some(issue) = invalid(&new) {
            return Err(Refusal::invalid(format!("invalid config: {issue}")));
        }
        let old: Vec<String> = entries(config).keys().cloned().collect();
        risen = entries(&new)
            .keys()
            .any(|id| !old.contains(id) && gateway.state.buried().contains(id));
        *config = new.clone();
        Ok((changed, new))
    })?;
    if risen {
        // It has lost its way: it does not know what it had forgotten on purpose.
        gateway.restart_after_answer(RECOVERY_MS);
        return Err(Refusal::new(
            "UNAVAILABLE",
            "config.patch persisted and updated the active Gateway, but a recovery restart is required; wait \
             for the Gateway to restart, then run config.get to confirm the active revision",
        ));
    }
    gateway.roster.load_once();
    let mut shown = config;
    redact(&mut shown);
    if changed.is_empty() {
        return Ok(json!({ "ok": true, "noop": true, "changedPaths": [], "path": path, "config": shown }));
    }
    let stats = json!({ "mode": "config.patch", "root": path, "requiresRestart": false });
    Ok(json!({
        "ok": true, "path": path, "hash": hash(&std::fs::read_to_string(path)?), "config": shown,
        "changedPaths": changed,
        "sentinel": { "persisted": true, "payload": { "kind": "config-patch", "status": "ok", "stats": stats } },
    }))
}

/// What of a configuration only another start brings about.
fn requires_restart(changed: &[String]) -> bool {
    let is_hot = |path: &String| path.starts_with("gateway.auth.token") || path.starts_with("gateway.http");
    let is_cold = |path: &String| path.starts_with("gateway.") || path.starts_with("plugins.load");
    changed.iter().any(|path| is_cold(path) && !is_hot(path))
}

/// Answers `config.apply`: what is given is the whole configuration.
pub(super) fn apply(gateway: &Gateway, params: &Value) -> Result<Value, Refusal> {
    let raw = params["raw"].as_str().unwrap_or_default();
    let mut new: Value =
        json5::from_str(raw).map_err(|error| Refusal::invalid(format!("SyntaxError: JSON5: {error}")))?;
    if let Some(issue) = invalid(&new) {
        return Err(Refusal::invalid(format!("invalid config: {issue}")));
    }
    let path = &gateway.state.config_path;
    let changed = gateway.state.change_all(|config| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if params["baseHash"] != hash(&text) {
            return Err(Refusal::invalid(
                "config changed since last load; re-run config.get and retry",
            ));
        }
        new["meta"] = json!({ "lastTouchedVersion": "2026.9.6" });
        let changed = changed_paths(config, &new);
        config.clone_from(&new);
        Ok::<_, Refusal>(changed)
    })?;
    gateway.roster.load_once();
    let restarts = requires_restart(&changed);
    if restarts {
        gateway.restart_after_answer(RECOVERY_MS);
    }
    redact(&mut new);
    let stats = json!({ "mode": "config.apply", "root": path, "requiresRestart": restarts });
    Ok(json!({
        "ok": true, "path": path, "hash": hash(&std::fs::read_to_string(path)?), "config": new,
        "changedPaths": changed,
        "sentinel": { "persisted": true, "payload": { "kind": "config-apply", "status": "ok", "stats": stats } },
    }))
}

/// `config validate --json`.
pub(crate) fn validate(state: &State) -> Answer {
    let path = &state.config_path;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let issue = match json5::from_str::<Value>(&text) {
        Ok(config) => invalid(&config),
        Err(error) => Some(format!("<root>: JSON5 parse failed: SyntaxError: {error}")),
    };
    let Some(issue) = issue else {
        return Answer::Json(json!({ "valid": true, "path": path, "warnings": [] }));
    };
    let (at, message) = issue.split_once(": ").unwrap_or(("<root>", &issue));
    let said = format!("OpenClaw config is invalid: {}", path.display());
    Answer::Invalid(json!({
        "ok": false, "error": { "type": "cli_error", "message": said }, "valid": false, "path": path,
        "issues": [{ "path": at, "message": message }],
    }))
}

/// `config patch --file`.
pub(crate) fn patch_file(state: &State, file: &str) -> io::Result<Answer> {
    let patch: Value = json5::from_str(&std::fs::read_to_string(file)?).map_err(io::Error::other)?;
    let refused = state.change_all(|config| {
        let new = merged(config, &patch);
        let refused = invalid(&new).map(|issue| format!("Config validation failed: {issue}"));
        if refused.is_none() {
            *config = new;
        }
        Ok::<_, io::Error>(refused)
    })?;
    let said = "Applied 1 config update(s). Change will apply without restarting the gateway.";
    Ok(refused.map_or_else(|| Answer::Text(said.to_owned()), Answer::Refused))
}

/// How much an agent may think.
const THINKING: &[&str] = &[
    "off", "minimal", "low", "medium", "high", "xhigh", "adaptive", "max", "ultra",
];

/// What the real one would not start with.
pub(super) fn invalid(config: &Value) -> Option<String> {
    let unknown = |object: &Value, known: &[&str]| {
        let names = object.as_object().into_iter().flat_map(Map::keys);
        names
            .into_iter()
            .find(|name| !known.contains(&name.as_str()))
            .cloned()
    };
    if let Some(name) = unknown(config, KEYS) {
        return Some(format!("<root>: Unrecognized key: \"{name}\""));
    }
    if let Some(name) = unknown(&config["gateway"], GATEWAY_KEYS) {
        return Some(format!("gateway: Unrecognized key: \"{name}\""));
    }
    if config["agents"]["ownership"] != "explicit" && entries(config).keys().any(|id| id != "main") {
        return Some(
            "agents.ownership: multi-agent rosters require agents.ownership=\"explicit\" or one legacy \
             default=true marker; add agents.ownership=\"explicit\" or run openclaw doctor"
                .to_owned(),
        );
    }
    entries(config).iter().find_map(|(id, entry)| {
        if crate::agents::normalised(id).as_ref() != Some(id) {
            return Some(format!("agents.entries[\"{id}\"]: Invalid key in record"));
        }
        let thinking = &entry["thinkingDefault"];
        if !thinking.is_null() && !thinking.as_str().is_some_and(|level| THINKING.contains(&level)) {
            let levels = THINKING
                .iter()
                .map(|level| format!("\"{level}\""))
                .collect::<Vec<_>>();
            return Some(format!(
                "agents.entries.{id}.thinkingDefault: Invalid option: expected one of {}",
                levels.join("|")
            ));
        }
        let texts = [("name", &entry["name"]), ("workspace", &entry["workspace"])];
        let wrong = texts
            .into_iter()
            .find(|(_, value)| !value.is_null() && !value.is_string());
        wrong.map(|(name, _)| {
            format!("agents.entries.{id}.{name}: Invalid input: expected string, received another type")
        })
    })
}

fn entries(config: &Value) -> Map<String, Value> {
    let entries = config.pointer("/agents/entries").and_then(Value::as_object);
    entries.cloned().unwrap_or_default()
}

fn hash(text: &str) -> String {
    format!("hmac-sha256:v1:{}", hex::encode(Sha256::digest(text)))
}

fn redact(config: &mut Value) {
    if let Some(token) = config.pointer_mut("/gateway/auth/token") {
        *token = REDACTED.into();
    }
    let providers = config
        .pointer_mut("/models/providers")
        .and_then(Value::as_object_mut);
    for provider in providers.into_iter().flatten() {
        if let Some(key) = provider.1.get_mut("apiKey") {
            *key = REDACTED.into();
        }
    }
}

/// A merge patch (RFC 7396).
fn merged(old: &Value, patch: &Value) -> Value {
    let Some(patch) = patch.as_object() else {
        return if patch == REDACTED {
            old.clone()
        } else {
            patch.clone()
        };
    };
    let mut new = old.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            new.remove(name);
        } else {
            let merged = merged(new.get(name).unwrap_or(&Value::Null), value);
            new.insert(name.clone(), merged);
        }
    }
    Value::Object(new)
}

/// Where two configurations differ.
fn changed_paths(old: &Value, new: &Value) -> Vec<String> {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return if old == new {
            Vec::new()
        } else {
            vec![String::new()]
        };
    };
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut paths = Vec::new();
    for name in names {
        let of = |object: &Map<String, Value>| object.get(name).cloned().unwrap_or_default();
        for path in changed_paths(&of(old), &of(new)) {
            paths.push(if path.is_empty() {
                name.clone()
            } else {
                format!("{name}.{path}")
            });
        }
    }
    paths
}
