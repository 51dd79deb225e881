//! The same key is the same call: as Stripe keeps it.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::params::Refusal;
use super::state::State;

/// Stripe forgets a key when it is at least so old: after that it is a new call.
const KEY_KEPT_SECS: i64 = 24 * 60 * 60;

/// What a key was used for, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    asked: Vec<u8>,
    at_secs: i64,
    pub(super) status: u16,
    pub(super) body: Value,
}

/// A call, as far as another one with the same key must be the same.
pub(super) fn fingerprint(path: &str, body: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(path.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().to_vec()
}

/// What the same call was answered before; or that it was another one.
pub(super) fn find(state: &State, key: &str, asked: &[u8]) -> Result<Option<Saved>, Refusal> {
    let is_kept = |saved: &&Saved| state.now_secs() - saved.at_secs < KEY_KEPT_SECS;
    match state.saved.get(key).filter(is_kept) {
        None => Ok(None),
        Some(saved) if saved.asked == asked => Ok(Some(saved.clone())),
        Some(_) => Err(Refusal::new(
            400,
            "idempotency_error",
            None,
            "Keys for idempotent requests can only be used with the same parameters they were first used with.",
        )),
    }
}

/// Keeps what came of a call, also where it is a refusal or a fault. What did not begin is not kept: its parameters were
/// wrong, another call with the key was under way, there were too many, or a gateway answered in the place of the API.
pub(super) fn save(state: &mut State, key: &str, asked: Vec<u8>, status: u16, body: &Value) {
    let code = body["error"]["code"].as_str().unwrap_or_default();
    let began = match status {
        401 | 403 | 409 | 429 | 502.. => false,
        400..500 => !code.starts_with("parameter_") && !code.is_empty(),
        _ => true,
    };
    if began {
        let saved = Saved {
            asked,
            at_secs: state.now_secs(),
            status,
            body: body.clone(),
        };
        state.saved.insert(key.to_owned(), saved);
    }
}
