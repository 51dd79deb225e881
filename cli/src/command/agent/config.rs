//! `creel agent config`.

use std::path::PathBuf;

use creel_core::status::{CommandType, DocType};
use serde_json::{Map, Value, json};

use super::command::{self, CommandArgs};
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// What `creel agent config` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    command: CommandArgs,
    /// What people call it.
    #[arg(long)]
    name: Option<String>,
    /// One emoji.
    #[arg(long)]
    emoji: Option<String>,
    /// What it does, in a few words.
    #[arg(long)]
    role: Option<String>,
    /// Model that it thinks with, for example anthropic/claude-opus-4-7.
    #[arg(long)]
    model: Option<String>,
    /// How much it thinks.
    #[arg(long)]
    thinking: Option<String>,
    /// Skill that it has; may be given more than once, and replaces those before.
    #[arg(long = "skill", value_name = "SKILL")]
    skills: Vec<String>,
    /// Tag that its host must have; may be given more than once, and replaces those before.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Any other part of its configuration, as JSON or a text; `none` takes it away.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    parts: Vec<String>,
    /// What it may use: cpu_percent, ram_mb or disk_mb; `none` takes the limit away.
    #[arg(long = "limit", value_name = "KEY=NUMBER")]
    limits: Vec<String>,
    /// Text of its SOUL.md: who it is.
    #[arg(long, value_name = "FILE")]
    soul: Option<PathBuf>,
    /// Text of another document: agents, user, identity or memory_long.
    #[arg(long = "doc", value_name = "TYPE=FILE")]
    docs: Vec<String>,
}

/// Tells the agent's host what is different from now on.
pub(super) async fn run(args: ConfigArgs, out: Output) -> anyhow::Result<()> {
    let payload = plan_payload(&args)?;
    command::send(args.command, CommandType::UpdateConfig, payload, out).await
}

fn plan_payload(args: &ConfigArgs) -> Result<Value, CliError> {
    let mut payload = Map::new();
    for (name, value) in [("name", &args.name), ("emoji", &args.emoji), ("role", &args.role)] {
        payload.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    let mut config = Map::new();
    for (name, value) in [("model", &args.model), ("thinking", &args.thinking)] {
        config.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    for (name, values) in [("skills", &args.skills), ("tags", &args.tags)] {
        if !values.is_empty() {
            config.insert(name.to_owned(), json!(values));
        }
    }
    for part in &args.parts {
        let (key, value) = pair("--set", part)?;
        config.insert(key.to_owned(), value_of(value));
    }
    let mut limits = Map::new();
    for limit in &args.limits {
        let (key, value) = pair("--limit", limit)?;
        let value = value_of(value);
        if !value.is_number() && !value.is_null() {
            return Err(usage(
                format!("--limit {limit}: that is no number"),
                "for example --limit ram_mb=2048",
            ));
        }
        limits.insert(key.to_owned(), value);
    }
    let mut docs = Map::new();
    if let Some(soul) = &args.soul {
        docs.insert(DocType::Soul.as_str().to_owned(), read("--soul", soul)?);
    }
    for doc in &args.docs {
        let (kind, file) = pair("--doc", doc)?;
        docs.insert(kind.to_owned(), read("--doc", &PathBuf::from(file))?);
    }
    for (name, part) in [("config", config), ("limits", limits), ("docs", docs)] {
        if !part.is_empty() {
            payload.insert(name.to_owned(), Value::Object(part));
        }
    }
    if payload.is_empty() {
        return Err(usage(
            "nothing is to be changed".to_owned(),
            "see creel agent config --help for what can be",
        ));
    }
    Ok(Value::Object(payload))
}

fn pair<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), CliError> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| usage(format!("{option} {text}: it has no ="), "write it as KEY=VALUE"))
}

/// JSON where it is some, else a text.
fn value_of(text: &str) -> Value {
    if text == "none" {
        return Value::Null;
    }
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

fn read(option: &str, file: &std::path::Path) -> Result<Value, CliError> {
    std::fs::read_to_string(file).map(Value::String).map_err(|error| {
        let file = file.display();
        usage(
            format!("{option}: {file} cannot be read: {error}"),
            "give a file of UTF-8 text",
        )
    })
}

fn usage(message: String, hint: &str) -> CliError {
    CliError::new(ErrorKind::Usage, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ConfigArgs,
    }

    fn payload(words: &[&str]) -> Result<Value, CliError> {
        let line = ["creel", "scout"].iter().chain(words);
        plan_payload(&Line::try_parse_from(line).expect("a command line").args)
    }

    #[test]
    fn only_what_is_given_is_changed() {
        assert_eq!(
            payload(&["--name", "Ada", "--model", "x/y", "--skill", "a", "--skill", "b"]).expect("a payload"),
            json!({ "name": "Ada", "config": { "model": "x/y", "skills": ["a", "b"] } })
        );
        assert_eq!(
            payload(&[
                "--limit",
                "ram_mb=2048",
                "--limit",
                "cpu_percent=none",
                "--set",
                "x={\"y\":1}"
            ])
            .expect("a payload"),
            json!({ "limits": { "ram_mb": 2048, "cpu_percent": null }, "config": { "x": { "y": 1 } } })
        );
        let folder = tempfile::tempdir().expect("a folder");
        let soul = folder.path().join("SOUL.md");
        std::fs::write(&soul, "I am.\n").expect("write");
        let soul = soul.to_str().expect("text");
        assert_eq!(
            payload(&["--soul", soul, "--doc", &format!("user={soul}")]).expect("a payload"),
            json!({ "docs": { "soul": "I am.\n", "user": "I am.\n" } })
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_before_anything_is_written() {
        for words in [
            vec![],
            vec!["--limit", "ram_mb=much"],
            vec!["--limit", "ram_mb"],
            vec!["--set", "=1"],
            vec!["--soul", "/no/such/file"],
        ] {
            let refusal = payload(&words).expect_err("it is refused");
            assert_eq!(refusal.kind, ErrorKind::Usage, "{words:?}");
        }
    }
}
