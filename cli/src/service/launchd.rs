//! A launchd job: a launch agent of the person, or a launch daemon of the machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use plist::{Dictionary, Value};
use tokio::time::Instant;

use super::{Account, Domain, ManagerProgram, RESTART_PAUSE_SECS, ServicePlan, ServiceState};
use crate::error::{CliError, ErrorKind};

/// The job's name, and its file's.
pub(crate) const LABEL: &str = "run.creel.worker";

/// launchctl answers at once.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// launchd says "Input/output error" or "Operation now in progress" while the job's former self is still being
/// cleared away, which takes seconds.
const BOOTSTRAP_PAUSES: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// A job that is loaded runs within this, or something is wrong with it.
const START_LIMIT: Duration = Duration::from_secs(15);
/// A worker that cannot work at all ends within this after its start.
const PROBATION: Duration = Duration::from_secs(3);
/// How often it is looked at in that time.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What macOS lets every process have; more than the system's own limit would be refused.
const MAC_OPEN_FILES: u64 = 10_240;

/// The job's file.
pub(crate) fn plist_path(domain: Domain, account: &Account) -> PathBuf {
    let folder = match domain {
        Domain::System => PathBuf::from("/Library/LaunchDaemons"),
        Domain::User => account.home.join("Library/LaunchAgents"),
    };
    folder.join(format!("{LABEL}.plist"))
}

/// Where its logs are: a rolling one of the worker's own, and one for what comes before and after it.
pub(crate) fn log_folder(account: &Account) -> PathBuf {
    account.home.join("Library/Logs/creel")
}

/// The worker's own log, which it keeps bounded.
pub(crate) fn log_file(account: &Account) -> PathBuf {
    log_folder(account).join("worker.log")
}

/// What the worker prints beside its log: why it could not start. launchd never shortens it, the worker does.
fn error_file(account: &Account) -> PathBuf {
    log_folder(account).join("worker.stderr.log")
}

/// The job's text.
pub(crate) fn render(plan: &ServicePlan) -> anyhow::Result<Vec<u8>> {
    let text = |path: &Path| Value::from(path.to_string_lossy().into_owned());
    let mut job = Dictionary::new();
    job.insert("Label".into(), LABEL.into());
    let words = vec![
        text(&plan.program),
        "worker".into(),
        "--config".into(),
        text(&plan.config),
        "--log-file".into(),
        text(&log_file(&plan.account)),
    ];
    job.insert("ProgramArguments".into(), Value::Array(words));
    if plan.domain == Domain::System {
        job.insert("UserName".into(), plan.account.name.clone().into());
    }
    let mut environment = Dictionary::new();
    environment.insert("HOME".into(), text(&plan.account.home));
    environment.insert("PATH".into(), plan.search_path.clone().into());
    job.insert("EnvironmentVariables".into(), Value::Dictionary(environment));
    job.insert("WorkingDirectory".into(), text(&plan.account.home));
    job.insert("RunAtLoad".into(), true.into());
    // What was told to stop stays stopped; what fails is started again.
    let mut keep_alive = Dictionary::new();
    keep_alive.insert("SuccessfulExit".into(), false.into());
    job.insert("KeepAlive".into(), Value::Dictionary(keep_alive));
    job.insert("ThrottleInterval".into(), RESTART_PAUSE_SECS.into());
    job.insert("ExitTimeOut".into(), plan.stop_limit().as_secs().into());
    // Agents are not ended with the worker, and are what people wait for.
    job.insert("AbandonProcessGroup".into(), true.into());
    job.insert("ProcessType".into(), "Interactive".into());
    let mut limits = Dictionary::new();
    limits.insert("NumberOfFiles".into(), MAC_OPEN_FILES.into());
    job.insert("SoftResourceLimits".into(), Value::Dictionary(limits));
    job.insert("Umask".into(), 0o077.into());
    for key in ["StandardOutPath", "StandardErrorPath"] {
        job.insert(key.into(), text(&error_file(&plan.account)));
    }
    let mut xml = Vec::new();
    Value::Dictionary(job)
        .to_writer_xml(&mut xml)
        .context("write the job")?;
    xml.push(b'\n');
    Ok(xml)
}

