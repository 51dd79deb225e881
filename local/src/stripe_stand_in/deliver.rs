//! Events go out to the endpoints, signed, and again until they are taken.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use creel_functions::stripe::endpoint::SIGNATURE_HEADER;
use creel_functions::stripe::signature::sign;
use serde_json::Value;

use super::StandIn;
use crate::gateway::http;

/// Where events are told, and by which secrets they are signed.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// For the platform's events, such as `http://127.0.0.1:54321/functions/v1/stripe/events`.
    pub platform: (String, Secret),
    /// For events of connected accounts.
    pub connect: (String, Secret),
}

/// What an endpoint said to one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// The event's id.
    pub id: String,
    /// What happened.
    pub kind: String,
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub body: Value,
}

impl StandIn {
    /// Tells each event that no endpoint has taken yet once, oldest first. What is not answered with 2xx is told again by
    /// the next call.
    pub async fn deliver(&self, endpoints: &Endpoints) -> Result<Vec<Delivered>> {
        let client = http::client()?;
        let mut delivered = Vec::new();
        for event in self.undelivered() {
            let (url, secret) = match event["account"] {
                Value::Null => &endpoints.platform,
                _ => &endpoints.connect,
            };
            let body = serde_json::to_vec_pretty(&event).context("write an event")?;
            // What is signed is when it is sent, however far the stand-in's time has gone on.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let signature = sign(&body, secret, now.as_secs()).context("sign an event")?;
            let request = client
                .post(url)
                .header("content-type", "application/json; charset=utf-8")
                .header(SIGNATURE_HEADER, signature)
                .body(body);
            let answer = request.send().await.context("tell an event")?;
            let status = answer.status().as_u16();
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            if (200..300).contains(&status) {
                self.lock().delivered.push(text("id"));
            }
            delivered.push(Delivered {
                id: text("id"),
                kind: text("type"),
                status,
                body: answer.json().await.unwrap_or_default(),
            });
        }
        Ok(delivered)
    }

    /// Events that no endpoint has taken yet, oldest first.
    pub fn undelivered(&self) -> Vec<Value> {
        let state = self.lock();
        let is_new = |event: &&Value| !state.delivered.iter().any(|id| event["id"] == **id);
        state.events.iter().filter(is_new).cloned().collect()
    }
}
