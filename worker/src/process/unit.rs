//! On a host whose worker systemd runs, each service gets a unit of its own: it neither ends with the worker nor lives
//! in the worker's sandbox, its memory is told apart from the worker's, and what it starts can be ended whole.
//!
//! A scope would not do: what is started in one is still the worker's child, and inherits its sandbox.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::mark::MARK_VARIABLE;
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

/// The service's unit among the groups of a process.
fn unit_in(groups: &str) -> Option<String> {
    let names = groups.lines().filter_map(|line| line.rsplit('/').next());
    let is_ours = |name: &&str| {
        name.starts_with(PREFIX)
            && name.ends_with(".service")
            && name.len() > PREFIX.len() + SUFFIX_CHARS
            && *name != "creel-worker.service"
    };
    names.filter(is_ours).map(str::to_owned).next()
}

/// `creel-agent-<id>` of `<hash>.service.agent-<id>`.
fn unit_base(mark: &str) -> String {
    let name = mark.rsplit('.').next().unwrap_or(mark);
    format!("{PREFIX}{name}")
}

fn environment(service: &Service) -> Vec<(OsString, OsString)> {
    let inherited = inherited().map(|(name, value)| (OsString::from(name), value));
    let mut all: Vec<(OsString, OsString)> = inherited.collect();
    let own = service.env.iter().cloned();
    let mark = (MARK_VARIABLE.into(), service.mark.as_str().into());
    for (name, value) in own.chain([mark]) {
        all.retain(|(known, _)| *known != name);
        all.push((name, value));
    }
    all
}

/// What systemd-run is told. Variables are named only: other users can read a command line.
fn plan_args(service: &Service, name: &str, env: &[(OsString, OsString)]) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut option = |name: &str, value: &OsStr| {
        let mut text = OsString::from(name);
        text.push(value);
        args.push(text);
    };
    option("--quiet", OsStr::new(""));
    option("--unit=", OsStr::new(name));
    option("--slice=", OsStr::new(SLICE));
    option("--service-type=exec", OsStr::new(""));
    option("--working-directory=/", OsStr::new(""));
    for (name, _) in env {
        option("--setenv=", name);
    }
    for property in ["StandardOutput=append:", "StandardError=append:"] {
        option(&format!("--property={property}"), service.log.as_os_str());
    }
    // One process that runs out of memory ends alone; who keeps the service decides about the rest.
    for property in [
        "OOMPolicy=continue".to_owned(),
        "UMask=0077".to_owned(),
        format!("TimeoutStopSec={STOP_SECS}"),
    ] {
        option("--property=", OsStr::new(&property));
    }
    args.push("--".into());
    args.push(service.program.clone().into());
    args.extend(service.args.iter().map(|arg| unexpanded(arg)));
    args
}

