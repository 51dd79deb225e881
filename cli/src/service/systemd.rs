//! A systemd unit: of the person's own manager, or of the machine's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Account, Domain, ManagerProgram, OPEN_FILES, RESTART_PAUSE_SECS, ServicePlan, ServiceState};
use crate::error::{CliError, ErrorKind};

/// The unit's name.
pub(crate) const UNIT: &str = "creel-worker.service";

/// Where units of the machine are that no package brought.
const SYSTEM_FOLDER: &str = "/etc/systemd/system";

/// systemctl answers at once, but for a stop, which waits for the drain.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A worker that cannot work at all ends within this after its start.
const PROBATION: Duration = Duration::from_secs(3);
/// How often it is looked at in that time.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Exit codes that another start does not mend: docs/operations.md has the list.
const HOPELESS: &str = "69 75 76 77 78";

/// The file of the unit.
pub(crate) fn unit_path(domain: Domain, account: &Account) -> PathBuf {
    match domain {
        Domain::System => Path::new(SYSTEM_FOLDER).join(UNIT),
        Domain::User => account.home.join(".config/systemd/user").join(UNIT),
    }
}

/// The unit's text.
pub(crate) fn render(plan: &ServicePlan) -> String {
    let mut unit = Unit::default();
    unit.line("# Written by `creel worker install`; `creel worker uninstall` removes it.");
    unit.line("[Unit]");
    unit.set("Description", "Creel worker: OpenClaw agents on this host");
    unit.set("Documentation", "https://github.com/creel-run/creel");
    if plan.domain == Domain::System {
        // Agents live in units of that person's own manager.
        let manager = format!("user@{}.service", plan.account.uid);
        unit.set("Wants", &format!("network-online.target {manager}"));
        unit.set("After", &format!("network-online.target {manager}"));
    }
    // A host that was without its network for a night is to come back by itself.
    unit.set("StartLimitIntervalSec", "0");
    unit.line("");
    unit.line("[Service]");
    unit.set("Type", "exec");
    let words = [
        plan.program.as_path(),
        Path::new("worker"),
        Path::new("--config"),
        &plan.config,
    ];
    let words: Vec<_> = words
        .iter()
        .map(|word| command_word(&word.to_string_lossy()))
        .collect();
    unit.set("ExecStart", &words.join(" "));
    if plan.domain == Domain::System {
        unit.set("User", &plan.account.name);
        unit.set_env("XDG_RUNTIME_DIR", &format!("/run/user/{}", plan.account.uid));
    }
    unit.set_env("HOME", &plan.account.home.to_string_lossy());
    unit.set_env("PATH", &plan.search_path);
    // The rest of this line is the path: it knows no quotes.
    unit.set(
        "WorkingDirectory",
        &plan.account.home.to_string_lossy().replace('%', "%%"),
    );
    unit.set("SyslogIdentifier", "creel-worker");
    unit.line("# A stop is told to the worker only: agents go on, and the next worker finds them.");
    unit.set("KillMode", "process");
    unit.set("TimeoutStopSec", &plan.stop_limit().as_secs().to_string());
    unit.set("Restart", "on-failure");
    unit.set("RestartSec", &RESTART_PAUSE_SECS.to_string());
    unit.set("RestartPreventExitStatus", HOPELESS);
    unit.line("# A process that runs out of memory ends alone, and not the worker with it.");
    unit.set("OOMPolicy", "continue");
    unit.set("LimitNOFILE", &OPEN_FILES.to_string());
    unit.set("LimitCORE", "0");
    unit.set("UMask", "0077");
    unit.line("");
    harden(&mut unit, plan);
    unit.line("");
    unit.line("[Install]");
    unit.set(
        "WantedBy",
        match plan.domain {
            Domain::System => "multi-user.target",
            Domain::User => "default.target",
        },
    );
    unit.text
}

