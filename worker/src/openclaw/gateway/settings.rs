//! Which gateway, and how long it may take.

use std::path::PathBuf;
use std::time::Duration;

/// How long the steps of a conversation with the gateway may take.
#[derive(Debug, Clone, Copy)]
pub struct GatewayLimits {
    /// From the connection to the greeting: 60 ms when all is well, seconds while a first turn loads its code.
    pub connect: Duration,
    /// One request. A patch of 50 agents takes 3 s on an idle machine.
    pub call: Duration,
    /// Until an agent that was made is known to the whole gateway: up to 4 s have been seen.
    pub lag: Duration,
    /// Until a gateway that went away in the middle of something is back: a restart in its own process takes
    /// 5 s, a fresh start 8 to 26 s.
    pub downtime: Duration,
    /// Between two pings.
    pub ping_every: Duration,
    /// A connection on which nothing was heard for so long is dead. The gateway is silent for some seconds when
    /// it loads code.
    pub silence: Duration,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            call: Duration::from_secs(30),
            lag: Duration::from_secs(15),
            downtime: Duration::from_secs(20),
            ping_every: Duration::from_secs(10),
            silence: Duration::from_secs(35),
        }
    }
}

/// Which gateway: that of this configuration, on this machine.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// OPENCLAW_STATE_DIR.
    pub state_dir: PathBuf,
    /// OPENCLAW_CONFIG_PATH; port and token of the gateway are read from it.
    pub config_path: PathBuf,
    /// The user whose process the gateway must be, or it gets no token: the worker's own.
    pub user_id: u32,
    /// How long it may take.
    pub limits: GatewayLimits,
}

impl GatewaySettings {
    /// The usual limits, the worker's own user, and the configuration where OpenClaw has it in a state directory.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let state_dir = absolute(state_dir.into());
        Self {
            config_path: state_dir.join("openclaw.json"),
            state_dir,
            user_id: rustix::process::geteuid().as_raw(),
            limits: GatewayLimits::default(),
        }
    }
}
