//! The Data API since it last answered.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::super::error::CallError;
use super::api::Api;

/// It ends with the first call that finds the way cut, as a connection does: whoever waits for that hears it.
pub(crate) struct RestSession {
    api: Arc<Api>,
    ended: CancellationToken,
}

impl RestSession {
    pub(super) fn new(api: Arc<Api>) -> Self {
        Self {
            api,
            ended: CancellationToken::new(),
        }
    }

    /// Waits until it ends.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Calls a function that takes one jsonb and answers one.
    pub(crate) async fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        argument: &Value,
        limit: Duration,
    ) -> Result<R, CallError> {
        self.api.call(function, argument, limit).await.map_err(|failed| {
            if failed.is_cut || failed.error.is_shut_out() {
                self.ended.cancel();
            }
            failed.error
        })
    }
}
