//! Deliveries signed as Stripe signs them: by Stripe's own SDK.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use creel_local::process;
use serde_json::{Value, json};

/// A run of Node that only computes is done long before.
const NODE_LIMIT: Duration = Duration::from_secs(60);

pub const SECRET: &str = "whsec_5f4dcc3b5aa765d61d8327deb882cf99";
pub const OLD_SECRET: &str = "whsec_0192837465aabbccddeeff0011223344";
pub const CONNECT_SECRET: &str = "whsec_99887766554433221100aabbccddeeff";

pub fn now_secs() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    i64::try_from(now.as_secs()).expect("a time")
}

/// What is to be signed.
#[derive(Debug, Clone)]
pub struct Case {
    pub payload: String,
    pub secret: &'static str,
    pub at_secs: i64,
    pub scheme: &'static str,
}

impl Case {
    pub fn new(payload: &str) -> Self {
        Self {
            payload: payload.to_owned(),
            secret: SECRET,
            at_secs: now_secs(),
            scheme: "v1",
        }
    }
}

/// The header of each case.
pub async fn sign(cases: &[Case]) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/js");
    let node = format!("{folder}/node_modules/node/bin/node");
    assert!(
        process::is_executable(node.as_ref()),
        "tests/js is installed: run `npm install --prefix tests/js`"
    );
    let cases: Vec<Value> = cases
        .iter()
        .map(|case| {
            json!({
                "payload": case.payload, "secret": case.secret, "timestamp": case.at_secs, "scheme": case.scheme,
            })
        })
        .collect();
    let file = tempfile::NamedTempFile::new().expect("make a file");
    std::fs::write(file.path(), Value::from(cases).to_string()).expect("write the cases");
    let mut command = process::command(node);
    command
        .arg(format!("{folder}/sign.mjs"))
        .env("CASES", file.path());
    let said = process::run(&mut command, NODE_LIMIT).await.expect("sign");
    serde_json::from_str(said.trim()).expect("read the headers")
}

/// The header of one delivery, signed now with [`SECRET`].
pub async fn sign_one(payload: &str) -> String {
    sign(&[Case::new(payload)]).await.remove(0)
}

/// An event that Creel does nothing with but keeping it.
pub fn event(id: &str) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2026-10-28.endive", "created": now_secs(),
        "data": { "object": { "id": "x_1", "object": "novelty", "name": "Zoë 🦞" } }, "livemode": false,
        "pending_webhooks": 1, "request": { "id": null, "idempotency_key": null },
        "type": "novelty.of_a_kind_nobody_knows",
    })
}
