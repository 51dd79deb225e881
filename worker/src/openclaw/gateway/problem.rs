//! Why a gateway cannot be used, or did not do what it was asked.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// Why there is no gateway to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayProblem {
    /// The configuration has none, or nobody but OpenClaw can read it.
    #[error("openclaw.json has no gateway in it that can be read")]
    NotConfigured,
    /// There is none, though agents are to be served.
    #[error("the host's gateway is not running")]
    Absent,
    /// Its token is not in the configuration.
    #[error("openclaw.json has no gateway.auth.token that is a plain text")]
    NoToken,
    /// Nothing on the port says that it is ready.
    #[error("no gateway is ready on 127.0.0.1:{port}")]
    NotReady {
        /// The port.
        port: u16,
    },
    /// Somebody else listens there, or nobody knows who.
    #[error("what listens on 127.0.0.1:{port} is not known to be a process of the worker's own user")]
    Untrusted {
        /// The port.
        port: u16,
    },
    /// It does not let us in.
    #[error("the gateway on 127.0.0.1:{port} refused the worker: {message}")]
    LoginRefused {
        /// The port.
        port: u16,
        /// Its own words, shortened.
        message: String,
    },
    /// It is a gateway, but that of somebody else.
    #[error("the gateway on 127.0.0.1:{port} works with another configuration, {}", .path.display())]
    OtherConfiguration {
        /// The port.
        port: u16,
        /// What it works with.
        path: PathBuf,
    },
    /// It went away.
    #[error("the connection to the gateway was lost")]
    Lost,
    /// It does not answer.
    #[error("the gateway did not answer {method} within {} s", .limit.as_secs_f32())]
    Silent {
        /// What it was asked.
        method: &'static str,
        /// The time that it had.
        limit: Duration,
    },
}

impl GatewayProblem {
    /// Whether it goes away when a gateway starts or comes back.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::NotReady { .. } | Self::Lost | Self::Silent { .. } | Self::NotConfigured | Self::Absent
        )
    }
}

/// What the gateway says when it refuses something.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal {
    /// A word for programs.
    #[serde(default)]
    pub(super) code: String,
    /// For people.
    #[serde(default)]
    pub(super) message: String,
    /// Whether the same may work later.
    #[serde(default)]
    pub(super) retryable: bool,
    /// When.
    #[serde(default)]
    pub(super) retry_after_ms: Option<u64>,
}

/// Why a request has no answer.
#[derive(Debug, Clone)]
pub(super) enum CallError {
    /// The gateway said no.
    Refused(Refusal),
    /// It may have done it or not.
    Broken(GatewayProblem),
}
