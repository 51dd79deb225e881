//! A gateway that runs beside the worker, as a person or launchd runs it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use creel_tests::wait::eventually;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::station::Station;

/// The token of the gateways of these tests.
pub const TOKEN: &str = "of-the-tests-and-of-nobody-else";

/// The real one needs 8 s on an idle machine, and has been seen to need 26 s on a busy one.
const START_LIMIT: Duration = Duration::from_secs(90);

/// A gateway; killed when this is dropped.
pub struct Gateway {
    child: Child,
    program: PathBuf,
    state_dir: PathBuf,
    pub port: u16,
}

impl Gateway {
    /// Writes a configuration for it and starts it.
    pub async fn ready(station: &Station, program: &Path) -> Self {
        let port = write_config(station);
        let state_dir = station.home.openclaw_state();
        let gateway = Self {
            child: spawn(program, &state_dir),
            program: program.to_owned(),
            state_dir,
            port,
        };
        gateway.becomes_ready().await;
        gateway
    }

    pub async fn becomes_ready(&self) {
        let client = creel_local::gateway::http::client().expect("make a client");
        eventually("the gateway is ready", START_LIMIT, async || {
            let page = client.get(format!("http://127.0.0.1:{}/readyz", self.port));
            page.send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill9(&mut self) {
        // It may be gone already.
        let _gone = kill_process_group(self.pid(), Signal::KILL);
        self.child.wait().expect("wait for the gateway");
    }

    /// Waits until it was killed.
    pub async fn ended(&mut self, limit: Duration) {
        eventually("the gateway ends", limit, async || {
            matches!(self.child.try_wait(), Ok(Some(_)))
        })
        .await;
    }

    /// Starts it again after its end.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.program, &self.state_dir);
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).expect("a process id")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill9();
        }
    }
}

/// A configuration with which the stand-in and the real one start; answers the port.
pub fn write_config(station: &Station) -> u16 {
    let port = creel_local::ports::free_port().expect("a port is free");
    let state_dir = station.home.openclaw_state();
    let model = json!({
        "id": "none-1", "name": "None", "contextWindow": 32_000, "maxTokens": 2_048, "input": ["text"],
        "reasoning": false, "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 },
    });
    let config = json!({
        "gateway": {
            "mode": "local", "bind": "loopback", "port": port, "auth": { "mode": "token", "token": TOKEN },
            "controlUi": { "enabled": false },
        },
        "discovery": { "mdns": { "mode": "off" } },
        "update": { "checkOnStart": false },
        "logging": { "file": state_dir.join("gateway-file.log") },
        "models": { "mode": "replace", "providers": { "none": {
            "baseUrl": "http://127.0.0.1:9/v1", "apiKey": "sk-none", "api": "openai-completions", "models": [model],
        } } },
        "agents": {
            "ownership": "explicit",
            "defaults": { "model": { "primary": "none/none-1" }, "systemAgent": { "agentId": "main" } },
            "entries": { "main": { "name": "Main", "workspace": state_dir.join("workspace") } },
        },
        "plugins": { "allow": ["admin-http-rpc"], "entries": { "admin-http-rpc": { "enabled": true } } },
    });
    fs::write(config_path(station), format!("{config:#}\n")).expect("write the configuration");
    port
}

pub fn config_path(station: &Station) -> PathBuf {
    station.home.openclaw_state().join("openclaw.json")
}

/// The whole configuration.
pub fn config(station: &Station) -> Value {
    let text = fs::read_to_string(config_path(station)).expect("read the configuration");
    serde_json::from_str(&text).expect("the configuration is whole")
}

/// It is none of the worker's children, so it has another HOME.
fn spawn(program: &Path, state_dir: &Path) -> Child {
    let path = state_dir.with_file_name("gateway-beside.log");
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("open the log");
    Command::new(program)
        .args(["gateway", "run"])
        .env("OPENCLAW_STATE_DIR", state_dir)
        .env("OPENCLAW_CONFIG_PATH", state_dir.join("openclaw.json"))
        .env("OPENCLAW_DISABLE_BONJOUR", "1")
        .env("OPENCLAW_NO_RESPAWN", "1")
        .env("OPENCLAW_SKIP_CHANNELS", "1")
        .env("OPENCLAW_NO_AUTO_UPDATE", "1")
        .env("HOME", state_dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("share the log"))
        .stderr(log)
        .process_group(0)
        .spawn()
        .expect("start the gateway")
}
