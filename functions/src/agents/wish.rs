//! What a caller wishes for, checked as far as that needs no database.

use axum::http::HeaderMap;
use creel_core::id::AgentId;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::failure::Failure;

/// The header of a caller who wants to be able to ask twice.
const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// As long as the column takes.
const IDEMPOTENCY_MAX_BYTES: usize = 200;

/// As long as the columns of names and roles take.
const TEXT_MAX_BYTES: usize = 16_384;

/// As long as the columns of ids and emojis take.
const SHORT_MAX_BYTES: usize = 1_024;

/// The body of `POST /agents/provision`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wish {
    agent_key: Option<String>,
    /// The id in OpenClaw, where it does not follow from the key.
    agent_id_short: Option<String>,
    display_name: Option<String>,
    emoji: Option<String>,
    role_short: Option<String>,
    /// The project, where no header names it.
    pub(super) project_id: Option<String>,
}

impl Wish {
    /// Reads and checks a body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Failure> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|_| Failure::bad_request("the body is no JSON", "send one JSON object, in UTF-8"))?;
        if !value.is_object() {
            return Err(Failure::bad_request(
                "the body is no object",
                "send one JSON object",
            ));
        }
        let wish: Self = serde_json::from_value(value).map_err(|_| {
            Failure::bad_request(
                "a member of the body has the wrong type",
                "agentKey, agentIdShort, displayName, emoji, roleShort and projectId are texts",
            )
        })?;
        wish.check()?;
        Ok(wish)
    }

    fn check(&self) -> Result<(), Failure> {
        let key = self.agent_key.as_deref().unwrap_or_default();
        if key.is_empty() {
            return Err(Failure::bad_request(
                "agentKey is missing",
                "send agentKey, such as agent:scout:main",
            ));
        }
        let given = self.agent_id_short.as_deref().filter(|short| !short.is_empty());
        AgentId::parse(given.unwrap_or_else(|| short_of_key(key))).map_err(|error| {
            Failure::invalid(
                error.to_string(),
                "an agentKey is agent:<id>:main, with an id of a-z, 0-9, _ and -, such as agent:scout:main",
            )
        })?;
        for (name, text, most) in [
            ("agentKey", &self.agent_key, SHORT_MAX_BYTES),
            ("agentIdShort", &self.agent_id_short, SHORT_MAX_BYTES),
            ("displayName", &self.display_name, TEXT_MAX_BYTES),
            ("emoji", &self.emoji, SHORT_MAX_BYTES),
            ("roleShort", &self.role_short, TEXT_MAX_BYTES),
            ("projectId", &self.project_id, SHORT_MAX_BYTES),
        ] {
            let text = text.as_deref().unwrap_or_default();
            if text.len() > most {
                return Err(Failure::invalid(
                    format!("{name} is too long: {} bytes", text.len()),
                    format!("shorten it to {most} bytes at most"),
                ));
            }
            if text.contains('\0') {
                return Err(Failure::invalid(
                    format!("{name} has the character U+0000"),
                    "remove it; no text of the database can hold it",
                ));
            }
        }
        Ok(())
    }

    /// The argument of `request_provision`.
    pub(super) fn argument(&self, project: &str, idempotency_key: &str) -> Value {
        json!({
            "project_id": project,
            "agent_key": self.agent_key,
            "agent_id_short": self.agent_id_short,
            "display_name": self.display_name,
            "emoji": self.emoji,
            "role_short": self.role_short,
            "idempotency_key": idempotency_key,
        })
    }
}

/// The caller's key, or one of our own: with it a call whose answer was lost can be repeated.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<String, Failure> {
    let Some(given) = headers.get(IDEMPOTENCY_HEADER) else {
        return Ok(Uuid::new_v4().to_string());
    };
    let key = given.to_str().ok().map(str::trim);
    let key = key.filter(|key| !key.is_empty() && key.len() <= IDEMPOTENCY_MAX_BYTES);
    key.map(ToOwned::to_owned).ok_or_else(|| {
        Failure::bad_request(
            "the Idempotency-Key is empty, too long or no plain text",
            format!("send up to {IDEMPOTENCY_MAX_BYTES} ASCII characters, such as a UUID"),
        )
    })
}

/// As `creel.short_of_key` does it: `agent:<short>:main`, or the whole key.
fn short_of_key(key: &str) -> &str {
    match key.strip_prefix("agent:") {
        Some(rest) => rest.split(':').next().unwrap_or_default(),
        None => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> u16 {
        let failure = Wish::read(body.as_bytes()).expect_err(body);
        assert!(!failure.hint.is_empty());
        failure.status.as_u16()
    }

    #[test]
    fn what_no_database_is_needed_for_is_refused_before_it() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "1",
            "\"a\"",
            r#"{"agentKey":1}"#,
            "{}",
            r#"{"agentKey":null}"#,
        ] {
            assert_eq!(refused(body), 400, "{body}");
        }
        assert_eq!(
            Wish::read(b"{\"agentKey\":\"\xff\"}")
                .expect_err("no UTF-8")
                .status,
            400
        );
        for body in [
            r#"{"agentKey":"agent:../x:main"}"#,
            r#"{"agentKey":"agent:main:main"}"#,
            r#"{"agentKey":"agent::main"}"#,
            r#"{"agentKey":"agent:Scout:main"}"#,
            r#"{"agentKey":"agent:scout:main","displayName":"a\u0000b"}"#,
            r#"{"agentKey":"agent:scout:main","agentIdShort":"../x"}"#,
        ] {
            assert_eq!(refused(body), 422, "{body}");
        }
        let long = json!({ "agentKey": "agent:scout:main", "roleShort": "x".repeat(TEXT_MAX_BYTES + 1) });
        assert_eq!(refused(&long.to_string()), 422);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(refused(&deep), 400);
    }

    #[test]
    fn members_that_nobody_knows_are_ignored() {
        let wish = Wish::read(br#"{"agentKey":"agent:scout:main","color":"red","emoji":null}"#);
        assert!(wish.is_ok(), "{wish:?}");
    }

    #[test]
    fn a_key_of_any_form_may_come_with_an_id() {
        let wish = Wish::read(br#"{"agentKey":"The Scout","agentIdShort":"scout"}"#);
        assert!(wish.is_ok(), "{wish:?}");
        assert_eq!(refused(r#"{"agentKey":"The Scout"}"#), 422);
    }
}
