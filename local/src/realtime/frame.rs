//! What goes over a socket: Phoenix messages, in the two forms that supabase-js knows.
//!
//! `1.0.0` is an object a message. `2.0.0` is an array a message, and broadcasts are binary: a head of lengths,
//! the texts that they are of, and then the body, which is JSON or bytes.

use axum::extract::ws::Message;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

/// First byte of a broadcast that a client sends.
const BROADCAST_PUSH: u8 = 3;

/// First byte of a broadcast that a client gets.
const BROADCAST: u8 = 4;

/// The body of a broadcast is bytes.
const BODY_BYTES: u8 = 0;

/// The body of a broadcast is JSON.
const BODY_JSON: u8 = 1;

/// Which form a socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vsn {
    /// `1.0.0`: objects.
    One,
    /// `2.0.0`: arrays, and binary broadcasts.
    Two,
}

impl Vsn {
    /// The form that a client's `vsn` names; Phoenix takes none for the first.
    pub(super) fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("1.0.0") => Some(Self::One),
            Some("2.0.0") => Some(Self::Two),
            Some(_) => None,
        }
    }
}

/// What is said in a broadcast.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    /// Any JSON.
    Json(Value),
    /// Bytes, which only the second form can carry.
    Bytes(Bytes),
}

/// A broadcast on its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Broadcast {
    /// The name that the sender gave it.
    pub(super) event: String,
    /// What it says.
    pub(super) body: Body,
    /// What Realtime adds, such as the id of a row.
    pub(super) meta: Option<Value>,
}

/// What a message carries.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Payload {
    /// All but broadcasts.
    Json(Value),
    /// A broadcast, in whichever form it came.
    Broadcast(Broadcast),
}

/// A message from a client.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Incoming {
    pub(super) join_ref: Option<String>,
    pub(super) reference: Option<String>,
    pub(super) topic: String,
    pub(super) event: String,
    pub(super) payload: Payload,
}

/// The first form.
#[derive(Deserialize)]
struct One {
    #[serde(default)]
    join_ref: Option<String>,
    #[serde(default, rename = "ref")]
    reference: Option<String>,
    topic: String,
    event: String,
    #[serde(default)]
    payload: Value,
}

/// The second form.
#[derive(Deserialize)]
struct Two(Option<String>, Option<String>, String, String, Value);

/// Reads a text frame; none if it is no message.
pub(super) fn read_text(vsn: Vsn, text: &str) -> Option<Incoming> {
    let Two(join_ref, reference, topic, event, payload) = match vsn {
        Vsn::One => {
            let one: One = serde_json::from_str(text).ok()?;
            Two(one.join_ref, one.reference, one.topic, one.event, one.payload)
        }
        Vsn::Two => serde_json::from_str(text).ok()?,
    };
    let payload = match event.as_str() {
        "broadcast" => Payload::Broadcast(read_broadcast(payload)?),
        _ => Payload::Json(payload),
    };
    Some(Incoming {
        join_ref,
        reference,
        topic,
        event,
        payload,
    })
}

fn read_broadcast(mut payload: Value) -> Option<Broadcast> {
    let event = payload.get("event")?.as_str()?.to_owned();
    let body = payload
        .get_mut("payload")
        .map(Value::take)
        .unwrap_or_else(|| json!({}));
    Some(Broadcast {
        event,
        body: Body::Json(body),
        meta: None,
    })
}

/// Reads a binary frame, which is a broadcast of the second form; none if it is no message.
pub(super) fn read_binary(vsn: Vsn, frame: &Bytes) -> Option<Incoming> {
    let head = frame.get(..7)?;
    if vsn != Vsn::Two || head[0] != BROADCAST_PUSH {
        return None;
    }
    let mut at = 7;
    let mut take = |length: u8| -> Option<String> {
        let bytes = frame.get(at..at + usize::from(length))?;
        at += usize::from(length);
        String::from_utf8(bytes.to_vec()).ok()
    };
    let (join_ref, reference, topic, event) =
        (take(head[1])?, take(head[2])?, take(head[3])?, take(head[4])?);
    let _metadata = take(head[5])?;
    let body = match head[6] {
        BODY_JSON => Body::Json(serde_json::from_slice(&frame[at..]).ok()?),
        BODY_BYTES => Body::Bytes(frame.slice(at..)),
        _ => return None,
    };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Some(Incoming {
        join_ref: some(join_ref),
        reference: some(reference),
        topic,
        event: "broadcast".to_owned(),
        payload: Payload::Broadcast(Broadcast {
            event,
            body,
            meta: None,
        }),
    })
}

