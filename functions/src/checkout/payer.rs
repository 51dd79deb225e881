//! Whoever wants to pay: a person by their own token, who reads why something cannot be had.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::RequestBuilder;
use serde_json::Value;
use uuid::Uuid;

use crate::caller::{Asker, Caller, unauthenticated};
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::refusal::Refused;
use crate::stripe::StripeError;

/// The person.
pub(super) struct Payer(Caller);

impl<S: Sync> FromRequestParts<S> for Payer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Caller::from_request_parts(parts, state).await.map(Self)
    }
}

impl Payer {
    /// The project that is meant.
    pub(super) fn project(&self, named: Option<&str>) -> Result<String, Failure> {
        self.0.project(named)
    }

    /// Whom the token names. To be asked only after the Data API has taken the token: nobody has checked it before.
    pub(super) fn user_id(&self) -> Result<Uuid, Failure> {
        let payload = self.0.token.expose().split('.').nth(1).unwrap_or_default();
        let claims = URL_SAFE_NO_PAD
            .decode(payload.trim_end_matches('='))
            .unwrap_or_default();
        let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
        let id = claims["sub"].as_str().and_then(|id| id.parse().ok());
        id.ok_or_else(unauthenticated)
    }
}

impl Asker for Payer {
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        self.0.sign(request)
    }

    fn deadline(&self) -> Option<Deadline> {
        self.0.deadline()
    }

    fn explain(&self, refused: Refused<'_>) -> Option<Failure> {
        explain(refused)
    }
}

/// Why a place cannot be had.
fn explain(refused: Refused<'_>) -> Option<Failure> {
    let (message, hint) = match (refused.status, refused.details) {
        (404, "not_for_rent") => (
            "there is no such host, or it is not let by this plan",
            "choose another host, or another plan",
        ),
        (409, "not_payable") => (
            "the host's owner cannot be paid yet",
            "choose another host; its owner has to set up payments",
        ),
        (409, "draining" | "retired") => ("the host takes no new agents", "choose another host"),
        (409, "backend") => (
            "the host cannot run agents in this way",
            "choose another host, or another agent.backend",
        ),
        (409, "tags") => (
            "the host does not have the tags that the agent asks for",
            "choose another host, or leave the tags away",
        ),
        (409, "isolation") => (
            "the host runs agents of another project, and this one would not be kept from their files",
            "choose another host, or a backend with a container or virtual machine of its own",
        ),
        (409, "capacity") => ("the host is full", "choose another host, or try again later"),
        (409, "open_checkout") => (
            "another checkout for this agent, with other wishes, is open",
            "pay that one, or wait until it ends",
        ),
        (409, "paid") => ("the agent is paid for", "nothing is to be done"),
        (409, "free") => (
            "there is such an agent, and nobody asks money for it",
            "choose another agentKey",
        ),
        (409, "elsewhere") => (
            "the agent is on another host",
            "pay for it there: send that host's hostId",
        ),
        (429, _) if refused.code == "PT429" => {
            return Some(Failure::new(
                StatusCode::TOO_MANY_REQUESTS,
                "quota",
                "too many checkouts are open",
                "pay them, or wait until they end",
            ));
        }
        (400, _) if refused.code == "22023" => {
            return Some(Failure::invalid(
                "the wish has a value that it cannot have",
                "plan is month or year, hostId a UUID; agent has name, emoji, role, config, limits, docs and backend",
            ));
        }
        _ => return None,
    };
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::CONFLICT);
    let code: Cow<'static, str> = refused.details.to_owned().into();
    Some(Failure::new(status, code, message, hint))
}

/// What a person reads when Stripe does not do it.
pub(super) fn stripe_failure(error: &StripeError) -> Failure {
    let is_settings = matches!(
        error,
        StripeError::Refused {
            status: 401 | 403,
            ..
        } | StripeError::Impossible
    );
    let (code, message, hint) = match error {
        StripeError::Refused { code, .. } if code.starts_with("insufficient_capabilities") => {
            return Failure::new(
                StatusCode::CONFLICT,
                "not_payable",
                "the host's owner cannot be paid yet",
                "choose another host; its owner has to set up payments",
            );
        }
        _ if is_settings => (
            "misconfigured",
            "Stripe does not know the function's key, or does not let it do this",
            "correct STRIPE_API_KEY of the function",
        ),
        _ if error.is_permanent() => (
            "stripe_refused",
            "Stripe does not take this",
            "the function's log says what Stripe said",
        ),
        _ => (
            "stripe_unavailable",
            "Stripe does not answer as it should",
            "try again; asking twice makes one checkout",
        ),
    };
    Failure::new(StatusCode::BAD_GATEWAY, code, message, hint)
}

#[cfg(test)]
mod tests {
    use creel_core::secret::Secret;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_token_names_a_person_or_nobody() {
        let id = |payload: &str| {
            let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(payload));
            let token = Secret::new(token);
            let caller = Caller {
                token,
                project: None,
                deadline: None,
            };
            Payer(caller).user_id().ok()
        };
        let person = Uuid::new_v4();
        assert_eq!(
            id(&json!({ "sub": person, "role": "authenticated" }).to_string()),
            Some(person)
        );
        for nobody in [
            "",
            "{}",
            r#"{"sub":1}"#,
            r#"{"sub":"x"}"#,
            r#"{"role":"service_role"}"#,
        ] {
            assert_eq!(id(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn each_reason_has_words_and_a_code() {
        for (status, details) in [
            (404, "not_for_rent"),
            (409, "not_payable"),
            (409, "draining"),
            (409, "backend"),
            (409, "tags"),
            (409, "isolation"),
            (409, "capacity"),
            (409, "open_checkout"),
            (409, "paid"),
            (409, "free"),
            (409, "elsewhere"),
        ] {
            let body = json!({ "code": format!("PT{status}"), "details": details, "message": "select 1" });
            let failure = explain(Refused::of(status, &body)).expect(details);
            assert_eq!(
                (failure.status.as_u16(), failure.code.as_ref()),
                (status, details)
            );
        }
        let other = json!({ "code": "PT409", "details": "select 1" });
        assert_eq!(explain(Refused::of(409, &other)), None);
    }
}
