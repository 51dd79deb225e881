//! A delivery that Stripe signed, as far as it is read here: what it means is the database's to say.

use axum::http::StatusCode;
use serde_json::Value;

use super::signature::{self, SigningSecrets};
use crate::failure::Failure;

/// Longer than any id or type of Stripe's.
const NAME_MAX_BYTES: usize = 255;

/// An event, whole and as Stripe sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event(Value);

impl Event {
    /// The event of a delivery, if its bytes are signed with one of the secrets. `headers` are all values of
    /// `stripe-signature`. Nothing of the body is looked at before.
    pub fn verified<'a>(
        headers: impl IntoIterator<Item = &'a [u8]>,
        body: &[u8],
        secrets: &SigningSecrets,
        now_secs: u64,
    ) -> Result<Self, Failure> {
        signature::verify(headers, body, secrets, now_secs).map_err(|error| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                "bad_signature",
                error.to_string(),
                "compare the function's signing secret with that of this endpoint at Stripe, and the clocks",
            )
        })?;
        Self::read(body)
    }

    fn read(body: &[u8]) -> Result<Self, Failure> {
        let mut event: Value =
            serde_json::from_slice(body).map_err(|_| no_event("the body is signed, but no JSON"))?;
        if is_thin(&event) {
            return Err(Failure::new(
                StatusCode::BAD_REQUEST,
                "thin_event",
                "this is a thin event, which has no object in it",
                "let the endpoint at Stripe send snapshot events (payload style: snapshot)",
            ));
        }
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let is_name = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
            !text.is_empty() && text.len() <= NAME_MAX_BYTES && text.bytes().all(plain)
        };
        let is_event = text("object") == "event"
            && text("id").starts_with("evt_")
            && is_name(text("id"))
            && is_name(text("type"))
            && event["created"].is_i64()
            && event["data"]["object"].is_object();
        if !is_event {
            return Err(no_event("the body is signed, but no event of Stripe's"));
        }
        without_nul(&mut event);
        Ok(Self(event))
    }

    /// The id.
    pub fn id(&self) -> &str {
        self.0["id"].as_str().unwrap_or_default()
    }

    /// What happened.
    pub fn kind(&self) -> &str {
        self.0["type"].as_str().unwrap_or_default()
    }

    /// The version of the API that its object is of.
    pub fn version(&self) -> Option<&str> {
        self.0["api_version"].as_str()
    }

    /// Whether it is of real money.
    pub fn is_live(&self) -> bool {
        self.0["livemode"] == true
    }

    /// All of it.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// What Stripe answered to a request of ours, told as an event: so it comes in by the same door.
    pub fn answer(kind: &str, object: Value, at_secs: i64) -> Self {
        let id = object["id"].as_str().unwrap_or_default();
        let created = object["created"].as_i64().unwrap_or(at_secs);
        let mut event = serde_json::json!({
            "id": format!("answer_{id}"),
            "object": "event",
            "type": kind,
            "created": created,
            "livemode": object["livemode"],
            "data": { "object": object },
        });
        without_nul(&mut event);
        Self(event)
    }
}

/// Thin events are objects of the second API, or carry types of both under a prefix.
fn is_thin(event: &Value) -> bool {
    let starts = |name: &str, with: &str| event[name].as_str().is_some_and(|text| text.starts_with(with));
    starts("object", "v2.") || starts("type", "v1.") || starts("type", "v2.")
}

fn no_event(message: &'static str) -> Failure {
    Failure::bad_request(message, "let Stripe send its events here, and nothing else")
}

/// Postgres knows no such character, and an event must not be lost for a customer's odd name.
pub(super) fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(members) => {
            if members.keys().any(|name| name.contains('\0')) {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(name, value)| (name.replace('\0', "\u{fffd}"), value))
                    .collect();
            }
            members.values_mut().for_each(without_nul);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(value: &Value) -> String {
        let read = Event::read(value.to_string().as_bytes());
        read.map_or_else(|failure| failure.code.into_owned(), |_| "good".to_owned())
    }

    #[test]
    fn an_event_is_what_stripe_calls_so() {
        let good = json!({
            "id": "evt_1A", "object": "event", "type": "invoice.paid", "created": 1, "data": { "object": {} },
        });
        assert_eq!(code(&good), "good");
        let with = |name: &str, value: Value| {
            let mut event = good.clone();
            event[name] = value;
            code(&event)
        };
        assert_eq!(with("type", json!("of.a_kind.nobody_knows")), "good");
        for (name, value) in [
            ("id", json!("answer_1")),
            ("id", json!("evt_1\u{0}")),
            ("id", json!(format!("evt_{}", "x".repeat(300)))),
            ("id", json!(1)),
            ("object", json!("charge")),
            ("type", json!("")),
            ("type", json!("a b")),
            ("created", json!("1")),
            ("created", json!(1.5)),
            ("data", json!([])),
            ("data", json!({ "object": 1 })),
        ] {
            assert_eq!(with(name, value.clone()), "bad_request", "{name} {value}");
        }
        for no_event in [json!(null), json!([]), json!({}), json!("evt_1")] {
            assert_eq!(code(&no_event), "bad_request");
        }
    }

    #[test]
    fn a_thin_event_is_named_as_one() {
        let thin = json!({
            "id": "evt_1", "object": "v2.core.event", "type": "v1.invoice.paid", "created": "2026-11-21T00:00:00Z",
            "related_object": { "id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1" },
        });
        assert_eq!(code(&thin), "thin_event");
    }

    #[test]
    fn no_character_keeps_an_event_from_being_kept() {
        let body = json!({
            "id": "evt_1", "object": "event", "type": "customer.updated", "created": 1,
            "data": { "object": { "name": "a\u{0}b", "metadata": { "k\u{0}": ["\u{0}"] } } },
        });
        let event = Event::read(body.to_string().as_bytes()).expect("an event");
        assert!(!event.value().to_string().contains("\\u0000"), "{event:?}");
        assert_eq!(event.value()["data"]["object"]["name"], json!("a\u{fffd}b"));
    }
}
