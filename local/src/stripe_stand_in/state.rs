//! Everything that the stand-in remembers.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use creel_functions::stripe::api::VERSION;
use serde_json::{Value, json};

use super::fault::Faults;
use super::idempotency::Saved;
use super::objects::{id, without_own};

/// The state.
#[derive(Debug)]
pub(super) struct State {
    /// Where the stand-in is, for the addresses of its pages.
    pub(super) url: String,
    /// Time that passed at Stripe alone.
    pub(super) offset_secs: i64,
    /// Where the clock stands, where it does not go by itself.
    pub(super) clock_secs: Option<i64>,
    /// What is available of each account's money.
    pub(super) balances: HashMap<String, i64>,
    /// Answers by idempotency key.
    pub(super) saved: HashMap<String, Saved>,
    /// What was asked.
    pub(super) calls: Vec<String>,
    /// What goes wrong.
    pub(super) faults: Faults,
    /// What happened.
    pub(super) events: Vec<Value>,
    /// Up to where endpoints were told.
    pub(super) delivered: Vec<String>,
    objects: HashMap<String, Value>,
    order: Vec<String>,
}

impl State {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            offset_secs: 0,
            clock_secs: None,
            balances: HashMap::new(),
            saved: HashMap::new(),
            calls: Vec::new(),
            faults: Faults::default(),
            events: Vec::new(),
            delivered: Vec::new(),
            objects: HashMap::new(),
            order: Vec::new(),
        }
    }

    /// Stripe's clock.
    pub(super) fn now_secs(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or_default();
        self.clock_secs.unwrap_or(now) + self.offset_secs
    }

    /// Keeps a new object; answers its id.
    pub(super) fn put(&mut self, object: Value) -> String {
        let id = object["id"].as_str().unwrap_or_default().to_owned();
        self.order.push(id.clone());
        self.objects.insert(id.clone(), object);
        id
    }

    /// An object as it is kept.
    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        self.objects.get(id)
    }

    /// An object of a kind.
    pub(super) fn of(&self, kind: &str, id: &str) -> Option<&Value> {
        self.get(id).filter(|object| object["object"] == kind)
    }

    /// Changes members of an object; answers all of it.
    pub(super) fn change(&mut self, id: &str, members: &Value) -> Value {
        let Some(object) = self.objects.get_mut(id) else {
            return Value::Null;
        };
        for (name, value) in members.as_object().into_iter().flatten() {
            object[name.as_str()] = value.clone();
        }
        object.clone()
    }

    /// An object that is gone.
    pub(super) fn forget(&mut self, id: &str) {
        self.objects.remove(id);
    }

    /// All objects of a kind, oldest first.
    pub(super) fn all<'a>(&'a self, kind: &'a str) -> impl DoubleEndedIterator<Item = &'a Value> {
        let objects = self.order.iter().filter_map(|id| self.objects.get(id));
        objects.filter(move |object| object["object"] == kind)
    }

    /// Tells that something happened to an object, as it is now.
    pub(super) fn tell(&mut self, kind: &str, object: &Value) {
        self.tell_of(None, kind, object);
    }

    /// The same of a connected account.
    pub(super) fn tell_of(&mut self, account: Option<&str>, kind: &str, object: &Value) {
        let mut event = json!({
            "id": id("evt"),
            "object": "event",
            "api_version": VERSION,
            "created": self.now_secs(),
            "data": { "object": object },
            "livemode": false,
            "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "type": kind,
        });
        if let Some(account) = account {
            event["account"] = account.into();
        }
        without_own(&mut event);
        self.events.push(event);
    }
}
