//! What a client asks for when it joins a channel.

use serde_json::Value;

use super::filter::{self, Filter};

/// As long as a client may have the join wait for the subscription, as Realtime.
const MAX_WAIT_MS: u64 = 20_000;

/// As long as it waits when the client names no time, as Realtime.
const WAIT_MS: u64 = 15_000;

/// What a channel is to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Join {
    pub(super) is_private: bool,
    /// Whether the sender of a broadcast gets it too.
    pub(super) broadcast_self: bool,
    /// Whether broadcasts are acknowledged.
    pub(super) broadcast_ack: bool,
    pub(super) wants_presence: bool,
    /// Whether the client waits for the word that the log is read.
    pub(super) wants_ready: bool,
    /// For how long the answer may wait for the subscription; none if it is not to wait.
    pub(super) wait_ms: Option<u64>,
    pub(super) access_token: Option<String>,
    /// The subscriptions as they came: they are sent back with ids.
    pub(super) changes: Vec<Value>,
}

impl Join {
    /// Reads the payload of a join. What it does not have is off.
    pub(super) fn parse(payload: &Value) -> Self {
        let config = &payload["config"];
        let is = |value: &Value| value.as_bool().unwrap_or(false);
        let options = &config["postgres_changes_options"];
        let token = ["access_token", "user_token"]
            .iter()
            .find_map(|name| payload[name].as_str());
        Self {
            is_private: is(&config["private"]),
            broadcast_self: is(&config["broadcast"]["self"]),
            broadcast_ack: is(&config["broadcast"]["ack"]),
            wants_presence: is(&config["presence"]["enabled"]),
            wants_ready: is(&config["broadcast"]["replication_ready"]),
            wait_ms: is(&options["wait"])
                .then(|| options["timeout"].as_u64().unwrap_or(WAIT_MS).min(MAX_WAIT_MS)),
            access_token: token.map(str::to_owned),
            changes: config["postgres_changes"]
                .as_array()
                .map(|changes| {
                    changes
                        .iter()
                        .filter(|change| change.is_object())
                        .cloned()
                        .collect()
                })
                .unwrap_or_default(),
        }
    }
}

/// Which kinds of changes a subscription is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Events {
    All,
    Insert,
    Update,
    Delete,
}

impl Events {
    /// Whether a kind of change is among them.
    pub(super) fn has(self, kind: Events) -> bool {
        self == Self::All || self == kind
    }

    /// The word of a message.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::All => "*",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// One subscription to changes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) events: Events,
    pub(super) schema: String,
    /// A name, or `*`.
    pub(super) table: String,
    pub(super) filters: Vec<Filter>,
    /// The columns that are sent; all if none.
    pub(super) select: Option<Vec<String>>,
}

impl Wanted {
    /// Reads one subscription. An error says what is wrong.
    pub(super) fn parse(change: &Value) -> Result<Self, String> {
        let text = |name: &str| change[name].as_str().filter(|text| !text.is_empty());
        let events = match text("event").map(str::to_ascii_uppercase).as_deref() {
            None | Some("*") => Events::All,
            Some("INSERT") => Events::Insert,
            Some("UPDATE") => Events::Update,
            Some("DELETE") => Events::Delete,
            Some(_) => return Err("The event filter must be one of *, INSERT, UPDATE, DELETE".to_owned()),
        };
        let filters = text("filter").map_or_else(|| Ok(Vec::new()), filter::parse)?;
        let select = change["select"].as_array().map(|names| {
            let names = names.iter().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        });
        let Some(schema) = text("schema") else {
            return Err("No subscription params provided. Please provide at least a `schema`".to_owned());
        };
        Ok(Self {
            events,
            schema: schema.to_owned(),
            table: text("table").unwrap_or("*").to_owned(),
            filters,
            select,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_join_does_not_say_is_off() {
        assert_eq!(Join::parse(&json!({})), Join::default());
        assert_eq!(Join::parse(&json!("?")), Join::default());
        let join = Join::parse(&json!({
            "access_token": "t",
            "config": {
                "broadcast": { "self": true, "ack": true },
                "private": true,
                "postgres_changes": [{ "event": "*", "schema": "public" }, null],
                "postgres_changes_options": { "wait": true, "timeout": 90_000 },
            },
        }));
        assert!(join.is_private && join.broadcast_self && join.broadcast_ack);
        assert_eq!((join.changes.len(), join.wait_ms), (1, Some(MAX_WAIT_MS)));
    }

    #[test]
    fn a_subscription_names_at_least_a_schema() {
        let wanted = Wanted::parse(&json!({ "event": "insert", "schema": "public" })).expect("read");
        assert_eq!((wanted.events, wanted.table.as_str()), (Events::Insert, "*"));
        assert!(Wanted::parse(&json!({ "event": "*" })).is_err());
        assert!(Wanted::parse(&json!({ "event": "x", "schema": "public" })).is_err());
        assert!(Wanted::parse(&json!({ "schema": "public", "filter": "?" })).is_err());
    }
}
