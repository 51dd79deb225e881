//! The same key is the same call: as Stripe keeps it.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::params::Refusal;
use super::state::State;

/// What a key was used for, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    asked: Vec<u8>,
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
    match state.saved.get(key) {
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

/// Keeps what came of a call. What did not begin, as its parameters were wrong, is not kept.
pub(super) fn save(state: &mut State, key: &str, asked: Vec<u8>, status: u16, body: &Value) {
    let began = !matches!(status, 400..500) || body["error"]["code"] == "balance_insufficient";
    if began {
        let body = body.clone();
        state.saved.insert(key.to_owned(), Saved { asked, status, body });
    }
}
