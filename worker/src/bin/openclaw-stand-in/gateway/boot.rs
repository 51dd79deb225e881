//! What is looked at before a gateway listens.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;

use serde_json::Value;

use super::patch::invalid;
use crate::config::State;

/// The gateway's port if the configuration names none.
const DEFAULT_PORT: u16 = 18_789;

/// Where it listens, and whom it lets in.
pub(super) struct Settings {
    pub(super) port: u16,
    pub(super) token: String,
}

/// The settings; or why there is no start, in the words of the real one.
pub(super) fn plan_start(state: &State, port: Option<u16>) -> io::Result<Result<Settings, String>> {
    if !state.config_path.exists() {
        return Ok(Err(
            "Missing config. Run `openclaw setup` or set gateway.mode=local (or pass \
                       --allow-unconfigured)."
                .to_owned(),
        ));
    }
    let text = std::fs::read_to_string(&state.config_path)?;
    // A broken file is reported as one without a mode, too.
    let config: Value = serde_json::from_str(&text).unwrap_or_default();
    let gateway = &config["gateway"];
    if gateway["mode"] != "local" {
        return Ok(Err(
            "Gateway start blocked: existing config is missing gateway.mode. Treat this as suspicious or \
             clobbered config. Re-run `openclaw onboard --mode local` or `openclaw setup`, set \
             gateway.mode=local manually, or pass --allow-unconfigured."
                .to_owned(),
        ));
    }
    if let Some(issue) = invalid(&config) {
        let path = state.config_path.display();
        return Ok(Err(format!(
            "Gateway failed to start: Invalid config at {path}:\nopenclaw.json:1 — {issue}\n\
             Run \"openclaw doctor --fix\" to repair, then retry."
        )));
    }
    let set = |name: &str| std::env::var_os(name)?.into_string().ok();
    let token = gateway["auth"]["token"].as_str().map(ToOwned::to_owned);
    let Some(token) = token.or_else(|| set("OPENCLAW_GATEWAY_TOKEN")) else {
        return Ok(Err("Refusing to bind gateway to auto without auth.".to_owned()));
    };
    let configured = || gateway["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    let port = port
        .or_else(|| set("OPENCLAW_GATEWAY_PORT")?.parse().ok())
        .or_else(configured);
    Ok(Ok(Settings {
        port: port.unwrap_or(DEFAULT_PORT),
        token,
    }))
}

/// The right to be the gateway of this state directory, until the file is closed; none if another one has it.
pub(super) fn take_lifecycle(state: &State) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(state.dir.join("stand-in-gateway.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
