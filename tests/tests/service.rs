//! `creel worker install`, `status` and `uninstall`, with stand-ins for the programs of launchd and systemd.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use creel_tests::cluster;
use serde_json::Value;
use tempfile::TempDir;

/// The user that a service is for where the tests run as root, who may have none.
const NOBODY: u32 = 65_534;

/// In the worker's configuration, and nowhere else.
const PASSWORD: &str = "hunter2";

/// Knows one job, which `bootstrap` refuses as often as the file `refusals` says, and which is gone some time after
/// `bootout`.
const LAUNCHCTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "launchctl $*" >>calls
less() { n=$(cat "$1" 2>/dev/null || echo 0); [ "$n" -gt 0 ] && echo $((n - 1)) >"$1"; }
case "$1" in
  print)
    if [ -e leaving ]; then less leaving || rm -f leaving loaded; fi
    [ -e loaded ] || { echo "Could not find service" >&2; exit 113; }
    [ -e dead ] && { printf '%s = {\n\tstate = not running\n\tlast exit code = 78: EX_CONFIG\n}\n' "$2"; exit 0; }
    printf '%s = {\n\tstate = running\n\tpid = 4711\n\tlast exit code = (never exited)\n}\n' "$2" ;;
  bootstrap)
    if less refusals; then echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; fi
    touch loaded ;;
  bootout) echo 2 >leaving; echo "Boot-out failed: 36: Operation now in progress" >&2; exit 36 ;;
esac
"#;

/// Knows one unit.
const SYSTEMCTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "systemctl $*" >>calls
case " $* " in
  *" show "*)
    if [ ! -e loaded ]; then echo LoadState=not-found; exit 0; fi
    if [ -e dead ]; then
      printf 'LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nMainPID=0\nExecMainStatus=78\n'
      echo 'ExecMainExitTimestamp=Sat 2026-11-21 08:00:00 UTC'
    else
      printf 'LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=4711\nExecMainStatus=0\n'
      echo 'ExecMainExitTimestamp='
    fi ;;
  *" restart "*) touch loaded ;;
  *" disable "*) rm -f loaded ;;
esac
"#;

const LOGINCTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "loginctl $*" >>calls
[ "$1" = show-user ] && echo no
exit 0
"#;

/// A machine with stand-ins, and somebody who has a home there.
struct Machine {
    folder: TempDir,
    creel: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("chmod");
        let built = cluster::built_program("creel").expect("it is built");
        let creel = folder.path().join("creel");
        // Another user may not reach the folder that it is built in.
        std::fs::hard_link(&built, &creel)
            .or_else(|_| std::fs::copy(&built, &creel).map(|_| ()))
            .expect("copy the program");
        let machine = Self { folder, creel };
        for part in ["home", "programs", "home/.config/creel"] {
            std::fs::create_dir_all(machine.path(part)).expect("a folder");
        }
        let programs = [
            ("launchctl", LAUNCHCTL),
            ("systemctl", SYSTEMCTL),
            ("loginctl", LOGINCTL),
            ("node", "#!/bin/sh\necho \"$0\"\n"),
            ("openclaw", "#!/bin/sh\n"),
        ];
        for (name, text) in programs {
            let program = machine.path("programs").join(name);
            std::fs::write(&program, text).expect("write a program");
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        let config = machine.path("home/.config/creel/worker.toml");
        let text = format!(
            "database_url = \"postgresql://host:{PASSWORD}@127.0.0.1:1/postgres\"\ndrain_grace_secs = 45\n"
        );
        std::fs::write(config, text).expect("write the configuration");
        if rustix::process::getuid().is_root() {
            for part in [
                "home",
                "programs",
                "home/.config",
                "home/.config/creel",
                "home/.config/creel/worker.toml",
            ] {
                chown(machine.path(part), Some(NOBODY), Some(NOBODY)).expect("chown");
            }
        }
        machine
    }

    fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    fn set(&self, file: &str, text: &str) {
        let path = self.path("programs").join(file);
        std::fs::write(&path, text).expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("chmod");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.creel);
        command
            .args(args)
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("programs").display()),
            )
            .env("HOME", self.path("home"))
            .env("USER", "nobody")
            // Where the service is, it is not.
            .env(
                "DATABASE_URL",
                format!("postgresql://other:{PASSWORD}@127.0.0.1:1/postgres"),
            )
            .current_dir("/");
        if rustix::process::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("run creel")
    }

    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("programs/calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn has_called(&self, beginning: &str) -> usize {
        self.calls()
            .iter()
            .filter(|call| call.starts_with(beginning))
            .count()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

/// What the service gets is the file: no variable of the installing shell, and no secret.
fn has_no_secret(file: &Path) {
    let text = std::fs::read_to_string(file).expect("the service's file");
    assert!(
        !text.contains(PASSWORD) && !text.contains("DATABASE_URL"),
        "{text}"
    );
    assert!(text.contains(".config/creel/worker.toml"), "{text}");
    let mode = std::fs::metadata(file).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn a_launch_agent_is_loaded_again_until_launchd_takes_it() {
    let machine = Machine::new();
    machine.set("refusals", "2");
    let installed = machine.run(&["worker", "install", "--manager", "launchd", "--json"]);
    assert!(installed.status.success(), "{}", text(&installed));
    let file = machine.path("home/Library/LaunchAgents/run.creel.worker.plist");
    assert_eq!(
        json(&installed)["file"].as_str().map(Path::new),
        Some(file.as_path())
    );
    has_no_secret(&file);
    let written = std::fs::read_to_string(&file).expect("read");
    let programs = machine.path("programs");
    assert!(
        written.contains(&format!("<string>{}:", programs.display())),
        "{written}"
    );
    assert!(
        written.contains("<integer>105</integer>"),
        "the drain takes 45 s: {written}"
    );
    assert_eq!(
        machine.has_called("launchctl bootstrap gui/"),
        3,
        "{:?}",
        machine.calls()
    );
    assert!(machine.path("home/Library/Logs/creel").is_dir());

    // An upgrade: what runs is ended first, and waited for.
    let again = machine.run(&["worker", "install", "--manager", "launchd"]);
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(machine.has_called("launchctl bootout gui/"), 1);

    let removed = machine.run(&["worker", "uninstall", "--manager", "launchd", "--json"]);
    assert!(removed.status.success() && !file.exists(), "{}", text(&removed));
    assert_eq!(json(&removed)["removed"], true);
    assert_eq!(machine.has_called("launchctl bootout gui/"), 2);
    let nothing = machine.run(&["worker", "uninstall", "--manager", "launchd", "--json"]);
    assert_eq!(json(&nothing)["removed"], false);
}

#[test]
fn a_worker_that_does_not_stay_up_is_no_success() {
    let machine = Machine::new();
    machine.set("dead", "");
    let systemd = machine.run(&["worker", "install", "--manager", "systemd", "--json"]);
    assert_eq!(systemd.status.code(), Some(1), "{}", text(&systemd));
    let error = &json(&systemd)["error"];
    assert_eq!(error["code"], "worker_down");
    assert!(
        error["message"].as_str().is_some_and(|said| said.contains("78")),
        "{error}"
    );
    assert!(
        error["hint"]
            .as_str()
            .is_some_and(|said| said.contains("journalctl")),
        "{error}"
    );
}

#[test]
fn a_user_unit_is_enabled_and_lingers() {
    let machine = Machine::new();
    let installed = machine.run(&["worker", "install", "--manager", "systemd"]);
    assert!(installed.status.success(), "{}", text(&installed));
    let file = machine.path("home/.config/systemd/user/creel-worker.service");
    has_no_secret(&file);
    for call in [
        "systemctl --user daemon-reload",
        "systemctl --user enable creel-worker.service",
        "systemctl --user restart creel-worker.service",
        "loginctl enable-linger",
    ] {
        assert_eq!(machine.has_called(call), 1, "{call}: {:?}", machine.calls());
    }
    // The service runs, but nobody answers at the worker's address.
    let status = machine.run(&["worker", "status", "--manager", "systemd", "--json"]);
    assert_eq!(status.status.code(), Some(7), "{}", text(&status));
    let worker = &json(&status)["worker"];
    assert_eq!(
        (&worker["installed"], &worker["service"]["pid"]),
        (&true.into(), &4711.into()),
        "{worker}"
    );
    assert_eq!(worker["ready"], false);
    let removed = machine.run(&["worker", "uninstall", "--manager", "systemd"]);
    assert!(removed.status.success() && !file.exists(), "{}", text(&removed));
    assert_eq!(
        machine.has_called("systemctl --user disable --now creel-worker.service"),
        1
    );
}

#[test]
fn a_service_without_a_database_in_its_file_is_not_installed() {
    let machine = Machine::new();
    std::fs::write(machine.path("home/.config/creel/worker.toml"), "permits = 3\n").expect("write");
    let refused = machine.run(&["worker", "install", "--manager", "systemd", "--json"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert_eq!(json(&refused)["error"]["code"], "configuration");
    assert!(
        machine.calls().is_empty(),
        "nothing was touched: {:?}",
        machine.calls()
    );
}

#[test]
fn printing_touches_nothing() {
    let machine = Machine::new();
    for (manager, word) in [("systemd", "[Service]"), ("launchd", "<plist")] {
        let printed = machine.run(&["worker", "install", "--print", "--manager", manager]);
        assert!(
            printed.status.success() && text(&printed).contains(word),
            "{}",
            text(&printed)
        );
    }
    assert!(machine.calls().is_empty(), "{:?}", machine.calls());
    assert!(!machine.path("home/.config/systemd").exists() && !machine.path("home/Library").exists());
}
