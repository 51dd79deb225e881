//! Reads what OpenClaw prints: JSON, with text before it when it has something to say.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value};

use crate::redaction::Redaction;

/// What is shown where secrets could not be taken out.
const UNQUOTED: &str = "(not shown)";

/// What is shown of a text that was not understood, or of an error message.
const SHOWN_MAX_CHARS: usize = 400;

/// The first JSON object or array in a text that begins a line and is a `T`. Lines before it may have
/// braces of their own.
pub(super) fn first_json<T: DeserializeOwned>(text: &str) -> Option<T> {
    let starts = text.match_indices(['{', '[']).map(|(at, _)| at);
    let begins_line = |&at: &usize| {
        text[..at]
            .rsplit('\n')
            .next()
            .is_none_or(|before| before.trim().is_empty())
    };
    starts.filter(begins_line).find_map(|at| {
        let value = Deserializer::from_str(&text[at..])
            .into_iter::<Value>()
            .next()?
            .ok()?;
        serde_json::from_value(value).ok()
    })
}

/// OpenClaw's own words for a failure: of its JSON, or else what it complained about.
pub(super) fn error_message(stdout: &str, stderr: &str) -> String {
    let said = |value: Value| {
        let message = value.get("error")?.get("message")?.as_str()?;
        let issues = value.get("issues").and_then(Value::as_array);
        let issues: Vec<String> = issues.into_iter().flatten().map(issue).collect();
        Some(match issues.is_empty() {
            true => message.to_owned(),
            false => format!("{message}: {}", issues.join("; ")),
        })
    };
    let json = first_json::<Value>(stdout).and_then(said);
    let complaint = if stderr.trim().is_empty() { stdout } else { stderr };
    json.unwrap_or_else(|| complaint.to_owned())
}

/// Where a configuration is wrong, and how.
pub(super) fn issue(issue: &Value) -> String {
    let text = |key: &str| issue.get(key).and_then(Value::as_str).unwrap_or_default();
    format!("{}: {}", text("path"), text("message"))
}

/// What the OpenClaw of this configuration said, without secrets.
pub(super) async fn quoted(config_path: &Path, said: String) -> String {
    let path = config_path.to_owned();
    let quoting = tokio::task::spawn_blocking(move || Redaction::of_openclaw(&path).apply(&said));
    quoting.await.unwrap_or_else(|_| UNQUOTED.to_owned())
}

/// The beginning of a text, without the control characters of a terminal.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut chars = text.trim().chars();
    while let Some(c) = chars.next() {
        match c {
            // Colours and the like: everything to the letter that ends the sequence.
            '\u{1b}' => drop(chars.by_ref().find(char::is_ascii_alphabetic)),
            '\n' | '\t' => shown.push(' '),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    match shown.char_indices().nth(SHOWN_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_found_behind_text_with_braces() {
        let text = "Workspace OK: {not json}\n{ or this\n[state-migrations] warning\n  {\"ok\": true}\n";
        assert_eq!(first_json::<Value>(text), Some(json!({"ok": true})));
        assert_eq!(first_json::<Vec<u8>>("[]\n{}"), Some(vec![]));
        assert_eq!(first_json::<Value>("nothing {here}"), None);
        assert_eq!(first_json::<Value>("{\"cut\": "), None);
    }

    #[test]
    fn the_message_is_taken_from_the_json_or_else_from_the_complaint() {
        let json = r#"{"ok":false,"error":{"type":"cli_error","message":"no"}}"#;
        assert_eq!(error_message(json, "other"), "no");
        assert_eq!(
            shown(&error_message(
                "out",
                "Node 20 is\n\u{1b}[31mtoo old\u{1b}[0m\n\n"
            )),
            "Node 20 is too old"
        );
        assert_eq!(error_message("", ""), "");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shown(&"é".repeat(1_000)).chars().count(), SHOWN_MAX_CHARS + 1);
    }
}