/// launchctl.
#[derive(Debug, Clone)]
pub(crate) struct Launchd {
    launchctl: ManagerProgram,
    /// `gui/501` or `system`.
    target: String,
}

impl Launchd {
    /// The manager of this domain.
    pub(crate) fn find(domain: Domain, account: &Account) -> Result<Self, CliError> {
        Ok(Self {
            launchctl: ManagerProgram::find("launchctl")?,
            target: match domain {
                Domain::User => format!("gui/{}", account.uid),
                Domain::System => "system".to_owned(),
            },
        })
    }

    fn job(&self) -> String {
        format!("{}/{LABEL}", self.target)
    }

    /// Makes it run now and from now on.
    pub(crate) async fn load(&self, file: &Path, plan: &ServicePlan) -> anyhow::Result<()> {
        self.unload(plan.stop_limit()).await?;
        // A job that somebody disabled is refused with no word about that.
        self.launchctl.run(&["enable", &self.job()], CALL_LIMIT).await?;
        self.bootstrap(file).await?;
        self.runs(plan).await
    }

    async fn bootstrap(&self, file: &Path) -> anyhow::Result<()> {
        let file = file.to_string_lossy();
        let args = ["bootstrap", self.target.as_str(), &file];
        let mut pauses = BOOTSTRAP_PAUSES.iter();
        loop {
            let said = self.launchctl.run(&args, CALL_LIMIT).await?;
            // It says so of a job that is there already, too.
            if said.ok || self.state().await?.loaded {
                return Ok(());
            }
            let Some(pause) = pauses.next() else {
                let message = format!("launchctl bootstrap {} failed: {}", self.target, said.complaint);
                return Err(CliError::new(ErrorKind::Failed, message)
                    .code("service_manager")
                    .hint(
                        "a launch agent needs its person at the screen; for a Mac that nobody logs in to, make a \
                         launch daemon: sudo creel worker install --run-as USER",
                    )
                    .into());
            };
            tokio::time::sleep(*pause).await;
        }
    }

