//! `creel up` on the real parts, as a child process.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use creel_local::process;
use rustix::process::Signal;
use serde_json::Value;
use tokio::process::Child;

use crate::cluster::{built_program, tools};
use crate::wait::eventually_some;

/// Two runs of OpenClaw's command line on a busy machine.
pub const ONE_AGENT: Duration = Duration::from_secs(180);
/// Two installed programs start and a database is made.
pub const START: Duration = Duration::from_secs(60);
/// The real gateway on a busy machine.
const GATEWAY: Duration = Duration::from_secs(240);
/// The worker drains, PostgREST and Postgres end.
pub const STOP: Duration = Duration::from_secs(60);

/// A state folder with the programs from npm in it already.
pub async fn state_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("make a folder");
    let tools = tools();
    tools.own_openclaw().await.expect("install OpenClaw");
    tools.postgres().await.expect("install Postgres");
    tools.postgrest().await.expect("install PostgREST");
    std::os::unix::fs::symlink(tools.folder(), folder.path().join("tools")).expect("lend the programs");
    folder
}

/// The built `creel`.
pub fn creel() -> tokio::process::Command {
    process::command(built_program("creel").expect("creel is built"))
}

/// What `openclaw agents list` says.
pub async fn agents_in(openclaw: &str, state_dir: &str) -> Value {
    let mut list = process::command(openclaw);
    list.args(["agents", "list", "--json"])
        .env("OPENCLAW_STATE_DIR", state_dir);
    let said = process::run(&mut list, ONE_AGENT)
        .await
        .expect("list OpenClaw's agents");
    let begin = said.find('[').expect("a list");
    serde_json::from_str(&said[begin..]).expect("read OpenClaw's list")
}

/// `creel up` that stays; its environment file.
#[derive(Debug)]
pub struct Up {
    /// The process.
    pub child: Child,
    /// What it wrote to its environment file.
    pub env: Vec<(String, String)>,
}

impl Drop for Up {
    /// Also when the test fails, everything is stopped in its order.
    fn drop(&mut self) {
        self.press_ctrl_c();
        let begin = std::time::Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < STOP {
            std::thread::yield_now();
        }
    }
}

impl Up {
    /// Starts it, and waits until it has written its environment file.
    pub async fn start(state: &Path) -> Self {
        let env_file = state.join("env");
        let mut command = creel();
        let child = command
            .args(["up", "--state-dir"])
            .arg(state)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("start creel up");
        let text = eventually_some("creel up writes its environment", START, async || {
            std::fs::read_to_string(&env_file).ok()
        })
        .await;
        let env = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
            .collect();
        Self { child, env }
    }

    /// A value of its environment file.
    pub fn value(&self, name: &str) -> String {
        let found = self.env.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("{name} is written")).1.clone()
    }

    /// Stops it as a person does.
    pub fn press_ctrl_c(&self) {
        let pid = self
            .child
            .id()
            .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, Signal::INT).expect("press Ctrl-C");
        }
    }

    /// Runs the command line as a person would in another terminal; answers what it printed.
    pub async fn creel(&self, home: &Path, args: &[&str]) -> Value {
        creel_says(&self.env, home, args).await
    }
}

/// Runs the command line with this environment; answers what it printed.
pub async fn creel_says(env: &[(String, String)], home: &Path, args: &[&str]) -> Value {
    let mut command = creel();
    command
        .args(args)
        .arg("--json")
        .env("HOME", home)
        .envs(env.iter().cloned());
    command
        .env("XDG_STATE_HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .current_dir(home);
    let said = process::run(&mut command, ONE_AGENT)
        .await
        .unwrap_or_else(|e| panic!("creel {args:?}: {e:#}"));
    serde_json::from_str(said.lines().last().unwrap_or_default())
        .unwrap_or_else(|e| panic!("{args:?} {e}: {said}"))
}

/// Waits until the gateway that the worker keeps is ready, and is not this process; answers its process id.
pub async fn ready_gateway(state: &Path, not: Option<i32>) -> i32 {
    let http = creel_local::gateway::http::client().expect("make a client");
    eventually_some("the gateway is ready", GATEWAY, async || {
        let address = std::fs::read_to_string(state.join("worker/http.addr")).ok()?;
        let page = http
            .get(format!("http://{}/readyz", address.trim()))
            .send()
            .await
            .ok()?;
        let said: Value = page.json().await.ok()?;
        let gateway = &said["gateway"];
        let pid = i32::try_from(gateway["pid"].as_i64()?).ok()?;
        (gateway["ready"] == serde_json::json!(true) && Some(pid) != not).then_some(pid)
    })
    .await
}
