//! Whom a gateway lets in, and what for.

use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::config::State;

const CLIENT_IDS: &[&str] = &[
    "cli",
    "gateway-client",
    "openclaw-probe",
    "test",
    "node-host",
    "webchat",
];

const PARAMS: &[&str] = &[
    "minProtocol",
    "maxProtocol",
    "client",
    "role",
    "scopes",
    "caps",
    "commands",
    "permissions",
    "auth",
    "locale",
    "userAgent",
    "device",
    "pathEnv",
];

const PROTOCOL: u64 = 4;

/// Closed as a policy wants it.
const CLOSE_POLICY: u16 = 1008;
/// Closed for a protocol that is not spoken.
const CLOSE_PROTOCOL: u16 = 1002;
/// Closed: come again later.
const CLOSE_LATER: u16 = 1013;

/// A `connect` that is not let in.
pub(super) struct Rejected {
    pub(super) refusal: Box<Refusal>,
    pub(super) code: u16,
    pub(super) reason: String,
}

impl Rejected {
    fn new(refusal: Refusal, code: u16) -> Self {
        let reason = refusal.message.clone();
        Self {
            refusal: Box::new(refusal),
            code,
            reason,
        }
    }

    pub(super) fn policy(refusal: Refusal) -> Self {
        Self::new(refusal, CLOSE_POLICY)
    }

    /// As during a start.
    pub(super) fn starting() -> Self {
        let refusal = Refusal::new("UNAVAILABLE", "gateway starting; retry shortly")
            .retry_after(500)
            .with_details(json!({ "reason": "startup-sidecars" }));
        Self {
            reason: "gateway starting".to_owned(),
            ..Self::new(refusal, CLOSE_LATER)
        }
    }
}

/// The scopes that a client gets.
pub(super) fn scopes(params: &Value, token: &str, is_up: bool) -> Result<Vec<String>, Rejected> {
    let invalid =
        |what: String| Rejected::policy(Refusal::invalid(format!("invalid connect params: {what}")));
    let given = params
        .as_object()
        .ok_or_else(|| invalid("must be object".to_owned()))?;
    if let Some(unknown) = given.keys().find(|name| !PARAMS.contains(&name.as_str())) {
        return Err(invalid(format!("at root: unexpected property '{unknown}'")));
    }
    let (id, mode) = (params["client"]["id"].as_str(), params["client"]["mode"].as_str());
    if !id.is_some_and(|id| CLIENT_IDS.contains(&id)) {
        return Err(invalid(
            "at /client/id: must be equal to one of the allowed values".to_owned(),
        ));
    }
    let limits = (params["minProtocol"].as_u64(), params["maxProtocol"].as_u64());
    let (Some(min), Some(max)) = limits else {
        return Err(invalid("must have required property 'minProtocol'".to_owned()));
    };
    if !(min..=max).contains(&PROTOCOL) {
        let details = json!({
            "code": "PROTOCOL_MISMATCH", "clientMinProtocol": min, "clientMaxProtocol": max,
            "expectedProtocol": PROTOCOL, "minimumProbeProtocol": 3,
        });
        let refusal = Refusal::invalid("protocol mismatch").with_details(details);
        return Err(Rejected::new(refusal, CLOSE_PROTOCOL));
    }
    if !is_up {
        return Err(Rejected::starting());
    }
    match params["auth"]["token"].as_str() {
        Some(given) if given == token => {}
        Some(_) => {
            let words = "unauthorized: gateway token mismatch (provide gateway auth token)";
            let details = json!({
                "code": "AUTH_TOKEN_MISMATCH", "authReason": "token_mismatch", "canRetryWithDeviceToken": false,
                "recommendedNextStep": "update_auth_credentials",
            });
            return Err(Rejected::policy(Refusal::invalid(words).with_details(details)));
        }
        None => {
            let refusal = Refusal::new("NOT_PAIRED", "device identity required")
                .with_details(json!({ "code": "DEVICE_IDENTITY_REQUIRED" }));
            return Err(Rejected::policy(refusal));
        }
    }
    // Others connect, and may do nothing.
    let is_trusted = matches!(
        (id, mode),
        (Some("gateway-client"), Some("backend")) | (Some("cli"), Some("cli"))
    );
    let asked = params["scopes"].as_array().filter(|_| is_trusted);
    let text = |scope: &Value| scope.as_str().map(ToOwned::to_owned);
    Ok(asked.into_iter().flatten().filter_map(text).collect())
}

/// The answer to a `connect` that is let in.
pub(super) fn hello(state: &State, scopes: &[String]) -> Value {
    json!({
        "type": "hello-ok", "protocol": PROTOCOL,
        "server": { "version": "2026.9.6", "connId": uuid::Uuid::new_v4() },
        "features": { "methods": super::rpc::METHODS, "events": ["health", "shutdown", "tick"] },
        "snapshot": { "configPath": state.config_path, "stateDir": state.dir, "authMode": "token" }, "auth": { "method": "token", "role": "operator", "scopes": scopes },
        "policy": { "maxPayload": 26_214_400, "maxBufferedBytes": 52_428_800, "tickIntervalMs": 30_000 },
    })
}
