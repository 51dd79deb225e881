//! On a host whose worker systemd runs, each service gets a unit of its own: it neither ends with the worker nor lives
//! in the worker's sandbox, its memory is told apart from the worker's, and what it starts can be ended whole.
//!
//! A scope would not do: what is started in one is still the worker's child, and inherits its sandbox.

mod plan;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tracing::warn;

use self::plan::{environment, plan_args, plan_ended, unit_base, unit_in};
use super::runner::inherited;
use super::service::{Ended, Service};

/// systemd answers at once; on a busy machine it waits for a processor like everybody.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// How often it is looked whether the program still runs, where the system does not tell; it is nobody's child here.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often it is looked whether systemd has heard of the end of what has ended.
const REAP_LOOK: Duration = Duration::from_millis(50);

/// What systemd allows between SIGTERM and SIGKILL when the whole machine stops.
const STOP_SECS: u32 = 20;

/// All agents of a host can be bounded together: `systemctl --user set-property creel-agents.slice MemoryMax=…`.
const SLICE: &str = "creel-agents.slice";

/// Units of services begin so.
const PREFIX: &str = "creel-";

/// Tells the units of two starts of one service apart.
const SUFFIX_CHARS: usize = 8;

/// The manager in which services get their units.
#[derive(Debug, Clone)]
pub(super) struct Units {
    systemd_run: PathBuf,
    systemctl: PathBuf,
    /// Where a person's manager is; none for the machine's, which only root may use.
    runtime_dir: Option<PathBuf>,
}

/// A service in a unit.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    units: Units,
    name: String,
    pid: u32,
    ended: Arc<OnceLock<Ended>>,
}

/// Why there is no unit.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotStarted {
    /// systemd was not asked: nothing has been done.
    #[error(transparent)]
    NotAsked(io::Error),
    /// systemd was asked; nothing of it is left.
    #[error(transparent)]
    Failed(io::Error),
}

impl Units {
    /// Finds the manager, if it is one that started this worker: what a person runs in a terminal ends with that
    /// person's session, and a unit would end before it or after.
    pub(super) fn of_this_worker() -> Option<Self> {
        let started = std::env::var_os("SYSTEMD_EXEC_PID")?;
        if started.to_str()?.parse::<u32>().ok()? != std::process::id() {
            return None;
        }
        let runtime_dir = if rustix::process::getuid().is_root() {
            None
        } else {
            let folder = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
            // It is there while that person's manager runs.
            let listens = |name: &str| folder.join(name).exists();
            if !listens("systemd/private") && !listens("bus") {
                return None;
            }
            Some(folder)
        };
        Self::with(&std::env::var_os("PATH")?, runtime_dir)
    }

    /// With the programs of this PATH.
    fn with(path: &OsStr, runtime_dir: Option<PathBuf>) -> Option<Self> {
        let find = |name: &str| {
            let mut folders = std::env::split_paths(path);
            folders.find_map(|folder| Some(folder.join(name)).filter(|program| program.is_file()))
        };
        Some(Self {
            systemd_run: find("systemd-run")?,
            systemctl: find("systemctl")?,
            runtime_dir,
        })
    }

    /// Starts a service, and waits until its program is at work in place of systemd's.
    pub(super) async fn start(&self, service: &Service) -> Result<Unit, NotStarted> {
        let is_path = service.program.components().count() > 1;
        if is_path && !tokio::fs::try_exists(&service.program).await.unwrap_or(true) {
            return Err(NotStarted::Failed(io::ErrorKind::NotFound.into()));
        }
        let base = unit_base(service.mark.as_str());
        // What an earlier start of it left to be looked at.
        self.forget(&format!("{base}-*")).await;
        let random = uuid::Uuid::new_v4().simple().to_string();
        let name = format!(
            "{base}-{}.service",
            random.get(..SUFFIX_CHARS).unwrap_or_default()
        );
        let env = environment(service);
        let mut command = self.command(&self.systemd_run);
        command
            .envs(env.iter().map(|(name, value)| (name, value)))
            .args(plan_args(service, &name, &env));
        let asked = begin(command).map_err(NotStarted::NotAsked)?;
        let pid = match self.leader(asked, &name, service).await {
            Ok(pid) => pid,
            Err(error) => {
                // It may be at work all the same, and nobody would know of it.
                self.stop(&name).await;
                return Err(NotStarted::Failed(error));
            }
        };
        let unit = Unit {
            units: self.clone(),
            name,
            pid,
            ended: Arc::default(),
        };
        tokio::spawn(unit.clone().watch());
        Ok(unit)
    }

