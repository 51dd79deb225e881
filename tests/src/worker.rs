//! `creel worker` as a child process.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
use tempfile::TempDir;
use uuid::Uuid;

use crate::cluster::built_program;
use crate::wait::eventually_some;

/// Marks a worker. It does not hand this on: what it starts is known by the HOME that it has in common.
const MARK: &str = "CREEL_TEST_WORKER";

/// How often the end of a process is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a worker is started. Its folders are in one that outlives it, for the next worker of the host.
#[derive(Debug)]
pub struct WorkerHome {
    folder: TempDir,
}

/// What a worker is told.
#[derive(Debug, Clone)]
pub struct WorkerSetup {
    /// Connection string of the host's login role; empty for a host that has none.
    pub database_url: String,
    /// The `openclaw` that it runs.
    pub openclaw: PathBuf,
    /// Further environment, which wins over what the harness sets.
    pub env: Vec<(String, String)>,
    /// Further arguments of `creel worker`.
    pub args: Vec<String>,
    /// Parts of WARN and ERROR lines that the test expects.
    pub allowed: Vec<String>,
}

impl WorkerSetup {
    /// A worker with the defaults of the product.
    pub fn new(database_url: impl Into<String>, openclaw: impl Into<PathBuf>) -> Self {
        Self {
            database_url: database_url.into(),
            openclaw: openclaw.into(),
            env: Vec::new(),
            args: Vec::new(),
            allowed: Vec::new(),
        }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Expects WARN and ERROR lines that have this text.
    #[must_use]
    pub fn allow(mut self, text: &str) -> Self {
        self.allowed.push(text.to_owned());
        self
    }
}

impl WorkerHome {
    /// New, empty folders.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("creel-worker-")
            .tempdir()
            .context("make a home")?;
        Ok(Self { folder })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// OpenClaw's state folder.
    pub fn openclaw_state(&self) -> PathBuf {
        self.path().join("openclaw")
    }

    /// The folder that workspaces are made in.
    pub fn workspaces(&self) -> PathBuf {
        self.path().join("workspaces")
    }

    /// What the worker itself keeps.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Processes that workers of this home have started, directly or not, and that still run.
    pub fn children(&self) -> Vec<u32> {
        let home = format!("HOME={}", self.path().display());
        processes(|environment| {
            let has = |wanted: &str| environment.iter().any(|entry| entry.starts_with(wanted));
            environment.iter().any(|entry| *entry == home) && !has(MARK)
        })
    }

    /// Starts a worker in this home.
    pub fn start(&self, setup: &WorkerSetup) -> Result<WorkerProcess> {
        let mark = Uuid::new_v4().to_string();
        let log = self.path().join(format!("worker-{mark}.log"));
        let file = fs::File::create(&log).context("make the worker's log")?;
        let mut command = Command::new(built_program("creel")?);
        command.arg("worker").args(&setup.args).env_remove("DATABASE_URL");
        if !setup.database_url.is_empty() {
            command.env("DATABASE_URL", &setup.database_url);
        }
        command
            .env("CREEL_OPENCLAW", &setup.openclaw)
            .env("CREEL_OPENCLAW_STATE_DIR", self.openclaw_state())
            .env("CREEL_WORKSPACE_ROOT", self.workspaces())
            .env("CREEL_DATA_DIR", self.data())
            .env("CREEL_HTTP_LISTEN", "127.0.0.1:0")
            .env("CREEL_LOG", "info")
            .env("HOME", self.path())
            .env(MARK, &mark)
            .envs(setup.env.iter().cloned())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("make the worker's log")?)
            .stderr(file)
            .process_group(0);
        let child = command.spawn().context("start the worker")?;
        Ok(WorkerProcess {
            child,
            log,
            mark,
            allowed: setup.allowed.clone(),
        })
    }
}

impl Drop for WorkerHome {
    fn drop(&mut self) {
        kill_all(&self.children());
    }
}