    /// Believes it only when it is seen to run, and to go on.
    async fn runs(&self, plan: &ServicePlan) -> anyhow::Result<()> {
        let mut until = Instant::now() + START_LIMIT;
        let mut since = None;
        let mut kicked = false;
        loop {
            let state = self.state().await?;
            match (state.running, since) {
                (true, None) => since = Some(Instant::now()),
                (true, Some(since)) if since + PROBATION <= Instant::now() => return Ok(()),
                (true, Some(_)) => {}
                (false, _) if Instant::now() < until && since.is_none() => {}
                (false, None) if !kicked => {
                    kicked = true;
                    until = Instant::now() + START_LIMIT;
                    self.launchctl
                        .run(&["kickstart", "-k", &self.job()], CALL_LIMIT)
                        .await?;
                }
                (false, _) => {
                    let code = state
                        .last_exit
                        .map(|code| format!(", exit code {code}"))
                        .unwrap_or_default();
                    let message = format!("the worker does not stay up ({}{code})", state.state);
                    return Err(CliError::new(ErrorKind::Failed, message)
                        .code("worker_down")
                        .hint(format!("see why: {}", error_file(&plan.account).display()))
                        .into());
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends it for now and from now on; the drain is waited for.
    pub(crate) async fn unload(&self, stop_limit: Duration) -> anyhow::Result<()> {
        if !self.state().await?.loaded {
            return Ok(());
        }
        let said = self
            .launchctl
            .run(&["bootout", &self.job()], stop_limit + CALL_LIMIT)
            .await?;
        // It may answer before the job is gone, or with "Operation now in progress".
        let until = Instant::now() + stop_limit;
        while self.state().await?.loaded {
            if Instant::now() >= until {
                let message = format!("launchctl bootout did not end the worker: {}", said.complaint);
                return Err(CliError::new(ErrorKind::Failed, message)
                    .code("service_manager")
                    .hint("see launchctl print, and end the worker's process")
                    .into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// How it is doing.
    pub(crate) async fn state(&self) -> anyhow::Result<ServiceState> {
        let said = self.launchctl.run(&["print", &self.job()], CALL_LIMIT).await?;
        Ok(if said.ok {
            parse_state(&said.stdout)
        } else {
            ServiceState::default()
        })
    }
}

/// What `launchctl print` says of a job: `key = value`, indented once; deeper lines are of its parts.
fn parse_state(printed: &str) -> ServiceState {
    let value = |key: &str| {
        printed.lines().find_map(|line| {
            let line = line.strip_prefix('\t').filter(|line| !line.starts_with('\t'))?;
            line.strip_prefix(key)?.strip_prefix(" = ").map(str::trim)
        })
    };
    let state = value("state").unwrap_or_default().to_owned();
    ServiceState {
        loaded: true,
        running: state == "running",
        pid: value("pid").and_then(|pid| pid.parse().ok()),
        // "(never exited)", or "78: EX_CONFIG".
        last_exit: value("last exit code")
            .and_then(|code| code.split(':').next())
            .and_then(|code| code.trim().parse().ok()),
        state,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    fn parsed(plan: &ServicePlan) -> (Dictionary, String) {
        let xml = render(plan).expect("render");
        let job = Value::from_reader_xml(xml.as_slice()).expect("a property list");
        let text = String::from_utf8(xml).expect("text");
        (job.into_dictionary().expect("a dictionary"), text)
    }

    #[test]
    fn a_property_list_has_what_launchd_needs_and_nothing_twice() {
        for domain in [Domain::User, Domain::System] {
            let mut plan = plan(domain);
            plan.config = "/Users/ada & bob/<w>.toml".into();
            let (job, text) = parsed(&plan);
            let words = job["ProgramArguments"].as_array().expect("words");
            assert_eq!(words[3].as_string(), Some("/Users/ada & bob/<w>.toml"));
            assert!(
                words[0]
                    .as_string()
                    .is_some_and(|program| program.starts_with('/'))
            );
            let environment = job["EnvironmentVariables"].as_dictionary().expect("variables");
            assert_eq!(
                environment.len(),
                2,
                "no variable of the installing shell: {environment:?}"
            );
            let stop_secs = job["ExitTimeOut"].as_unsigned_integer().expect("a number");
            assert!(stop_secs > plan.drain_grace.as_secs());
            assert_eq!(job["AbandonProcessGroup"].as_boolean(), Some(true));
            assert_eq!(job.contains_key("UserName"), domain == Domain::System);
            // A key that stands twice is lost when it is read.
            let inner = environment.len() + 1 + 1;
            assert_eq!(text.matches("<key>").count(), job.len() + inner, "{text}");
        }
    }

    #[test]
    fn another_parser_reads_the_same() {
        let Some(python) = creel_local::process::find_program("python3") else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("job.plist");
        let (job, text) = parsed(&plan(Domain::User));
        std::fs::write(&file, text).expect("write");
        let script = "import plistlib, sys; print(len(plistlib.load(open(sys.argv[1], 'rb'))))";
        #[expect(clippy::disallowed_methods, reason = "a test runs a program to its end")]
        let ended = std::process::Command::new(python)
            .args(["-c", script])
            .arg(&file)
            .output()
            .expect("run python");
        assert_eq!(
            String::from_utf8_lossy(&ended.stdout).trim(),
            job.len().to_string()
        );
    }

    #[test]
    fn a_state_is_read_as_launchctl_prints_it() {
        let printed = "gui/501/run.creel.worker = {\n\tactive count = 1\n\tpath = /x.plist\n\tstate = running\n\n\
                       \tprogram = /x\n\tpid = 4711\n\tlast exit code = 78: EX_CONFIG\n\n\tspawn type = \
                       daemon\n\tendpoints = {\n\t\tstate = other\n\t\tpid = 1\n\t}\n}\n";
        let state = parse_state(printed);
        assert!(state.running);
        assert_eq!((state.pid, state.last_exit), (Some(4711), Some(78)));
        let waiting = "x = {\n\tstate = not running\n\tlast exit code = (never exited)\n}\n";
        let state = parse_state(waiting);
        assert_eq!((state.running, state.pid, state.last_exit), (false, None, None));
    }
}
