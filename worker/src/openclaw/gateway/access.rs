//! Reads from the configuration where its gateway is, and what it wants to hear.

use std::path::Path;

use creel_core::secret::Secret;
use serde_json::Value;

use super::GatewayProblem;
use crate::openclaw::OpenClawError;
use crate::openclaw::config_file::{self, Answer};

/// Where the gateway is, and the token for it.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) port: u16,
    pub(super) token: Secret,
}

impl Access {
    /// Reads it from the configuration.
    pub(super) async fn read(config_path: &Path) -> Result<Self, GatewayProblem> {
        match config_file::read(config_path).await {
            Ok(Answer::Known(Some(config))) => Self::of(&config),
            Ok(Answer::Known(None) | Answer::AskOpenClaw) => Err(GatewayProblem::NotConfigured),
            Err(OpenClawError::ConfigUnusable { .. } | OpenClawError::ConfigSilent { .. }) | Err(_) => {
                Err(GatewayProblem::NotConfigured)
            }
        }
    }

    fn of(config: &Value) -> Result<Self, GatewayProblem> {
        let gateway = config.get("gateway").ok_or(GatewayProblem::NotConfigured)?;
        let port = config_file::port_of(gateway);
        // Whether `${NAME}` stands for something, and what an object points to, only OpenClaw knows.
        let token = gateway
            .pointer("/auth/token")
            .and_then(Value::as_str)
            .filter(|token| !token.is_empty() && !token.contains("${"))
            .ok_or(GatewayProblem::NoToken)?;
        Ok(Self {
            port,
            token: Secret::new(token),
        })
    }
}

/// Whether two paths lead to one file.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_plain_token_is_believed() {
        let access = Access::of(&json!({"gateway": {"port": 7, "auth": {"token": "TOK"}}})).expect("access");
        assert_eq!((access.port, access.token.expose()), (7, "TOK"));
        assert!(!format!("{access:?}").contains("TOK"));
        for auth in [
            json!({}),
            json!({"token": "${TOKEN}"}),
            json!({"token": {"source": "env", "id": "TOKEN"}}),
            json!({"token": ""}),
        ] {
            let refused = Access::of(&json!({"gateway": {"auth": auth}})).expect_err("no token");
            assert_eq!(refused, GatewayProblem::NoToken, "{auth}");
        }
        assert_eq!(
            Access::of(&json!({})).expect_err("no gateway"),
            GatewayProblem::NotConfigured
        );
    }
}
