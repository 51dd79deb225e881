//! Why Stripe did not do what it was asked.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// As much of a text of Stripe's as is worth keeping.
const TEXT_MAX_CHARS: usize = 300;

/// Why a call brought no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StripeError {
    /// No connection.
    #[error("Stripe cannot be reached")]
    Unreachable,
    /// The connection ended before the answer did.
    #[error("the connection to Stripe was cut")]
    Cut,
    /// No answer within the time that there is.
    #[error("Stripe did not answer in time")]
    TimedOut,
    /// An answer that is none of Stripe's.
    #[error("Stripe's answer cannot be read")]
    Unreadable,
    /// The request cannot be made: an id or a path that is none, or settings that are wrong.
    #[error("the request to Stripe cannot be made")]
    Impossible,
    /// Stripe said no.
    #[error("Stripe answered {status} {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Stripe's code, or its type where there is none.
        code: String,
        /// In Stripe's words, for the operator.
        message: String,
        /// What Stripe says of trying again, where it says so.
        should_retry: Option<bool>,
        /// Whether it is what an earlier call with the same idempotency key was answered, and nothing was tried now.
        is_replayed: bool,
    },
}

impl StripeError {
    pub(super) fn unanswered(error: reqwest::Error) -> Self {
        let missed = match () {
            () if error.is_connect() => Self::Unreachable,
            () if error.is_timeout() => Self::TimedOut,
            () if error.is_builder() => Self::Impossible,
            () => Self::Cut,
        };
        let error = anyhow::Error::new(error.without_url());
        tracing::warn!(error = %format_args!("{error:#}"), "failed to reach Stripe");
        missed
    }

    pub(super) fn refused(status: u16, headers: &HeaderMap, body: &Value) -> Self {
        let error = &body["error"];
        let text = |name: &str| error[name].as_str().filter(|text| !text.is_empty());
        let code = text("code").or_else(|| text("type")).unwrap_or("unknown");
        let is_replayed = headers
            .get("idempotent-replayed")
            .is_some_and(|value| value == "true");
        let should_retry = headers.get("stripe-should-retry").map(|value| value == "true");
        Self::Refused {
            status,
            code: shortened(code),
            message: shortened(text("message").unwrap_or("no text")),
            should_retry,
            is_replayed,
        }
    }

    /// Whether the next attempt, under the same idempotency key, may bring another answer.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Unreachable | Self::Cut | Self::TimedOut => true,
            Self::Unreadable | Self::Impossible => false,
            // The key is answered so for a day.
            Self::Refused {
                is_replayed: true, ..
            } => false,
            Self::Refused {
                status, should_retry, ..
            } => should_retry.unwrap_or(matches!(status, 408 | 409 | 429 | 500..)),
        }
    }

    /// Whether it stays so however often it is tried: neither a fault nor a wrong key nor an empty account does.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Impossible => true,
            Self::Refused { status, code, .. } => {
                matches!(status, 400..500)
                    && !matches!(status, 401 | 403 | 408 | 409 | 425 | 429)
                    && !code.contains("balance_insufficient")
                    && !code.contains("insufficient_funds")
            }
            _ => false,
        }
    }

    /// Whether it is what the idempotency key is answered for a day, whatever has changed since. Where it is a fault of
    /// Stripe's own, nobody knows how far the call came.
    pub(super) fn is_kept(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                is_replayed: true,
                ..
            }
        )
    }

    /// Whether Stripe said for certain that nothing was done under the idempotency key. A key of the API that is wrong, a
    /// lock, a limit of rate and another content say nothing of what an earlier attempt came to; unless it is that
    /// attempt's own answer.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Refused {
                status: status @ 400..500,
                is_replayed,
                ..
            } => {
                *is_replayed
                    || !(matches!(status, 401 | 403 | 408 | 409 | 425 | 429) || self.is_other_content())
            }
            _ => false,
        }
    }

    /// Whether there is no such object, or it is none of ours any more.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Refused { status: 403, code, .. } if code == "account_invalid")
            || self.is_missing()
    }

    /// Whether there is no such object.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the idempotency key was used for something else.
    pub fn is_other_content(&self) -> bool {
        matches!(self, Self::Refused { status: 400, code, .. } if code.starts_with("idempotency"))
    }
}

fn shortened(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(TEXT_MAX_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(status: u16, code: &str, should_retry: Option<&str>) -> StripeError {
        let mut headers = HeaderMap::new();
        if let Some(value) = should_retry {
            headers.insert("stripe-should-retry", value.parse().expect("a value"));
        }
        let body = json!({ "error": { "type": "some_error", "code": code, "message": "no\u{0}" } });
        StripeError::refused(status, &headers, &body)
    }

    #[test]
    fn what_may_change_is_tried_again_and_what_cannot_is_not() {
        for (error, again, permanent) in [
            (refused(400, "parameter_missing", None), false, true),
            (refused(400, "balance_insufficient", None), false, false),
            (refused(401, "", None), false, false),
            (refused(402, "card_declined", None), false, true),
            (refused(404, "resource_missing", None), false, true),
            (refused(409, "lock_timeout", None), true, false),
            (refused(429, "rate_limit", None), true, false),
            (refused(500, "", None), true, false),
            (refused(500, "", Some("false")), false, false),
            (refused(400, "", Some("true")), true, true),
            (StripeError::Cut, true, false),
            (StripeError::Unreachable, true, false),
            (StripeError::TimedOut, true, false),
            (StripeError::Unreadable, false, false),
            (StripeError::Impossible, false, true),
        ] {
            assert_eq!(
                (error.is_worth_repeating(), error.is_permanent()),
                (again, permanent),
                "{error}"
            );
        }
        for (error, is_refusal) in [
            (refused(400, "balance_insufficient", None), true),
            (refused(400, "idempotency_error", None), false),
            (refused(401, "", None), false),
            (refused(403, "", None), false),
            (refused(404, "resource_missing", None), true),
            (refused(409, "lock_timeout", None), false),
            (refused(429, "rate_limit", None), false),
            (refused(500, "", None), false),
            (StripeError::Cut, false),
            (StripeError::Impossible, false),
        ] {
            assert_eq!(error.is_refusal(), is_refusal, "{error}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("idempotent-replayed", "true".parse().expect("a value"));
        for (status, is_refusal) in [(400, true), (403, true), (500, false)] {
            let kept = StripeError::refused(status, &headers, &json!(null));
            assert_eq!(
                (kept.is_refusal(), kept.is_kept(), kept.is_worth_repeating()),
                (is_refusal, true, false),
                "{kept}"
            );
        }
        let odd = StripeError::refused(500, &HeaderMap::new(), &json!(null));
        assert_eq!(odd.to_string(), "Stripe answered 500 unknown: no text");
        assert_eq!(
            refused(400, "", None).to_string(),
            "Stripe answered 400 some_error: no"
        );
    }
}
