//! Which names may become a folder and an OpenClaw agent.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The longest id: one less than what OpenClaw cuts ids to, so that nothing is ever cut.
const MAX_LEN: usize = 63;

/// OpenClaw's own agent; it is never created, changed or removed by Creel.
pub const RESERVED: &str = "main";

/// An OpenClaw agent id: `^[a-z0-9][a-z0-9_-]{0,62}$`, and not `main`.
///
/// OpenClaw normalises other names silently (`../x` becomes `x`), so that two rows could end as one
/// agent; Creel refuses them instead. `creel.is_agent_id` is the same rule in SQL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct AgentId(String);

/// Why a text is no agent id, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentIdError {
    /// There is no text at all.
    #[error("the agent id is empty; give agent_id_short, or an agent_key of the form agent:<id>:main")]
    Empty,
    /// It is OpenClaw's own name.
    #[error("the agent id \"main\" is OpenClaw's own agent; choose another id")]
    Reserved,
    /// It is longer than 63 characters.
    #[error("the agent id is {0} characters long; at most 63 are possible")]
    TooLong(usize),
    /// It begins with something other than a letter or digit.
    #[error("the agent id {0:?} begins with {1:?}; it must begin with a-z or 0-9")]
    Start(String, char),
    /// It has a character that is not allowed.
    #[error("the agent id {0:?} has the character {1:?}; only a-z, 0-9, _ and - are possible")]
    Character(String, char),
}

impl AgentId {
    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, AgentIdError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let shown = || text.chars().take(MAX_LEN).collect::<String>();
        let first = text.chars().next().ok_or(AgentIdError::Empty)?;
        if text == RESERVED {
            return Err(AgentIdError::Reserved);
        }
        if let Some(c) = text.chars().find(|&c| !allowed(c) && c != '_' && c != '-') {
            return Err(AgentIdError::Character(shown(), c));
        }
        if !allowed(first) {
            return Err(AgentIdError::Start(shown(), first));
        }
        match text.chars().count() {
            n if n > MAX_LEN => Err(AgentIdError::TooLong(n)),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for AgentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Texts that are an agent id and texts that are none: the same table is tried in Rust and in SQL.
pub const EXAMPLES: &[(&str, bool)] = &[
    ("scout", true),
    ("a", true),
    ("7", true),
    ("deep-sea_2", true),
    (
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        true,
    ),
    (
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        false,
    ),
    ("", false),
    ("main", false),
    ("Main", false),
    ("..", false),
    ("../x", false),
    ("a/b", false),
    ("a b", false),
    ("a\n", false),
    ("-dash", false),
    ("_under", false),
    ("агент", false),
    ("a\u{202e}b", false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_allowed_names_are_agent_ids() {
        for (text, good) in EXAMPLES {
            assert_eq!(AgentId::parse(text).is_ok(), *good, "{text:?}");
        }
    }

    #[test]
    fn each_refusal_names_what_is_wrong() {
        let said = |text: &str| AgentId::parse(text).expect_err("refused").to_string();
        assert!(said("My Agent").contains("'M'"), "{}", said("My Agent"));
        assert!(said("-x").contains("must begin"), "{}", said("-x"));
        assert!(said("main").contains("choose another"), "{}", said("main"));
    }
}
