//! The real OpenClaw with its gateway up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use creel_core::secret::Secret;
use creel_local::{ports, process};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use uuid::Uuid;

use crate::program::Program;
use crate::stage::Stage;

/// It is ready after 8 to 26 s; a loaded machine gets more.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// How often it is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// One run of its command line takes 5 to 15 s.
const RUN_LIMIT: Duration = Duration::from_secs(90);

/// OpenClaw in folders of its own, and its gateway.
#[derive(Debug)]
pub struct OpenClaw {
    /// Its program.
    pub program: PathBuf,
    /// Its home, with all its folders.
    pub home: PathBuf,
    gateway: Program,
}

impl OpenClaw {
    /// Installs it where it is missing, and starts its gateway.
    pub async fn start(stage: &Stage) -> Result<Self> {
        let program = stage.tools().own_openclaw().await?;
        let home = stage.new_folder("openclaw")?;
        let port = ports::free_port()?;
        fs::create_dir_all(state(&home)).context("make OpenClaw's folder")?;
        let token = Secret::new(Uuid::new_v4().simple().to_string());
        let config = json!({
            "gateway": {
                "mode": "local", "bind": "loopback", "port": port,
                "auth": { "mode": "token", "token": token.expose() }, "controlUi": { "enabled": false },
            },
            "discovery": { "mdns": { "mode": "off" } },
            "update": { "checkOnStart": false },
            "agents": { "defaults": { "skipBootstrap": true } },
        });
        fs::write(state(&home).join("openclaw.json"), config.to_string())
            .context("write OpenClaw's configuration")?;
        let mut command = command(&program, &home);
        command.args(["gateway", "run"]);
        // It logs to standard output, and nobody reads that.
        let log = fs::File::create(home.join("gateway.log")).context("make the gateway's log")?;
        command.stderr(log.try_clone().context("make the gateway's log")?);
        let gateway = Program::start_logged(&mut command, log)?;
        let begin = Instant::now();
        while !is_ready(port).await {
            if begin.elapsed() > READY_LIMIT {
                bail!(
                    "OpenClaw's gateway was not ready within {} s; it said:\n{}",
                    READY_LIMIT.as_secs(),
                    process::log_tail(&home.join("gateway.log"))
                );
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(Self {
            program,
            home,
            gateway,
        })
    }

    /// Its state folder.
    pub fn state(&self) -> PathBuf {
        state(&self.home)
    }

    /// A folder for workspaces.
    pub fn workspaces(&self, whose: &str) -> PathBuf {
        self.home.join("workspaces").join(whose)
    }

    /// Gives a program what OpenClaw's own need of the environment.
    pub fn give_environment(&self, command: &mut Command) {
        give_environment(command, &self.home);
    }

    /// Runs `openclaw agents add`, and says how long that took.
    pub async fn add(&self, id: &str) -> Result<Duration> {
        let mut command = command(&self.program, &self.home);
        command
            .args(["agents", "add", id, "--non-interactive", "--json", "--workspace"])
            .arg(self.workspaces("added").join(id));
        let begin = Instant::now();
        process::run(&mut command, RUN_LIMIT).await?;
        Ok(begin.elapsed())
    }

    /// Stops the gateway.
    pub async fn stop(self) -> Result<()> {
        self.gateway.stop().await
    }
}

fn state(home: &Path) -> PathBuf {
    home.join(".openclaw")
}

fn command(program: &Path, home: &Path) -> Command {
    let mut command = process::command(program);
    give_environment(&mut command, home);
    command.current_dir(home).stderr(Stdio::null());
    command
}

fn give_environment(command: &mut Command, home: &Path) {
    command
        .env("HOME", home)
        .env("OPENCLAW_STATE_DIR", state(home))
        .env("OPENCLAW_DISABLE_BONJOUR", "1")
        .env("OPENCLAW_NO_RESPAWN", "1")
        .env("OPENCLAW_SKIP_CHANNELS", "1")
        .env("OPENCLAW_NO_AUTO_UPDATE", "1");
}

/// With its page switched off, `/readyz` says 200 when it is ready and 503 before.
async fn is_ready(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer.contains(r#""ready":true"#))
    };
    matches!(
        tokio::time::timeout(Duration::from_secs(5), ask).await,
        Ok(Ok(true))
    )
}
