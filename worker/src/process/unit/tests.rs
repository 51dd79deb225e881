use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;

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
        rustix::process::kill_process(pid.expect("it runs"), rustix::process::Signal::TERM).expect("tell it");
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