/// systemd expands variables in arguments.
fn unexpanded(arg: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::with_capacity(arg.len());
    for &byte in arg.as_bytes() {
        bytes.push(byte);
        if byte == b'$' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

/// systemd's words: 1 is "exited", with a code; 2 and 3 are "killed" and "dumped", with a signal.
fn plan_ended(code: &str, status: &str) -> Ended {
    const EXIT_CODE_SHIFT: i32 = 8;
    let status = status.parse::<i32>().unwrap_or_default();
    match code {
        // Nothing is known of a unit that is gone, as it ended well.
        "1" | "0" | "" => Ended::Told(ExitStatus::from_raw(status << EXIT_CODE_SHIFT)),
        "2" | "3" => Ended::Told(ExitStatus::from_raw(status)),
        _ => Ended::Unknown,
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use uuid::Uuid;

    use super::super::mark::Mark;
    use super::*;

    fn service(folder: &Path, program: &str, args: &[&str]) -> Service {
        Service {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            env: vec![
                ("PATH".into(), "/usr/bin:/bin".into()),
                ("KEY".into(), "a secret".into()),
            ],
            log: folder.join("log"),
            mark: Mark::new(folder, Uuid::new_v4()).of_service("agent-7"),
        }
    }

    #[test]
    fn no_value_of_a_variable_is_on_the_command_line() {
        let service = service(Path::new("/x"), "/bin/claw", &["gateway", "$HOME"]);
        let env = environment(&service);
        assert_eq!(env.iter().filter(|(name, _)| name == "PATH").count(), 1);
        let args = plan_args(&service, "creel-agent-7-00000000.service", &env);
        let line = args.join(OsStr::new(" ")).into_string().expect("text");
        assert!(
            line.contains("--setenv=KEY ") && !line.contains("secret"),
            "{line}"
        );
        assert!(line.ends_with("-- /bin/claw gateway $$HOME"), "{line}");
    }

    #[test]
    fn a_unit_is_found_by_the_process_in_it() {
        let groups = "4:memory:/user.slice/creel-agents.slice/creel-agent-7-0a1b2c3d.service\n\
                      0::/creel-agents.slice/creel-agent-7-0a1b2c3d.service\n";
        assert_eq!(unit_in(groups).as_deref(), Some("creel-agent-7-0a1b2c3d.service"));
        for other in [
            "0::/user.slice/app.slice/creel-worker.service\n",
            "0::/\n",
            "0::/x/nginx.service\n",
        ] {
            assert_eq!(unit_in(other), None, "{other}");
        }
    }

    #[test]
    fn an_end_is_told_by_code_or_signal() {
        let code = |ended| match ended {
            Ended::Told(status) => (status.code(), status.signal()),
            Ended::Unknown => (None, None),
        };
        assert_eq!(code(plan_ended("1", "78")), (Some(78), None));
        assert_eq!(code(plan_ended("2", "9")), (None, Some(9)));
        assert_eq!(code(plan_ended("0", "0")), (Some(0), None));
        assert_eq!(plan_ended("what", "0"), Ended::Unknown);
    }

    #[tokio::test]
    async fn a_systemd_that_refuses_is_an_error_with_its_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let calls = folder.path().join("calls");
        let systemctl = format!("#!/bin/sh\necho \"$*\" >> '{}'\n", calls.display());
        for (name, script) in [
            ("systemd-run", "#!/bin/sh\necho \"No such manager\" >&2\nexit 1\n"),
            ("systemctl", systemctl.as_str()),
        ] {
            let program = folder.path().join(name);
            std::fs::write(&program, script).expect("write");
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        let units =
            Units::with(folder.path().as_os_str(), Some(folder.path().to_owned())).expect("both are there");
        let error = units
            .start(&service(folder.path(), "sleep", &["1"]))
            .await
            .expect_err("it refuses");
        assert!(error.to_string().contains("No such manager"), "{error}");
        assert!(matches!(error, NotStarted::Failed(_)), "systemd was asked");
        let calls = std::fs::read_to_string(&calls).expect("it was called");
        assert!(
            calls.contains(" stop creel-agent-7-"),
            "nothing of it is left: {calls}"
        );
    }

    #[tokio::test]
    async fn a_systemd_that_cannot_be_asked_has_done_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let units = Units {
            systemd_run: folder.path().join("systemd-run"),
            systemctl: folder.path().join("systemctl"),
            runtime_dir: Some(folder.path().to_owned()),
        };
        let started = units.start(&service(folder.path(), "sleep", &["1"])).await;
        assert!(matches!(started, Err(NotStarted::NotAsked(_))));
    }

    #[tokio::test]
    async fn an_end_is_heard_of_without_looking() {
        #[expect(clippy::disallowed_methods, reason = "a test's own program, ended by it")]
        let mut child = Command::new("sleep")
            .arg("600")
            .kill_on_drop(true)
            .spawn()
            .expect("start it");
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let told = tokio::spawn(told_of_end(pid.expect("it runs")));
        child.start_kill().expect("kill it");
        let told = timeout(LIMIT, told).await.expect("it is told").expect("no panic");
        // A kernel without process handles does not tell.
        assert!(told || cfg!(not(target_os = "linux")));
        child.wait().await.expect("it ends");
    }

    /// How long a manager may take to be there, or a program to go.
    const LIMIT: Duration = Duration::from_secs(20);

    /// A person's systemd, where this machine can have one for a test: it takes root, as it is to believe that
    /// systemd has started the machine.
    struct Manager {
        process: tokio::process::Child,
        runtime_dir: tempfile::TempDir,
    }

    impl Manager {
        async fn start() -> Option<Self> {
            const BOOTED: &str = "mount -t tmpfs none /run/systemd && mkdir /run/systemd/system && \
                                  exec /lib/systemd/systemd --user";
            if !rustix::process::getuid().is_root() || !Path::new("/lib/systemd/systemd").exists() {
                return None;
            }
            std::fs::create_dir_all("/run/systemd").expect("make a folder");
            let runtime_dir = tempfile::tempdir().expect("a folder");
            #[expect(clippy::disallowed_methods, reason = "a test's own program, ended by it")]
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "sh", "-c", BOOTED])
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("HOME", runtime_dir.path())
                .env("XDG_RUNTIME_DIR", runtime_dir.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true);
            let mut process = command.spawn().expect("start unshare");
            let listens = runtime_dir.path().join("systemd/private");
            let there = timeout(LIMIT, async {
                while !listens.exists() {
                    if process.try_wait().expect("wait").is_some() {
                        return false;
                    }
                    sleep(REAP_LOOK).await;
                }
                true
            });
            // A container may forbid what it needs.
            there
                .await
                .unwrap_or(false)
                .then_some(Self { process, runtime_dir })
        }

        fn units(&self) -> Units {
            Units::with(
                OsStr::new("/usr/bin:/bin"),
                Some(self.runtime_dir.path().to_owned()),
            )
            .expect("its programs")
        }

        /// SIGTERM ends all its units first.
        async fn stop(mut self) {
            let pid = self
                .process
                .id()
                .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
            rustix::process::kill_process(pid.expect("it runs"), rustix::process::Signal::TERM)
                .expect("tell it");
            timeout(LIMIT, self.process.wait())
                .await
                .expect("it ends")
                .expect("it is waited for");
        }
    }

    #[expect(clippy::print_stderr, reason = "a test that skips itself says why")]
    fn skip(why: &str) {
        eprintln!("skipped: {why}");
    }

    async fn end_of(unit: &Unit) -> Ended {
        let ended = async {
            loop {
                match unit.ended() {
                    Some(ended) => return ended,
                    None => sleep(REAP_LOOK).await,
                }
            }
        };
        timeout(LIMIT, ended).await.expect("it ends")
    }

    #[tokio::test]
    async fn real_systemd_keeps_a_service_out_of_the_worker_s_group_and_tells_its_end() {
        let Some(manager) = Manager::start().await else {
            return skip("this machine can have no systemd for a test");
        };
        let units = manager.units();
        let folder = tempfile::tempdir().expect("a folder");
        let script = "echo $KEY; setsid sleep 600 & exit_on() { exit 78; }; trap exit_on TERM; wait";
        let service = service(
            folder.path(),
            "sh",
            &["-c", &script.replace("$KEY", "\"$(printenv KEY)\"")],
        );
        let unit = units.start(&service).await.expect("it starts");
        let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", unit.pid())).expect("it runs");
        assert_eq!(unit_in(&groups).as_ref(), Some(&unit.name), "{groups}");
        let process = Pid::from_raw(i32::try_from(unit.pid()).expect("a process id")).expect("a process id");
        assert_eq!(
            rustix::process::getpgid(Some(process)).expect("it runs"),
            process,
            "it leads its group"
        );
        let printed = async {
            while std::fs::read_to_string(&service.log).unwrap_or_default() != "a secret\n" {
                sleep(REAP_LOOK).await;
            }
        };
        timeout(LIMIT, printed)
            .await
            .expect("it has its variables, and its log is written");
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("tell it");
        let Ended::Told(status) = end_of(&unit).await else {
            panic!("systemd does not say how it ended");
        };
        assert_eq!(status.code(), Some(78));

        // What left its group and its environment is in its unit still.
        let unit = units.start(&service).await.expect("it starts again");
        unit.kill().await;
        let Ended::Told(status) = end_of(&unit).await else {
            panic!("systemd does not say how it ended");
        };
        assert_eq!(status.signal(), Some(9));
        let shown = units
            .show(&unit.name, "ActiveState")
            .await
            .expect("systemd answers");
        assert_eq!(shown, "inactive", "nothing of it is left");
        manager.stop().await;
    }
}