/// A message to a client. `payload` is JSON already: the same change goes to many.
pub(super) fn write(
    vsn: Vsn,
    join_ref: Option<&str>,
    reference: Option<&str>,
    topic: &str,
    event: &str,
    payload: &str,
) -> Message {
    let (join_ref, reference) = (json!(join_ref), json!(reference));
    let (topic, event) = (json!(topic), json!(event));
    let text = match vsn {
        Vsn::One => format!(
            r#"{{"topic":{topic},"event":{event},"payload":{payload},"ref":{reference},"join_ref":{join_ref}}}"#
        ),
        Vsn::Two => format!("[{join_ref},{reference},{topic},{event},{payload}]"),
    };
    Message::Text(text.into())
}

/// A broadcast to a client; none where its form cannot carry it.
pub(super) fn write_broadcast(vsn: Vsn, topic: &str, broadcast: &Broadcast) -> Option<Message> {
    match (vsn, &broadcast.body) {
        (Vsn::One, Body::Bytes(_)) => None,
        (Vsn::One, Body::Json(body)) => Some(write(
            vsn,
            None,
            None,
            topic,
            "broadcast",
            &payload_of(broadcast, body),
        )),
        // Lengths are bytes of the head: what is longer than 255 is sent as text.
        (Vsn::Two, body) => match write_binary(topic, broadcast) {
            Some(frame) => Some(Message::Binary(frame)),
            None => match body {
                Body::Json(json) => Some(write(
                    vsn,
                    None,
                    None,
                    topic,
                    "broadcast",
                    &payload_of(broadcast, json),
                )),
                Body::Bytes(_) => None,
            },
        },
    }
}

fn payload_of(broadcast: &Broadcast, body: &Value) -> String {
    let mut payload = json!({ "type": "broadcast", "event": broadcast.event, "payload": body });
    if let Some(meta) = &broadcast.meta {
        payload["meta"] = meta.clone();
    }
    payload.to_string()
}

fn write_binary(topic: &str, broadcast: &Broadcast) -> Option<Bytes> {
    let meta = broadcast.meta.as_ref().map(Value::to_string).unwrap_or_default();
    let length = |text: &str| u8::try_from(text.len()).ok();
    let (encoding, body) = match &broadcast.body {
        Body::Json(json) => (BODY_JSON, Bytes::from(json.to_string())),
        Body::Bytes(bytes) => (BODY_BYTES, bytes.clone()),
    };
    let mut frame = vec![
        BROADCAST,
        length(topic)?,
        length(&broadcast.event)?,
        length(&meta)?,
        encoding,
    ];
    frame.extend_from_slice(topic.as_bytes());
    frame.extend_from_slice(broadcast.event.as_bytes());
    frame.extend_from_slice(meta.as_bytes());
    frame.extend_from_slice(&body);
    Some(frame.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let one = read_text(
            Vsn::One,
            r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"7"}"#,
        );
        let two = read_text(Vsn::Two, r#"[null,"7","phoenix","heartbeat",{}]"#);
        assert_eq!(one, two);
        assert!(one.is_some());
    }

    #[test]
    fn no_frame_makes_the_reader_fall() {
        for length in 0..40 {
            let frame = Bytes::from(vec![3; length]);
            let _none = read_binary(Vsn::Two, &frame);
            let _none = read_binary(Vsn::Two, &Bytes::from(vec![255; length]));
        }
        assert_eq!(read_text(Vsn::Two, r#"{"topic":"x"}"#), None);
        assert_eq!(read_text(Vsn::One, "[1]"), None);
        assert_eq!(
            read_text(Vsn::Two, r#"[null,null,"t","broadcast",{"event":7}]"#),
            None
        );
    }

    #[test]
    fn a_broadcast_of_the_second_form_is_read() {
        let mut frame = vec![3, 1, 1, 2, 1, 0, 1];
        frame.extend_from_slice(b"12ttx{\"a\":1}");
        let read = read_binary(Vsn::Two, &frame.into()).expect("a message");
        assert_eq!(
            (read.topic.as_str(), read.reference.as_deref()),
            ("tt", Some("2"))
        );
        let Payload::Broadcast(broadcast) = read.payload else {
            panic!("a broadcast")
        };
        assert_eq!(broadcast.body, Body::Json(json!({ "a": 1 })));
    }

    #[test]
    fn what_a_head_cannot_hold_is_sent_as_text() {
        let broadcast = |event: &str| Broadcast {
            event: event.to_owned(),
            body: Body::Json(json!({ "a": "ü" })),
            meta: None,
        };
        let short = write_broadcast(Vsn::Two, "realtime:t", &broadcast("x"));
        assert!(matches!(short, Some(Message::Binary(_))));
        let long = write_broadcast(Vsn::Two, "realtime:t", &broadcast(&"x".repeat(256)));
        assert!(matches!(long, Some(Message::Text(_))));
        let one = write_broadcast(Vsn::One, "realtime:t", &broadcast("x"));
        assert!(matches!(one, Some(Message::Text(_))));
    }
}
