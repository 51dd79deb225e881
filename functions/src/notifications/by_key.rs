//! The outbox by the Data API, which lets the notifier in by its key.

use anyhow::anyhow;
use creel_core::secret::Secret;
use creel_core::status::FunctionKeyKind;
use serde_json::Value;

use super::outbox::{Call, Outbox};
use crate::data_api::{DataApi, Repeat};
use crate::function_key::ByKey;
use crate::settings::NotifierSettings;

/// The two functions over the Data API, with the notifier's key.
pub struct KeyedOutbox {
    api: DataApi,
    key: Secret,
}

impl KeyedOutbox {
    /// The outbox of the project that the settings name.
    pub fn of(settings: &NotifierSettings) -> Self {
        let url = format!("{}/rest/v1", settings.supabase_url);
        let publishable_key = settings.supabase_publishable_key.clone();
        Self {
            api: DataApi::new(&url, publishable_key, settings.ssl_cert_file.clone()),
            key: settings.creel_notifier_key.clone(),
        }
    }
}

impl Outbox for KeyedOutbox {
    async fn call(&self, function: Call, argument: &Value) -> anyhow::Result<Value> {
        // A claim whose answer was lost holds what it claimed; to claim again would hold more.
        let repeat = match function {
            Call::Claim => Repeat::IfUndone,
            Call::Finish => Repeat::Always,
        };
        let notifier = ByKey {
            opens: FunctionKeyKind::Notifications,
            key: &self.key,
            deadline: None,
        };
        let answer = self.api.call(&notifier, function.as_str(), argument, repeat);
        answer
            .await
            .map_err(|failure| anyhow!("{}; {}", failure.message, failure.hint))
    }
}
