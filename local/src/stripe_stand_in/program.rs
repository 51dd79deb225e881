//! The API for a program of the same process, which needs no address and no key.

use anyhow::Result;
use serde_json::{Value, json};

use super::{StandIn, calls, life, list, objects};

impl StandIn {
    /// The clock stands at this second until it is set again, or [`StandIn::advance`] moves it.
    pub fn set_clock(&self, at_secs: i64) {
        let mut state = self.lock();
        state.clock_secs = Some(at_secs);
        state.offset_secs = 0;
    }

    /// Stripe's time.
    pub fn now_secs(&self) -> i64 {
        self.lock().now_secs()
    }

    /// An object with these of its members expanded; none where it is not there, or cannot be shown so.
    pub fn read(&self, id: &str, expand: &Value) -> Option<Value> {
        let state = self.lock();
        let mut object = list::find(&state, id)?;
        list::expand_all(&state, &mut object, &json!({ "expand": expand })).ok()?;
        objects::without_own(&mut object);
        Some(object)
    }

    /// A call that makes or changes something. Values of a form are texts.
    pub fn post(&self, path: &str, form: &Value) -> Result<Value> {
        let mut object = calls::post(&mut self.lock(), path, form).map_err(life::refused)?;
        objects::without_own(&mut object);
        Ok(object)
    }

    /// An account of an earlier stand-in is here too, with all that Stripe asks answered.
    pub fn know_account(&self, id: &str) -> Result<()> {
        let mut state = self.lock();
        let mut account = objects::account(state.now_secs(), &json!({}), &json!({}));
        account["id"] = id.into();
        state.put(account);
        drop(state);
        self.onboard(id)
    }
}
