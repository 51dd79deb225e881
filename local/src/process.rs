//! The programs that a stack starts: each in a process group of its own, marked, logged and stopped.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// Environment variable that all programs of a stack carry, with the stack's folder as value, so that
/// what a killed run left behind can be told from everything else.
pub const MARK: &str = "CREEL_STACK_DIR";

/// How much of a log an error message shows.
const LOG_TAIL_BYTES: usize = 2_000;

/// How much of a program's output is kept: the longest list that anybody asks for is far shorter.
const CAPTURE_MAX_BYTES: usize = 4 << 20;

/// How much is read at once: a pipe holds no more.
const CHUNK_BYTES: usize = 64 << 10;

/// A command in a process group of its own: Ctrl-C reaches us, and we stop the programs in their order.
#[expect(clippy::disallowed_methods, reason = "here is its home")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.process_group(0).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Appends to a log that only its owner reads.
pub fn log_to(command: &mut Command, log: &Path) -> Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)
        .with_context(|| format!("open the log {}", log.display()))?;
    command
        .stdout(file.try_clone().context("open the log a second time")?)
        .stderr(file);
    Ok(())
}

/// The end of a log, for an error message.
pub fn log_tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let tail = &text[text.len().saturating_sub(LOG_TAIL_BYTES)..];
    String::from_utf8_lossy(tail).trim().to_owned()
}

/// Runs a short program to its end and returns what it printed. An error carries what it said. When the time
/// is up, or nobody waits any more, all that it started is killed, too.
pub async fn run(command: &mut Command, limit: Duration) -> Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {program}"))?;
    let group = Group::led_by(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let whole = async { tokio::try_join!(child.wait(), captured(stdout), captured(stderr)) };
    let Ok(ended) = tokio::time::timeout(limit, whole).await else {
        bail!("{program} did not end within {} s; try again", limit.as_secs());
    };
    let (status, stdout, stderr) = ended.with_context(|| format!("wait for {program}"))?;
    // What a program leaves running with its pipes closed, it leaves on purpose.
    group.let_go();
    if status.success() {
        return Ok(stdout);
    }
    let said = [stderr.trim(), stdout.trim()]
        .into_iter()
        .find(|said| !said.is_empty());
    bail!(
        "{program} ended with {status}: {}",
        tail(said.unwrap_or_default(), LOG_TAIL_BYTES)
    );
}

/// The end of what a stream brings, up to [`CAPTURE_MAX_BYTES`].
async fn captured(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else {
        return Ok(String::new());
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        kept.extend_from_slice(&chunk[..count]);
        let excess = kept.len().saturating_sub(CAPTURE_MAX_BYTES);
        kept.drain(..excess);
    }
}

/// A process group that is killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn led_by(child: &Child) -> Self {
        Self(child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())))
    }

    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _already_gone = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

fn tail(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// Signals a child, waits for its end, and kills it at the limit.
pub async fn stop(child: &mut Child, signal: Signal, limit: Duration) -> Result<ExitStatus> {
    if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        let _already_gone = kill_process(pid, signal);
    }
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(status) => status.context("wait for a program that was told to stop"),
        Err(_) => {
            child.kill().await.context("kill a program that did not stop")?;
            child.wait().await.context("wait for a killed program")
        }
    }
}

/// The first executable file of that name in the folders of `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

/// Whether a file is there and may be run.
pub fn is_executable(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file()
}

/// `PATH` with a folder put before it.
pub fn path_with(first: &Path) -> OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&rest));
    std::env::join_paths(folders).unwrap_or(rest)
}

/// Stops the marked programs that a killed run of this stack left behind.
pub fn stop_left_behind(stack_dir: &Path, program: &str) {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
    let Ok(mut system) = System::new() else { return };
    let wanted = ProcessRefreshKind::nothing()
        .with_environ(UpdateKind::Always)
        .with_exe(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
    let mark = OsString::from(format!("{MARK}={}", stack_dir.display()));
    for process in system.processes().values() {
        let is_program = process
            .exe()
            .and_then(Path::file_name)
            .is_some_and(|name| name == program);
        if is_program && process.environ().contains(&mark) {
            tracing::info!("stopping {program} of an earlier run, process {}", process.pid());
            process.kill_with(sysinfo::Signal::Term);
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process;

    use super::*;

    /// A program starts, or is killed, on a busy machine.
    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn an_interrupted_program_leaves_no_child_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let script = r#"sleep 21600 & echo $! > "$0.new"; mv "$0.new" "$0"; wait"#;
        let mut shell = command("sh");
        shell.args(["-c", script]).arg(&file);
        let pid = tokio::time::timeout(LIMIT, async {
            tokio::select! {
                ended = run(&mut shell, LIMIT) => panic!("it ended: {ended:?}"),
                pid = until(|| std::fs::read_to_string(&file).ok()?.trim().parse().ok().and_then(Pid::from_raw)) => pid,
            }
        });
        let pid = pid.await.expect("the child starts");
        let gone = until(|| test_kill_process(pid).is_err().then_some(()));
        tokio::time::timeout(LIMIT, gone)
            .await
            .expect("the child is killed");
    }

    async fn until<T>(look: impl Fn() -> Option<T>) -> T {
        loop {
            match look() {
                Some(found) => return found,
                None => tokio::task::yield_now().await,
            }
        }
    }

    #[tokio::test]
    async fn a_program_that_talks_without_end_is_kept_short() {
        let mut talk = command("head");
        talk.args(["-c", "20000000", "/dev/zero"]);
        let said = run(&mut talk, LIMIT).await.expect("it ends");
        assert_eq!(said.len(), CAPTURE_MAX_BYTES);
    }
}
