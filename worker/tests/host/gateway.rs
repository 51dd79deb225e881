//! A gateway that runs beside a test's host: the stand-in's or the real one.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Host, PATIENCE};

/// The token of every gateway of these tests.
pub(crate) const TOKEN: &str = "of-the-tests-and-of-nobody-else";

/// The real one needs 8 s on an idle machine, and has been seen to need 26 s on a busy one.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How often a page or the end of a process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A gateway; killed when this is dropped.
pub(crate) struct Gateway {
    child: Child,
    program: PathBuf,
    state_dir: PathBuf,
    log: PathBuf,
    pub(crate) port: u16,
}

impl Gateway {
    /// Writes a configuration for it and starts it.
    pub(crate) async fn ready(host: &Host) -> Self {
        let gateway = Self::begin(host, &json!({}));
        gateway.becomes_ready().await;
        gateway
    }

    /// The same with this merged into the configuration's first level, and without waiting.
    pub(crate) fn begin(host: &Host, more: &Value) -> Self {
        let port = free_port();
        write_config(host, port, more);
        Self::start(host, port)
    }

    /// Starts it with the configuration that is there.
    pub(crate) fn start(host: &Host, port: u16) -> Self {
        let log = host.path().join("gateway.log");
        let (program, state_dir) = (host.program.clone(), host.state_dir());
        Self {
            child: spawn(&program, &state_dir, &log),
            program,
            state_dir,
            log,
            port,
        }
    }

    /// Starts it again after its end.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.program, &self.state_dir, &self.log);
    }

    pub(crate) async fn becomes_ready(&self) {
        let begin = Instant::now();
        while !is_ready(self.port).await {
            assert!(
                begin.elapsed() < START_LIMIT,
                "the gateway is not ready; its log:\n{}",
                self.log()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Everything that it has printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).expect("a process id")
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill9(&mut self) {
        // It may be gone already.
        let _gone = kill_process(self.pid(), Signal::KILL);
        self.child.wait().expect("wait for the gateway");
    }

    /// SIGTERM.
    pub(crate) fn term(&self) {
        kill_process(self.pid(), Signal::TERM).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for the gateway") {
                return status;
            }
            assert!(
                begin.elapsed() < limit,
                "the gateway does not end; its log:\n{}",
                self.log()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // With its helpers, which would go by themselves a little later.
            let _gone = kill_process_group(self.pid(), Signal::KILL);
            let _status = self.child.wait();
        }
    }
}

/// A configuration with which both start: as small as can be, and with nothing that needs the network.
pub(crate) fn write_config(host: &Host, port: u16, more: &Value) {
    let state_dir = host.state_dir();
    let model = json!({
        "id": "none-1", "name": "None", "contextWindow": 32_000, "maxTokens": 2_048, "input": ["text"],
        "reasoning": false, "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 },
    });
    let mut config = json!({
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
    let first_level = config.as_object_mut().expect("it is written as an object above");
    first_level.extend(more.as_object().cloned().unwrap_or_default());
    std::fs::create_dir_all(&state_dir).expect("make the state directory");
    std::fs::write(host.config_path(), format!("{config:#}\n")).expect("write the configuration");
}

/// A port that nobody has right now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("take a port");
    listener.local_addr().expect("it has an address").port()
}

/// Status and JSON of a page; none if nobody answers with JSON.
pub(crate) async fn page(port: u16, path: &str) -> Option<(u16, Value)> {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        // Its length may stand before the body, and a zero after it.
        let body = &answer[answer.find("\r\n\r\n")?..];
        let body = &body[body.find('{')?..=body.rfind('}')?];
        Some((status, serde_json::from_str(body).ok()?))
    };
    tokio::time::timeout(PATIENCE, ask).await.ok()?
}

async fn is_ready(port: u16) -> bool {
    page(port, "/readyz")
        .await
        .is_some_and(|(status, body)| status == 200 && body["ready"] == true)
}

fn spawn(program: &PathBuf, state_dir: &PathBuf, log: &PathBuf) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
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
        .env_remove("OPENCLAW_GATEWAY_PORT")
        .env_remove("OPENCLAW_GATEWAY_TOKEN")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("share the log"))
        .stderr(log)
        .process_group(0)
        .spawn()
        .expect("start the gateway")
}