    /// The process of a unit that systemd was asked for.
    async fn leader(&self, asked: Asked, name: &str, service: &Service) -> io::Result<u32> {
        asked.answer().await?;
        // It is known of one that has failed meanwhile, too.
        let pid = self.show(name, "ExecMainPID").await?;
        let pid = pid.parse::<u32>().ok().filter(|&pid| pid != 0);
        pid.ok_or_else(|| {
            let log = service.log.display();
            io::Error::other(format!("it ended as soon as it began; see {log}"))
        })
    }

    /// Ends a unit whatever state it is in.
    async fn stop(&self, name: &str) {
        kill_unit(self, name).await;
        let mut command = self.command(&self.systemctl);
        command.args(["stop", name]);
        // Mostly there is none.
        let _none = answer(command).await;
        self.forget(name).await;
    }

    fn command(&self, program: &Path) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the home of that call")]
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(inherited())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        match &self.runtime_dir {
            Some(folder) => {
                command.env("XDG_RUNTIME_DIR", folder).arg("--user");
            }
            None => {
                command.arg("--system");
            }
        }
        command
    }

    /// One property of a unit.
    async fn show(&self, name: &str, property: &str) -> io::Result<String> {
        let mut command = self.command(&self.systemctl);
        command.args(["show", "--value", "--property", property, name]);
        answer(command).await
    }

    async fn forget(&self, name: &str) {
        let mut command = self.command(&self.systemctl);
        command.args(["reset-failed", name]);
        // Mostly there is none.
        let _none = answer(command).await;
    }
}

impl Unit {
    /// The process that was started.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended; none while it runs.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.get().copied()
    }

    /// Kills all that is in the unit.
    pub(super) async fn kill(&self) {
        kill_unit(&self.units, &self.name).await;
    }

    async fn watch(self) {
        let process = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(process) = process {
            let pause = match told_of_end(process).await {
                true => REAP_LOOK,
                false => LOOK_EVERY,
            };
            while test_kill_process(process).is_ok() {
                sleep(pause).await;
            }
        }
        let how = async {
            // A unit that is gone ended well: one that failed is kept for this question.
            let code = self.units.show(&self.name, "ExecMainCode").await?;
            let status = self.units.show(&self.name, "ExecMainStatus").await?;
            io::Result::Ok(plan_ended(&code, &status))
        };
        let ended = how.await.unwrap_or(Ended::Unknown);
        self.units.forget(&self.name).await;
        // Nobody else sets it.
        let _first = self.ended.set(ended);
    }
}

/// Waits until a process has ended; at once false where the system does not tell.
#[cfg(target_os = "linux")]
async fn told_of_end(process: Pid) -> bool {
    use rustix::process::{PidfdFlags, pidfd_open};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    let Ok(process) = pidfd_open(process, PidfdFlags::empty()) else {
        return false;
    };
    #[expect(
        deprecated,
        reason = "the one in its place is unsafe; this owns what it registers"
    )]
    let Ok(process) = AsyncFd::with_interest(process, Interest::READABLE) else {
        return false;
    };
    process.readable().await.is_ok()
}

/// Only Linux has systemd.
#[cfg(not(target_os = "linux"))]
async fn told_of_end(_process: Pid) -> bool {
    std::future::ready(false).await
}

/// Kills what is in the unit of a process that an earlier worker started.
pub(super) async fn kill_unit_of(pid: u32) {
    let name = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
    let name = name.ok().and_then(|text| unit_in(&text));
    if let (Some(name), Some(units)) = (name, Units::of_this_worker()) {
        kill_unit(&units, &name).await;
    }
}

async fn kill_unit(units: &Units, name: &str) {
    let mut command = units.command(&units.systemctl);
    command.args(["kill", "--signal=KILL", name]);
    // It may be gone already.
    let _gone = answer(command).await;
}

/// One of systemd's programs at work.
struct Asked {
    program: String,
    child: Child,
}

fn begin(mut command: Command) -> io::Result<Asked> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    Ok(Asked { program, child })
}

impl Asked {
    /// What it says; an error is what it complained about.
    async fn answer(self) -> io::Result<String> {
        let program = self.program;
        let output = timeout(CALL_LIMIT, self.child.wait_with_output())
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("{program} does not answer")))??;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(io::Error::other(format!("{program}: {}", text(&output.stderr))))
    }
}

/// Runs it to its end.
async fn answer(command: Command) -> io::Result<String> {
    begin(command)?.answer().await
}

/// Starts a service in a unit, where this worker is systemd's; none where it is not, or systemd cannot be asked.
pub(super) async fn start_in_unit(service: &Service) -> io::Result<Option<Unit>> {
    let Some(units) = Units::of_this_worker() else {
        return Ok(None);
    };
    match units.start(service).await {
        Ok(unit) => Ok(Some(unit)),
        Err(NotStarted::NotAsked(error)) => {
            warn!(%error, "failed to ask for a unit, it is started beside the worker instead: {error}");
            Ok(None)
        }
        Err(NotStarted::Failed(error)) => Err(error),
    }
}
