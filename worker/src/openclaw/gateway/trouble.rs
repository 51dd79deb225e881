//! Why an attempt to change the configuration failed, and whether another one may not.

use std::time::Duration;

use super::driver::Shared;
use super::problem::{CallError, GatewayProblem, Refusal};
use crate::openclaw::OpenClawError;
use crate::openclaw::output::shown;

/// Why an attempt did not come to its end.
pub(super) enum Trouble {
    /// Plan anew.
    Again(Duration),
    /// The gateway said no, and may say yes later.
    Later(&'static str, Refusal),
    /// The gateway is away, or not to be spoken to.
    Away(GatewayProblem),
    /// There is no use in trying.
    Refused(&'static str, Refusal),
    /// OpenClaw does not take its own configuration.
    ConfigRefused(String),
}

impl Trouble {
    pub(super) fn of(method: &'static str, error: CallError) -> Self {
        match error {
            CallError::Broken(problem) => Self::Away(problem),
            CallError::Refused(refusal) if refusal.message.contains("config changed since last load") => {
                Self::Again(Duration::ZERO)
            }
            CallError::Refused(refusal)
                if refusal.retryable || refusal.retry_after_ms.is_some() || refusal.code == "UNAVAILABLE" =>
            {
                Self::Later(method, refusal)
            }
            CallError::Refused(refusal) => Self::Refused(method, refusal),
        }
    }

    /// Whether it may be about a single wish, so that the others would fare better without it. What may pass is
    /// believed to pass until there were too many attempts.
    pub(super) fn may_be_by_one(&self, is_exhausted: bool) -> bool {
        match self {
            Self::Refused(..) => true,
            Self::Again(_) => is_exhausted,
            Self::Later(_, refusal) => is_exhausted && refusal.retry_after_ms.is_none(),
            Self::Away(_) | Self::ConfigRefused(_) => false,
        }
    }

    pub(super) fn to_error(&self, shared: &Shared) -> OpenClawError {
        match self {
            Self::Again(_) => OpenClawError::GatewayRefused {
                method: "config.patch",
                code: "CONFLICT".to_owned(),
                message: "the configuration does not keep what is written into it, or others change it all \
                          the time"
                    .to_owned(),
            },
            Self::Later(method, refusal) | Self::Refused(method, refusal) => OpenClawError::GatewayRefused {
                method,
                code: shown(&refusal.code),
                message: shown(&refusal.message),
            },
            Self::Away(problem) => OpenClawError::Gateway(problem.clone()),
            Self::ConfigRefused(message) => OpenClawError::ConfigRefused {
                path: shared.settings.config_path.clone(),
                message: message.clone(),
            },
        }
    }
}

/// There is no use in an answer that nobody understands.
pub(super) fn unreadable(method: &'static str) -> Trouble {
    Trouble::Refused(
        method,
        Refusal {
            code: "UNREADABLE".to_owned(),
            message: "its answer cannot be read".to_owned(),
            retryable: false,
            retry_after_ms: None,
        },
    )
}
