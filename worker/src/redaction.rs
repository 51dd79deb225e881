//! Takes secrets out of what an agent prints, before it leaves the host.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::openclaw::parse_config;
use crate::plain_file;

/// What stands in the place of a secret.
const REMOVED: &str = "[removed]";

/// What stands at the end of a text that was cut.
const CUT: char = '…';

/// Less of a secret than this says nothing of it.
const BEGINNING_MIN_CHARS: usize = 4;

/// Shorter values are words that stand in a log for other reasons.
const SECRET_MIN_CHARS: usize = 8;

/// What an agent's files hold that name its secrets; what is larger is none of them.
const SOURCE_MAX_BYTES: u64 = 1 << 20;

/// Names under which a configuration keeps secrets, in lower case and without `_` and `-`.
const SECRET_NAMES: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "credential",
    "privatekey",
];

/// What is a secret by its form: keys of model providers and of others, tokens, passwords in addresses, and what is
/// called so.
static FORMS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|\z)", REMOVED),
        (r"\b(sk|pk|rk|whsec|sb_secret|sbp)[-_][A-Za-z0-9_-]{12,}", REMOVED),
        (r"\b(ghp|gho|ghu|ghs|ghr|github_pat|glpat|xox[abeprs]|AIza|ya29)[-_.]?[A-Za-z0-9_-]{16,}", REMOVED),
        (r"\b(AKIA|ASIA)[A-Z0-9]{16}\b", REMOVED),
        // Of bots of Telegram, and of Discord.
        (r"\b[0-9]{8,10}:[A-Za-z0-9_-]{30,}", REMOVED),
        (r"\b[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}", REMOVED),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)?", REMOVED),
        (r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", "$1 [removed]"),
        (r"([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/@]+@", "$1:[removed]@"),
        (
            r#"(?i)\b([a-z0-9_-]*(?:token|secret|passw(?:or)?d|api[_-]?key|credential|authorization|cookie)[a-z0-9_-]*["']?\s*[:=]\s*)("[^"]{4,}"|'[^']{4,}'|[^\s"',;}\]]{6,})"#,
            "$1[removed]",
        ),
    ]
    .into_iter()
    .map(|(form, by)| (Regex::new(form).expect("the form is a constant"), by))
    .collect()
});

/// What is taken out.
#[derive(Default)]
pub(crate) struct Redaction {
    values: BTreeSet<String>,
}

impl Redaction {
    /// What of the agent in this folder is secret, beside what looks like it anywhere.
    pub(crate) fn of_agent(folder: &Path) -> Self {
        let mut redaction = Self::of_openclaw(&folder.join("state/openclaw.json"));
        if let Some(token) = plain_file::read_text(&folder.join("token"), SOURCE_MAX_BYTES) {
            redaction.add(token.trim());
        }
        redaction
    }

    /// What the OpenClaw of this configuration knows that is secret, beside what looks like it anywhere.
    pub(crate) fn of_openclaw(config_path: &Path) -> Self {
        let read = |path: &Path| plain_file::read_text(path, SOURCE_MAX_BYTES);
        let mut redaction = Self::default();
        if let Some(config) = read(config_path).and_then(|text| parse_config(&text)) {
            redaction.add_config(&config);
        }
        for line in read(&config_path.with_file_name(".env"))
            .unwrap_or_default()
            .lines()
        {
            if let Some((_, value)) = line.split_once('=') {
                redaction.add(value.trim().trim_matches(['"', '\'']));
            }
        }
        redaction
    }

    /// Takes this text out wherever it stands.
    fn add(&mut self, secret: &str) {
        if secret.chars().count() >= SECRET_MIN_CHARS {
            self.values.insert(secret.to_owned());
        }
    }

    /// Takes out what a configuration keeps under the name of a secret.
    pub(crate) fn add_config(&mut self, config: &Value) {
        match config {
            Value::Object(parts) => {
                for (name, part) in parts {
                    match part {
                        Value::String(text) if is_secret_name(name) => self.add(text),
                        _ => self.add_config(part),
                    }
                }
            }
            Value::Array(parts) => parts.iter().for_each(|part| self.add_config(part)),
            _ => {}
        }
    }

    /// The text without secrets.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // The longest first: one may be the beginning of another.
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in values {
            text = text.replace(value.as_str(), REMOVED);
        }
        if let Some(kept) = text.strip_suffix(CUT) {
            let kept = self.without_beginning_at_end(kept);
            text = format!("{kept}{CUT}");
        }
        for (form, by) in FORMS.iter() {
            text = form.replace_all(&text, *by).into_owned();
        }
        text
    }
}

impl Redaction {
    /// A text that was cut may end in the middle of a secret.
    fn without_beginning_at_end(&self, text: &str) -> String {
        let beginnings = self.values.iter().flat_map(|value| {
            let ends = value.char_indices().map(|(end, _)| end);
            ends.skip(BEGINNING_MIN_CHARS).map(move |end| &value[..end])
        });
        let at_end = beginnings.filter_map(|beginning| text.strip_suffix(beginning));
        match at_end.min_by_key(|before| before.len()) {
            Some(before) => format!("{before}{REMOVED}"),
            None => text.to_owned(),
        }
    }
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redaction({} values)", self.values.len())
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase().replace(['_', '-'], "");
    name == "key" || SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_the_form_of_a_secret_is_taken_out() {
        let none = Redaction::default();
        for (line, expected) in [
            ("using sk-proj-abcdefghijklmnop1234 now", "using [removed] now"),
            (
                "Authorization: Bearer abc.def-123456",
                "Authorization: [removed] [removed]",
            ),
            ("GET /x?apiKey=abcdef123456&y=1", "GET /x?apiKey=[removed]"),
            (r#"{"password":"hunter2!"}"#, r#"{"password":[removed]}"#),
            ("postgresql://u:pw@h/db", "postgresql://u:[removed]@h/db"),
            (
                "eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln in a line",
                "[removed] in a line",
            ),
            (
                "bot 123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
                "bot [removed]",
            ),
            ("AWS AKIAIOSFODNN7EXAMPLE", "AWS [removed]"),
        ] {
            assert_eq!(none.apply(line), expected);
        }
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter\n";
        assert_eq!(none.apply(key), "[removed]\nafter\n");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for line in [
            "2026-11-21T08:00:00Z gateway ready on 127.0.0.1:19001 pid 4711",
            "agent scout answered in 812 ms (tokens: 1200 in, 80 out)",
            "https://example.com/docs?page=2",
            "3f0c9d1e-8f0a-4b0e-9a54-0d9b9d1c2a11 done",
        ] {
            assert_eq!(Redaction::default().apply(line), line);
        }
    }

    #[test]
    fn what_the_configuration_calls_secret_is_taken_out_wherever_it_stands() {
        let mut redaction = Redaction::default();
        redaction.add_config(&json!({
            "gateway": { "auth": { "token": "abcdefgh-1" }, "port": 19_001 },
            "channels": [{ "botToken": "abcdefgh-12", "name": "general-chat" }],
            "short": { "password": "x" },
        }));
        let said = redaction.apply("x abcdefgh-12 abcdefgh-1 general-chat");
        assert_eq!(said, "x [removed] [removed] general-chat");
        assert_eq!(redaction.apply("it is abcdefgh…"), "it is [removed]…");
        assert_eq!(redaction.apply("an abc…"), "an abc…");
        assert_eq!(format!("{redaction:?}"), "Redaction(2 values)");
    }
}
