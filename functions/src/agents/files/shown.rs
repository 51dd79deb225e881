//! What the Data API says of a document, in the words of this API.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use creel_core::status::DocSyncState;
use serde_json::{Map, Value, json};

use super::address::Address;
use super::etag::etag_header;

/// Members in camelCase, at any depth; `doc_type` is `type`, as in the path. Texts stay what they are.
pub(super) fn shown(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (camel(&name), shown(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.into_iter().map(shown).collect(),
        other => other,
    }
}

fn camel(name: &str) -> String {
    if name == "doc_type" {
        return "type".to_owned();
    }
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.extend(letters);
    }
    camel
}

/// A document that was written: 200 when the disk has it, 202 while it has not.
pub(super) fn written(address: &Address, mut doc: Value) -> Response {
    let is_synced = doc["sync_state"] == json!(DocSyncState::Synced);
    let status = if is_synced {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let tag = etag_header(&doc);
    doc["agent_key"] = json!(address.agent_key);
    doc["doc_type"] = json!(address.doc_type);
    (status, tag, Json(shown(doc))).into_response()
}

/// The document is another one by now: the caller gets both texts, to put them together.
pub(super) fn conflict(refused: Value) -> Response {
    let tag = etag_header(&refused["current"]);
    let body = json!({
        "ok": false,
        "error": {
            "code": "conflict",
            "message": "somebody else has changed the document since the version that yours is based on",
            "hint": "put your change into the current text, and send that with the current version",
        },
        "current": refused["current"],
        "base": refused["base"],
    });
    (StatusCode::CONFLICT, tag, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_camel_case_and_texts_are_left_alone() {
        let given = json!({ "doc_type": "memory_long", "sync_state": "waiting", "versions": [{ "base_version": 1 }], "ok": true });
        let expected = json!({ "type": "memory_long", "syncState": "waiting", "versions": [{ "baseVersion": 1 }], "ok": true });
        assert_eq!(shown(given), expected);
    }
}