/// What OpenClaw's command line and the worker can do without. Memory may become executable, as node compiles; /tmp is
/// the machine's, as OpenClaw's locks are there; and no namespace of users, in which the worker could not read the marks
/// of its agents.
fn harden(unit: &mut Unit, plan: &ServicePlan) {
    unit.line("# The agents are not in here: they run in units of their own.");
    for (key, value) in [
        ("NoNewPrivileges", "yes"),
        ("RestrictNamespaces", "yes"),
        ("RestrictRealtime", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("LockPersonality", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
        ("SystemCallArchitectures", "native"),
        ("SystemCallFilter", "@system-service"),
        ("SystemCallErrorNumber", "EPERM"),
    ] {
        unit.set(key, value);
    }
    if plan.domain == Domain::User {
        // A person's own manager could do the rest only in a namespace of users.
        return;
    }
    for (key, value) in [
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("KeyringMode", "private"),
        ("PrivateDevices", "yes"),
        ("DevicePolicy", "closed"),
        ("ProtectClock", "yes"),
        ("ProtectHostname", "yes"),
        ("ProtectKernelLogs", "yes"),
        ("ProtectKernelModules", "yes"),
        ("ProtectKernelTunables", "yes"),
        ("ProtectControlGroups", "yes"),
        ("ProtectProc", "invisible"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "read-only"),
    ] {
        unit.set(key, value);
    }
    let writable = plan.writable.iter().map(|path| path.to_string_lossy());
    for path in writable.chain(["/tmp".into(), "/var/tmp".into()]) {
        // One that is not there is no error.
        unit.set("ReadWritePaths", &quoted(&format!("-{path}")));
    }
}

#[derive(Default)]
struct Unit {
    text: String,
}

impl Unit {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn set(&mut self, key: &str, value: &str) {
        let _infallible = writeln!(self.text, "{key}={value}");
    }

    fn set_env(&mut self, name: &str, value: &str) {
        self.set("Environment", &quoted(&format!("{name}={value}")));
    }
}

/// A value in which nothing is expanded or split.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' => text.push_str("%%"),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// A word of a command line, in which variables are not expanded either.
fn command_word(word: &str) -> String {
    quoted(word).replace('$', "$$")
}

/// systemctl, and loginctl beside it.
#[derive(Debug, Clone)]
pub(crate) struct Systemd {
    systemctl: ManagerProgram,
    domain: Domain,
}

impl Systemd {
    /// The manager of this domain.
    pub(crate) fn find(domain: Domain) -> Result<Self, CliError> {
        Ok(Self {
            systemctl: ManagerProgram::find("systemctl")?,
            domain,
        })
    }

    async fn call(&self, args: &[&str], limit: Duration) -> anyhow::Result<String> {
        let said = self.systemctl.must(&self.of_domain(args), limit).await;
        said.map_err(|error| self.explain(error))
    }

    fn of_domain<'a>(&self, args: &[&'a str]) -> Vec<&'a str> {
        match self.domain {
            Domain::User => [&["--user"], args].concat(),
            Domain::System => args.to_vec(),
        }
    }

    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let said = error.to_string();
        if self.domain == Domain::User && said.contains("connect to bus") {
            return CliError::new(ErrorKind::Failed, said)
                .code("service_manager")
                .hint(
                    "you have no systemd of your own in this session: log in by ssh or on the console (not by su), \
                     or make a service of the machine: sudo creel worker install --run-as USER",
                )
                .into();
        }
        error
    }

    /// Makes it run now and from now on. Answers what a person should know.
    pub(crate) async fn load(&self, plan: &ServicePlan) -> anyhow::Result<Vec<String>> {
        let notes = self.linger(&plan.account).await;
        self.call(&["daemon-reload"], CALL_LIMIT).await?;
        self.call(&["enable", UNIT], CALL_LIMIT).await?;
        let limit = plan.stop_limit() + CALL_LIMIT;
        self.call(&["restart", UNIT], limit).await?;
        self.stays_up().await?;
        Ok(notes)
    }

    /// Without lingering a person's manager, and the agents in it, end with the last session.
    async fn linger(&self, account: &Account) -> Vec<String> {
        let advice = format!(
            "agents end when {0} logs out, and start at boot with nobody; run: sudo loginctl enable-linger {0}",
            account.name
        );
        let Ok(loginctl) = ManagerProgram::find("loginctl") else {
            return vec![advice];
        };
        let shown = ["show-user", &account.name, "--property=Linger", "--value"];
        let said = loginctl.run(&shown, CALL_LIMIT).await;
        if said.is_ok_and(|said| said.ok && said.stdout == "yes") {
            return Vec::new();
        }
        match loginctl.run(&["enable-linger", &account.name], CALL_LIMIT).await {
            Ok(said) if said.ok => Vec::new(),
            _ => vec![advice],
        }
    }

    async fn stays_up(&self) -> anyhow::Result<()> {
        let until = tokio::time::Instant::now() + PROBATION;
        loop {
            let state = self.state().await?;
            if !state.running {
                let journal = match self.domain {
                    Domain::User => "journalctl --user -u creel-worker -n 20",
                    Domain::System => "journalctl -u creel-worker -n 20",
                };
                let code = state
                    .last_exit
                    .map(|code| format!(", exit code {code}"))
                    .unwrap_or_default();
                let message = format!("the worker does not stay up ({}{code})", state.state);
                return Err(CliError::new(ErrorKind::Failed, message)
                    .code("worker_down")
                    .hint(format!("see why: {journal}"))
                    .into());
            }
            if tokio::time::Instant::now() >= until {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends it for now and from now on; the drain is waited for.
    pub(crate) async fn unload(&self, stop_limit: Duration) -> anyhow::Result<()> {
        if self.state().await?.loaded {
            self.call(&["disable", "--now", UNIT], stop_limit + CALL_LIMIT)
                .await?;
        }
        Ok(())
    }

    /// Forgets a unit whose file is gone.
    pub(crate) async fn forget(&self) -> anyhow::Result<()> {
        self.call(&["daemon-reload"], CALL_LIMIT).await?;
        // It is fine where it did not fail.
        let _not_failed = self
            .systemctl
            .run(&self.of_domain(&["reset-failed", UNIT]), CALL_LIMIT)
            .await;
        Ok(())
    }

    /// How it is doing.
    pub(crate) async fn state(&self) -> anyhow::Result<ServiceState> {
        let properties =
            "--property=LoadState,ActiveState,SubState,MainPID,ExecMainStatus,ExecMainExitTimestamp";
        Ok(parse_state(
            &self.call(&["show", UNIT, properties], CALL_LIMIT).await?,
        ))
    }
}

fn parse_state(shown: &str) -> ServiceState {
    let value = |key: &str| {
        let line = shown
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim()
    };
    let pid = value("MainPID").parse().ok().filter(|&pid| pid != 0);
    let ended = !value("ExecMainExitTimestamp").is_empty();
    ServiceState {
        loaded: value("LoadState") == "loaded",
        running: value("ActiveState") == "active" && pid.is_some(),
        state: format!("{} ({})", value("ActiveState"), value("SubState")),
        pid,
        last_exit: value("ExecMainStatus").parse().ok().filter(|_| ended),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[expect(clippy::print_stderr, reason = "a test that skips itself says why")]
    fn skip(why: &str) {
        eprintln!("skipped: {why}");
    }

    /// Runs systemd-analyze on a unit; none where this machine has none.
    fn analyze(domain: Domain, args: &[&str], unit: &str) -> Option<(bool, String)> {
        let Some(program) = creel_local::process::find_program("systemd-analyze") else {
            skip("there is no systemd-analyze here");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(UNIT);
        std::fs::write(&file, unit).expect("write the unit");
        #[expect(clippy::disallowed_methods, reason = "a test runs a program to its end")]
        let mut command = std::process::Command::new(program);
        if domain == Domain::User {
            // It looks for the place of a person's manager, and for nothing in it.
            command.arg("--user").env("XDG_RUNTIME_DIR", folder.path());
        }
        let ended = command
            .args(args)
            .arg(&file)
            .output()
            .expect("run systemd-analyze");
        let said = [ended.stdout, ended.stderr].concat();
        Some((
            ended.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        ))
    }

    #[test]
    fn systemd_understands_every_line_of_both_units() {
        for domain in [Domain::User, Domain::System] {
            let unit = render(&plan(domain));
            let Some((ok, said)) = analyze(domain, &["verify", "--man=no"], &unit) else {
                return;
            };
            assert!(ok && said.trim().is_empty(), "{domain:?}: {said}\n{unit}");
        }
    }

    #[test]
    fn the_unit_of_the_machine_is_exposed_to_little() {
        // Of 10; what is called OK begins below 5, and a plain service has 9.6.
        for (domain, threshold) in [
            (Domain::System, "--threshold=25"),
            (Domain::User, "--threshold=80"),
        ] {
            let unit = render(&plan(domain));
            let args = ["security", "--offline=true", threshold, "--no-pager"];
            let Some((ok, said)) = analyze(domain, &args, &unit) else {
                return;
            };
            assert!(ok, "{domain:?}: {said}");
        }
    }

    #[test]
    fn a_stop_waits_longer_than_the_drain_and_reaches_no_agent() {
        let mut plan = plan(Domain::User);
        plan.drain_grace = Duration::from_secs(300);
        let unit = render(&plan);
        assert!(
            unit.contains("\nTimeoutStopSec=360\n") && unit.contains("\nKillMode=process\n"),
            "{unit}"
        );
    }

    #[test]
    fn odd_paths_stay_what_they_are() {
        assert_eq!(quoted("/a b/%n/\"x\\"), "\"/a b/%%n/\\\"x\\\\\"");
        assert_eq!(command_word("/a $HOME/x"), "\"/a $$HOME/x\"");
        let mut plan = plan(Domain::System);
        plan.config = "/srv/a b/50%/w.toml".into();
        plan.writable = vec!["/srv/a b/50%".into()];
        let unit = render(&plan);
        assert!(unit.contains("\"/srv/a b/50%%/w.toml\""), "{unit}");
        assert!(unit.contains("ReadWritePaths=\"-/srv/a b/50%%\""), "{unit}");
        if let Some((ok, said)) = analyze(Domain::System, &["verify", "--man=no"], &unit) {
            assert!(ok && said.trim().is_empty(), "{said}");
        }
    }

    #[test]
    fn a_state_is_read_as_systemctl_prints_it() {
        let state = parse_state(
            "LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=7\nExecMainStatus=0\n\
             ExecMainExitTimestamp=\n",
        );
        assert!(state.loaded && state.running);
        assert_eq!((state.pid, state.last_exit), (Some(7), None));
        let state = parse_state(
            "LoadState=loaded\nActiveState=failed\nSubState=failed\nMainPID=0\nExecMainStatus=78\n\
             ExecMainExitTimestamp=Sat 2026-11-21 08:00:00 UTC\n",
        );
        assert_eq!((state.running, state.last_exit), (false, Some(78)));
        assert!(!parse_state("LoadState=not-found\n").loaded);
    }
}
