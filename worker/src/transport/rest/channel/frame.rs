//! Supabase Realtime's messages, as JSON objects (`vsn=1.0.0`): the few that a host sends and understands.

use serde::Deserialize;
use serde_json::{Value, json};

/// What comes before a channel's name.
const PREFIX: &str = "realtime:";
/// The topic of heartbeats.
const PHOENIX: &str = "phoenix";
/// More of what a server says does not help anybody.
const MAX_SAID_CHARS: usize = 200;

/// The version of the protocol, in the URL.
pub(super) const VERSION: &str = "1.0.0";

/// What a message means to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// An answer to the message with this number; what is wrong, when it is no good one.
    Reply(u64, Result<(), String>),
    /// There may be something to claim.
    Work,
    /// Something that is held may be to be cancelled.
    Cancel,
    /// Somebody else may have changed documents.
    Docs,
    /// The channel has ended, with these words.
    Closed(String),
    /// Nothing.
    Other,
}

#[derive(Debug, Deserialize)]
struct Frame {
    topic: String,
    event: String,
    #[serde(default)]
    payload: Value,
    #[serde(default, rename = "ref")]
    number: Value,
}

/// Joins a channel that everybody may join who knows its name.
pub(super) fn join(topic: &str, number: u64) -> String {
    let number = number.to_string();
    json!({
        "topic": format!("{PREFIX}{topic}"),
        "event": "phx_join",
        "payload": { "config": {
            "broadcast": { "ack": false, "self": false },
            "presence": { "key": "", "enabled": false },
            "postgres_changes": [],
            "private": false,
        } },
        "ref": number,
        "join_ref": number,
    })
    .to_string()
}

/// Asks whether somebody is there.
pub(super) fn heartbeat(number: u64) -> String {
    json!({ "topic": PHOENIX, "event": "heartbeat", "payload": {}, "ref": number.to_string() }).to_string()
}

/// What a message means to whoever has joined the topic. What is no message of this protocol means nothing.
pub(super) fn hear(text: &str, topic: &str) -> Heard {
    let Ok(frame) = serde_json::from_str::<Frame>(text) else {
        return Heard::Other;
    };
    let is_ours = frame.topic.strip_prefix(PREFIX) == Some(topic);
    let payload = &frame.payload;
    match frame.event.as_str() {
        "phx_reply" if is_ours || frame.topic == PHOENIX => {
            let number = frame.number.as_str().and_then(|number| number.parse().ok());
            match (number, payload["status"].as_str()) {
                (Some(number), Some("ok")) => Heard::Reply(number, Ok(())),
                (Some(number), _) => Heard::Reply(number, Err(said(&payload["response"]))),
                (None, _) => Heard::Other,
            }
        }
        "broadcast" if is_ours => match payload["event"].as_str() {
            Some("cancel") => Heard::Cancel,
            Some("docs") => Heard::Docs,
            // What a later version of the database may want to say is looked for, too.
            _ => Heard::Work,
        },
        "system" if is_ours && payload["status"] == "error" => Heard::Closed(said(payload)),
        "phx_error" | "phx_close" if is_ours => Heard::Closed(said(payload)),
        _ => Heard::Other,
    }
}

/// A server's words, short and without what would break a line.
fn said(value: &Value) -> String {
    let words = value["reason"].as_str().or_else(|| value["message"].as_str());
    let text = words.map_or_else(|| value.to_string(), str::to_owned);
    let printable = text.chars().filter(|char| !char.is_control());
    printable.take(MAX_SAID_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broadcast(topic: &str, event: &str) -> String {
        let payload = json!({ "type": "broadcast", "event": event, "payload": {} });
        json!({ "topic": topic, "event": "broadcast", "payload": payload, "ref": null }).to_string()
    }

    #[test]
    fn hints_of_our_channel_are_heard_and_no_others() {
        for (topic, event, heard) in [
            ("realtime:t", "work", Heard::Work),
            ("realtime:t", "cancel", Heard::Cancel),
            ("realtime:t", "docs", Heard::Docs),
            ("realtime:t", "new", Heard::Work),
            ("realtime:other", "work", Heard::Other),
            ("t", "work", Heard::Other),
        ] {
            assert_eq!(hear(&broadcast(topic, event), "t"), heard, "{topic} {event}");
        }
    }

    #[test]
    fn answers_and_ends_are_told_apart() {
        let reply = |topic: &str, status: &str| {
            json!({ "topic": topic, "event": "phx_reply", "ref": "7",
                    "payload": { "status": status, "response": { "reason": "no\nway" } } })
            .to_string()
        };
        assert_eq!(hear(&reply("phoenix", "ok"), "t"), Heard::Reply(7, Ok(())));
        assert_eq!(hear(&reply("realtime:t", "ok"), "t"), Heard::Reply(7, Ok(())));
        let refused = Heard::Reply(7, Err("noway".to_owned()));
        assert_eq!(hear(&reply("realtime:t", "error"), "t"), refused);
        let event = |event: &str, payload: Value| {
            json!({ "topic": "realtime:t", "event": event, "payload": payload, "ref": null }).to_string()
        };
        for (text, is_end) in [
            (event("phx_close", json!({})), true),
            (event("phx_error", json!({})), true),
            (
                event("system", json!({ "status": "error", "message": "late" })),
                true,
            ),
            (event("system", json!({ "status": "ok" })), false),
            (event("presence_state", json!({})), false),
            ("nonsense".to_owned(), false),
            ("{}".to_owned(), false),
        ] {
            assert_eq!(matches!(hear(&text, "t"), Heard::Closed(_)), is_end, "{text}");
        }
    }
}
