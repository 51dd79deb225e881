//! A function that asks the Data API for itself: nobody to it, but for the key that `creel key create` made.

use axum::http::StatusCode;
use creel_core::secret::Secret;
use creel_core::status::FunctionKeyKind;
use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;

use crate::caller::Asker;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::refusal::Refused;

/// The variable by which a function is given its key.
pub fn variable(opens: FunctionKeyKind) -> &'static str {
    match opens {
        FunctionKeyKind::Stripe => "CREEL_STRIPE_KEY",
        FunctionKeyKind::Notifications => "CREEL_NOTIFIER_KEY",
    }
}

/// The header by which the Data API knows the function.
fn header(opens: FunctionKeyKind) -> &'static str {
    match opens {
        FunctionKeyKind::Stripe => "x-creel-stripe-key",
        FunctionKeyKind::Notifications => "x-creel-notifier-key",
    }
}

/// Who comes with such a key.
pub(crate) struct ByKey<'a> {
    pub(crate) opens: FunctionKeyKind,
    pub(crate) key: &'a Secret,
    pub(crate) deadline: Option<Deadline>,
}

impl Asker for ByKey<'_> {
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        // What cannot be sent is no key, as an empty one is none: the database says so.
        let mut key =
            HeaderValue::from_str(self.key.expose()).unwrap_or_else(|_| HeaderValue::from_static(""));
        key.set_sensitive(true);
        request.header(header(self.opens), key)
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn explain(&self, refused: Refused<'_>) -> Option<Failure> {
        // A refusal without a code is that of the publishable key, by the gateway.
        let is_unknown = matches!(refused.status, 401 | 403) && !refused.code.is_empty();
        (is_unknown || refused.code == "42501").then(|| {
            Failure::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "misconfigured",
                "the project does not know the function's key",
                format!(
                    "make one by creel key create {}, and give it to the function as {}",
                    self.opens,
                    variable(self.opens)
                ),
            )
        })
    }
}
