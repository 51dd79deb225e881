//! The outbox by the Data API, as `service_role`: the one function that needs the project's secret key.

use anyhow::anyhow;
use axum::http::StatusCode;
use creel_core::secret::Secret;
use reqwest::RequestBuilder;
use serde_json::Value;

use super::outbox::{Call, Outbox};
use crate::caller::Asker;
use crate::data_api::{DataApi, Repeat};
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::refusal::Refused;
use crate::settings::NotifierSettings;

/// The Data API with the secret key.
pub struct ServiceApi {
    api: DataApi,
    service: Service,
}

/// Whoever has the secret key.
struct Service {
    key: Secret,
}

impl ServiceApi {
    /// The API that the settings name.
    pub fn of(settings: &NotifierSettings) -> Self {
        let url = format!("{}/rest/v1", settings.supabase_url);
        let key = settings.supabase_secret_key.clone();
        Self {
            api: DataApi::new(&url, key.clone(), settings.ssl_cert_file.clone()),
            service: Service { key },
        }
    }
}

impl Outbox for ServiceApi {
    async fn call(&self, function: Call, argument: &Value) -> anyhow::Result<Value> {
        // A claim whose answer was lost holds what it claimed; to claim again would hold more.
        let repeat = match function {
            Call::Claim => Repeat::IfUndone,
            Call::Finish => Repeat::Always,
        };
        let answer = self.api.call(&self.service, function.as_str(), argument, repeat);
        answer
            .await
            .map_err(|failure| anyhow!("{}; {}", failure.message, failure.hint))
    }
}

impl Asker for Service {
    /// A new key is no token, and goes as `apikey` only; an old one is, and goes as both.
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        match self.key.expose().split('.').count() {
            3 => request.bearer_auth(self.key.expose()),
            _ => request,
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        None
    }

    fn explain(&self, refused: Refused<'_>) -> Option<Failure> {
        matches!(refused.status, 401 | 403).then(|| {
            Failure::new(
                StatusCode::BAD_GATEWAY,
                "misconfigured",
                "the project does not let this key deliver notifications",
                "correct SUPABASE_SECRET_KEY of the function: a secret key of this project (sb_secret_…)",
            )
        })
    }
}
