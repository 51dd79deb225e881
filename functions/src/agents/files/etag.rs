//! `ETag` of a document: `"<version>-<hash>-<state>"`. The version is what a write is based on; the state is in it because
//! an answer says it.

use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::failure::Failure;

/// So much of the hash tells two texts of one version apart.
const HASH_CHARS: usize = 16;

/// The tag of a document, or of an earlier version of it.
pub(super) fn etag(doc: &Value) -> String {
    let hash: String = doc["sha256"]
        .as_str()
        .unwrap_or_default()
        .chars()
        .take(HASH_CHARS)
        .collect();
    let mut tag = format!("\"{}-{hash}", doc["version"]);
    for name in ["sync_state", "held_version", "conflict_version"] {
        match &doc[name] {
            Value::String(text) => tag.push_str(&format!("-{text}")),
            Value::Number(number) => tag.push_str(&format!("-{}{number}", &name[..1])),
            _ => {}
        }
    }
    tag.push('"');
    tag
}

/// The header with the tag.
pub(super) fn etag_header(doc: &Value) -> [(HeaderName, HeaderValue); 1] {
    let value = HeaderValue::from_str(&etag(doc)).expect("a tag has letters and digits");
    [(ETAG, value)]
}

/// Whether the caller has this one already.
pub(super) fn is_known(headers: &HeaderMap, doc: &Value) -> bool {
    let tag = etag(doc);
    let known = headers.get_all(IF_NONE_MATCH).iter();
    known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|given| given.trim())
        .any(|given| given == "*" || strong(given) == tag)
}

/// The version of `If-Match`; none where there is no such header.
pub(super) fn base_version(headers: &HeaderMap) -> Result<Option<i32>, Failure> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let version = value.to_str().ok().and_then(|text| {
        let tag = strong(text.trim()).strip_prefix('"')?.strip_suffix('"')?;
        let (version, rest) = tag.split_once('-')?;
        if rest.contains('"') {
            return None;
        }
        version.parse::<i32>().ok()
    });
    match (version, values.next()) {
        (Some(version @ 0..), None) => Ok(Some(version)),
        _ => Err(Failure::bad_request(
            "If-Match is no ETag of a document",
            "send the ETag of the last GET, or leave it away",
        )),
    }
}

/// Gateways that compress an answer weaken its tag.
fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("a value"))])
    }

    #[test]
    fn a_tag_is_another_one_when_the_answer_is() {
        let doc = json!({ "version": 3, "sha256": "0123456789abcdef0123", "sync_state": "waiting" });
        assert_eq!(etag(&doc), "\"3-0123456789abcdef-waiting\"");
        let mut others = vec![doc.clone(); 4];
        others[0]["version"] = json!(4);
        others[1]["sync_state"] = json!("synced");
        others[2]["held_version"] = json!(2);
        others[3]["conflict_version"] = json!(2);
        let mut tags: Vec<_> = others.iter().map(etag).collect();
        tags.push(etag(&doc));
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 5);
        for known in [
            etag(&doc),
            format!("W/{}", etag(&doc)),
            format!("\"x\", {}", etag(&doc)),
            "*".to_owned(),
        ] {
            assert!(is_known(&with(IF_NONE_MATCH, &known), &doc), "{known}");
        }
        assert!(!is_known(&with(IF_NONE_MATCH, "\"3\""), &doc));
    }

    #[test]
    fn the_base_is_the_version_of_the_tag() {
        assert_eq!(base_version(&HeaderMap::new()), Ok(None));
        for (tag, version) in [
            ("\"3-abc-waiting\"", 3),
            ("W/\"0-e3b0-synced\"", 0),
            ("\"70000-a\"", 70_000),
        ] {
            assert_eq!(base_version(&with(IF_MATCH, tag)), Ok(Some(version)), "{tag}");
        }
        for odd in [
            "*",
            "3",
            "\"3\"",
            "\"-1-a\"",
            "\"x-a\"",
            "\"3-a\", \"4-b\"",
            "\"99999999999-a\"",
        ] {
            assert!(base_version(&with(IF_MATCH, odd)).is_err(), "{odd}");
        }
    }
}
