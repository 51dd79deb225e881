//! Which document is meant: the path, and the project.

use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::http::StatusCode;
use creel_core::host_api::DOC_MAX_BYTES;
use creel_core::status::DocType;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::failure::Failure;

/// The parts of the path, as they come.
pub(super) type DocPath = Result<Path<(String, String)>, PathRejection>;

/// A document of an agent of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) project: String,
    pub(super) agent_key: String,
    pub(super) doc_type: DocType,
}

impl Address {
    /// The document that the path names.
    pub(super) fn of(project: String, path: DocPath) -> Result<Self, Failure> {
        let Ok(Path((agent_key, doc_type))) = path else {
            return Err(no_text());
        };
        Ok(Self {
            project,
            agent_key: checked_key(agent_key)?,
            doc_type: doc_type.parse().map_err(|_| unknown_type(&doc_type))?,
        })
    }

    /// The argument of a function of the Data API, with more members.
    pub(super) fn argument(&self, more: Value) -> Value {
        let mut argument = json!({
            "project_id": self.project, "agent_key": self.agent_key, "doc_type": self.doc_type,
        });
        if let (Value::Object(argument), Value::Object(more)) = (&mut argument, more) {
            argument.extend(more);
        }
        argument
    }
}

/// The key of an agent, if a database can have one like it.
pub(super) fn checked_key(agent_key: String) -> Result<String, Failure> {
    if agent_key.contains('\0') {
        return Err(Failure::invalid(
            "the agent key has the character U+0000",
            "send the key of an agent of the project",
        ));
    }
    Ok(agent_key)
}

pub(super) fn no_text() -> Failure {
    Failure::bad_request(
        "the path is no text",
        "send the agent key percent-encoded, in UTF-8",
    )
}

fn unknown_type(given: &str) -> Failure {
    let types: Vec<_> = DocType::ALL.iter().map(|kind| kind.as_str()).collect();
    Failure::new(
        StatusCode::NOT_FOUND,
        "unknown_type",
        format!(
            "an agent has no file {}",
            given.chars().take(100).collect::<String>()
        ),
        format!("the types are {}", types.join(", ")),
    )
}

/// A body of JSON. One that is left away is an empty object.
pub(super) fn read_body<T: DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
    members: &'static str,
) -> Result<T, Failure> {
    let body = body.map_err(|error| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            too_large()
        } else {
            Failure::bad_request("the body could not be read", "send the whole of it")
        }
    })?;
    let value: Value = match body.as_ref() {
        [] => json!({}),
        bytes => serde_json::from_slice(bytes)
            .map_err(|_| Failure::bad_request("the body is no JSON", "send one JSON object, in UTF-8"))?,
    };
    if !value.is_object() {
        return Err(Failure::bad_request(
            "the body is no object",
            "send one JSON object",
        ));
    }
    serde_json::from_value(value)
        .map_err(|_| Failure::bad_request("a member of the body is missing, or has the wrong type", members))
}

pub(super) fn too_large() -> Failure {
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        "the text is too large",
        format!(
            "a document has {DOC_MAX_BYTES} bytes at most; OpenClaw reads some thousand characters of it"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(agent_key: &str, doc_type: &str) -> Result<Address, Failure> {
        Address::of(
            "p".to_owned(),
            Ok(Path((agent_key.to_owned(), doc_type.to_owned()))),
        )
    }

    #[test]
    fn every_type_has_an_address_and_nothing_else_has() {
        for kind in DocType::ALL {
            let address = at("agent:a:main", kind.as_str()).expect("an address");
            assert_eq!(address.doc_type, *kind);
            assert_eq!(address.argument(json!({ "version": 1 }))["version"], json!(1));
        }
        for odd in ["", "Soul", "SOUL.md", "../soul", "memory", "soul "] {
            let refused = at("agent:a:main", odd).expect_err(odd);
            assert_eq!(
                (refused.status.as_u16(), refused.code.as_ref()),
                (404, "unknown_type")
            );
            assert!(refused.hint.contains("memory_today"));
        }
        assert_eq!(at("a\0b", "soul").expect_err("NUL").status.as_u16(), 422);
    }
}