/// A worker. When it is dropped it is killed, and the test fails if it logged a WARN or ERROR that was
/// not expected. What it started is killed with its home.
#[derive(Debug)]
pub struct WorkerProcess {
    child: Child,
    log: PathBuf,
    mark: String,
    allowed: Vec<String>,
}

impl WorkerProcess {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for a line of the log that has `text`, and returns it; panics at the limit.
    pub async fn logged(&self, text: &str, limit: Duration) -> String {
        let line = async || {
            self.log()
                .lines()
                .find(|line| line.contains(text))
                .map(ToOwned::to_owned)
        };
        eventually_some(&format!("the worker logs {text:?}"), limit, line).await
    }

    /// Expects WARN and ERROR lines that have this text, from now on and before.
    pub fn allow(&mut self, text: &str) {
        self.allowed.push(text.to_owned());
    }

    /// SIGKILL: it gets no chance to tidy up. What it started goes on.
    pub fn kill9(&mut self) -> Result<ExitStatus> {
        self.child.kill().context("kill the worker")?;
        self.child.wait().context("wait for the killed worker")
    }

    /// SIGTERM: drain.
    pub fn term(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: freeze, as a laptop that sleeps.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: wake.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// Any signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = as_pid(self.child.id()) {
            let _already_gone = kill_process(pid, signal);
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end; panics with its log at the limit.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("wait for the worker")? {
                return Ok(status);
            }
            assert!(
                begin.elapsed() < limit,
                "the worker did not end within {} ms; its log:\n{}",
                limit.as_millis(),
                self.log()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// WARN and ERROR lines that the test does not expect.
    pub fn unexpected_lines(&self) -> Vec<String> {
        let log = self.log();
        let loud = log.lines().filter(|line| is_loud(line));
        loud.filter(|line| !self.allowed.iter().any(|text| line.contains(text)))
            .map(ToOwned::to_owned)
            .collect()
    }
}

/// Running processes whose environment is as wanted, but for what has ended and was not waited for.
fn processes(wanted: impl Fn(&[std::borrow::Cow<'_, str>]) -> bool) -> Vec<u32> {
    let Ok(mut system) = System::new() else {
        return Vec::new();
    };
    let environ = ProcessRefreshKind::nothing()
        .with_environ(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, environ);
    let found = system.processes().values().filter(|process| {
        let environment: Vec<_> = process
            .environ()
            .iter()
            .map(|entry| entry.to_string_lossy())
            .collect();
        process.status() != sysinfo::ProcessStatus::Zombie && wanted(&environment)
    });
    found.map(|process| process.pid().as_u32()).collect()
}

fn kill_all(pids: &[u32]) {
    for pid in pids.iter().filter_map(|&pid| as_pid(pid)) {
        let _already_gone = kill_process(pid, Signal::KILL);
    }
}

fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(pid.cast_signed())
}

/// JSON lines carry their level as a field; a panic is no JSON at all.
fn is_loud(line: &str) -> bool {
    [
        r#""level":"WARN""#,
        r#""level":"ERROR""#,
        " WARN ",
        " ERROR ",
        "panicked at",
    ]
    .iter()
    .any(|sign| line.contains(sign))
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        if let Some(pid) = as_pid(self.child.id()) {
            if self.is_running() {
                let _already_gone = kill_process_group(pid, Signal::KILL);
            }
            let _status = self.child.wait();
        }
        let mark = format!("{MARK}={}", self.mark);
        kill_all(&processes(|environment| {
            environment.iter().any(|entry| *entry == mark)
        }));
        let unexpected = self.unexpected_lines();
        // The log is in a folder that is removed, and the reader of a failure needs it.
        #[expect(clippy::print_stderr, reason = "the test runner shows it with a failed test")]
        if std::thread::panicking() {
            eprintln!("--- log of the worker {}\n{}", self.child.id(), self.log());
        } else {
            assert!(
                unexpected.is_empty(),
                "the worker logged what the test does not expect:\n{}",
                unexpected.join("\n")
            );
        }
    }
}
