//! What a deployer may say of the ways in which people reach an agent: who may, and how much, and nothing that the host
//! would fill in, run or open. The logins are in the host owner's own file.

use serde_json::{Map, Value};

/// Settings of a channel, as OpenClaw calls them, that are neither a secret nor a place on the host.
const SETTINGS: &[&str] = &[
    "enabled",
    "name",
    "dmPolicy",
    "allowFrom",
    "groupPolicy",
    "groupAllowFrom",
    "requireMention",
    "users",
    "historyLimit",
    "dmHistoryLimit",
    "textChunkLimit",
    "mediaMaxMb",
    "replyToMode",
    "defaultAccount",
];

/// Settings that hold settings by the names of accounts, groups and the like.
const BY_NAME: &[&str] = &["accounts", "groups", "guilds", "channels"];

/// Accounts hold groups, these topics: nothing lies deeper.
const DEPTH_MAX: usize = 8;

/// Longer than any name, number or address of a person.
const TEXT_MAX_BYTES: usize = 200;

/// What is wrong with `agents.config.channels`, if anything is.
pub(super) fn problem(channels: &Map<String, Value>) -> Option<String> {
    channels.iter().find_map(|(channel, settings)| {
        let at = format!("channels.{channel}");
        text_problem(&at, channel).or_else(|| settings_problem(&at, settings, DEPTH_MAX))
    })
}

fn settings_problem(at: &str, settings: &Value, depth: usize) -> Option<String> {
    let Some(settings) = settings.as_object().filter(|_| depth > 0) else {
        return Some(format!("{at} is no object of settings"));
    };
    settings.iter().find_map(|(name, value)| {
        let at = format!("{at}.{name}");
        if BY_NAME.contains(&name.as_str()) {
            let Some(named) = value.as_object() else {
                return Some(format!("{at} is no object"));
            };
            return named.iter().find_map(|(name, value)| {
                let at = format!("{at}.{name}");
                text_problem(&at, name).or_else(|| settings_problem(&at, value, depth - 1))
            });
        }
        if !SETTINGS.contains(&name.as_str()) {
            return Some(format!("{at} is nothing that a deployer may set"));
        }
        match value {
            Value::Array(values) => values.iter().find_map(|value| value_problem(&at, value)),
            value => value_problem(&at, value),
        }
    })
}

fn value_problem(at: &str, value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) => text_problem(at, text),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Some(format!("{at} is no text, number or yes or no"))
        }
    }
}

/// OpenClaw would fill in a variable of the host's.
fn text_problem(at: &str, text: &str) -> Option<String> {
    let is_plain = !text.contains("${") && !text.chars().any(char::is_control);
    (!is_plain || text.len() > TEXT_MAX_BYTES)
        .then(|| format!("{at} has a text with ${{…}} or control characters, or one that is too long"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(channels: Value) -> Option<String> {
        problem(channels.as_object().expect("an object"))
    }

    #[test]
    fn who_may_reach_an_agent_is_the_deployers_to_say() {
        assert_eq!(
            told(json!({
                "telegram": {
                    "enabled": true, "dmPolicy": "allowlist", "allowFrom": ["1", 2],
                    "groups": { "-100": { "requireMention": true } },
                    "accounts": { "ops": { "groups": { "*": { "enabled": false } } } },
                },
                "discord": { "guilds": { "1": { "channels": { "2": { "users": ["3"] } } } } },
                "defaults": { "groupPolicy": "disabled" },
            })),
            None
        );
    }

    #[test]
    fn what_the_host_would_fill_in_run_or_open_is_refused_by_its_name() {
        for (channels, named) in [
            (
                json!({ "telegram": { "name": "${HOME}" } }),
                "channels.telegram.name",
            ),
            (
                json!({ "telegram": { "allowFrom": ["1", "a${X}"] } }),
                "allowFrom",
            ),
            (json!({ "telegram": { "groups": { "${X}": {} } } }), "groups.${X}"),
            (json!({ "${X}": {} }), "channels.${X}"),
            (json!({ "telegram": { "botToken": "123" } }), "botToken"),
            (json!({ "telegram": { "tokenFile": "/etc/passwd" } }), "tokenFile"),
            (json!({ "signal": { "cliPath": "/bin/sh" } }), "cliPath"),
            (
                json!({ "slack": { "accounts": { "a": { "appToken": "x" } } } }),
                "accounts.a.appToken",
            ),
            (json!({ "telegram": { "name": { "source": "env" } } }), "name"),
            (json!({ "telegram": true }), "channels.telegram"),
            (json!({ "telegram": { "groups": [] } }), "groups"),
        ] {
            let told = told(channels.clone()).unwrap_or_else(|| panic!("{channels} is refused"));
            assert!(told.contains(named), "{told}");
        }
    }
}
