//! Runs programs.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::{Duration, Instant};

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;
use uuid::Uuid;

use super::capture::Capture;
use super::group::Group;
use super::mark::{self, MARK_VARIABLE, Mark};
use super::{Finished, ProcessError, Run};

/// What children see of the worker's environment: where programs and files are, the language, the clock,
/// and the way to the network. Everything else may hold a secret of the worker.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "NODE_EXTRA_CA_CERTS",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
];

/// How long output may still come after the program's end: only what left its group can still print.
const LAST_OUTPUT_WAIT: Duration = Duration::from_millis(500);

/// How long the system may take to hand over the exit code of what was killed.
const REAP_WAIT: Duration = Duration::from_secs(5);

/// Runs programs for one session of a worker. Clones share one state.
#[derive(Debug, Clone)]
pub struct Runner {
    mark: Mark,
    stop: CancellationToken,
    running: TaskTracker,
}

impl Runner {
    /// A runner whose children carry this mark.
    pub fn new(mark: Mark) -> Self {
        Self {
            mark,
            stop: CancellationToken::new(),
            running: TaskTracker::new(),
        }
    }

    /// Runs a program to its end, or stops it with all that it started: when its time is over, when the
    /// runner stops, and when the caller drops this future. The stopping itself goes on by its own, and
    /// `held` is dropped when it is over.
    pub async fn run(&self, run: Run, held: impl Send + 'static) -> Result<Finished, ProcessError> {
        let abandoned = self.stop.child_token();
        let _stops_it = abandoned.clone().drop_guard();
        let (answer, answered) = oneshot::channel();
        let (mark, program) = (self.mark.of_run(Uuid::new_v4()), run.program.clone());
        self.running.spawn(async move {
            let result = run_marked(run, mark, &abandoned).await;
            drop(held);
            // The caller may be gone.
            let _nobody = answer.send(result);
        });
        answered.await.unwrap_or(Err(ProcessError::Cancelled { program }))
    }

    /// Stops what runs, refuses what comes, and waits until nothing is left.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.idle().await;
    }

    /// Waits until nothing runs: also what was abandoned is gone then. For a worker's end, as nothing can
    /// be run after it.
    pub async fn idle(&self) {
        self.running.close();
        self.running.wait().await;
        self.running.reopen();
    }
}

async fn run_marked(run: Run, mark: String, abandoned: &CancellationToken) -> Result<Finished, ProcessError> {
    let program = run.program.clone();
    if abandoned.is_cancelled() {
        return Err(ProcessError::Cancelled { program });
    }
    let spawn_error = |source| ProcessError::Spawn {
        program: program.clone(),
        source,
    };
    let limit = run.limit;
    let began = Instant::now();
    // The system hangs here when the program is on a disk that does not answer. Who gives up meanwhile is
    // heard afterwards: a child that may come to be counts as one that runs. One that comes after the limit
    // is killed with its handle, which nobody takes.
    let spawning = tokio::task::spawn_blocking({
        let mark = mark.clone();
        move || spawn(&run, &mark)
    });
    let mut child = match timeout(limit, spawning).await {
        Ok(spawned) => spawned
            .unwrap_or_else(|error| Err(error.into()))
            .map_err(spawn_error)?,
        Err(_) => return Err(ProcessError::TimedOut { program, limit }),
    };
    let group = Group::of(
        child
            .id()
            .ok_or_else(|| spawn_error(std::io::Error::other("no process id")))?,
    );
    let mut stdout = Capture::of(child.stdout().take());
    let mut stderr = Capture::of(child.stderr().take());

    let ended = tokio::select! {
        status = child.wait() => status.map_err(|source| ProcessError::Wait { program: program.clone(), source }),
        () = tokio::time::sleep(limit.saturating_sub(began.elapsed())) => Err(ProcessError::TimedOut { program: program.clone(), limit }),
        () = abandoned.cancelled() => Err(ProcessError::Cancelled { program: program.clone() }),
    };
    if ended.is_ok() {
        group.kill().await;
    } else {
        // The leader stays a member of its group until it is waited for.
        let (_, waited) = tokio::join!(group.end(), timeout(REAP_WAIT, child.wait()));
        if waited.is_err() {
            warn!(program = %program.display(), "{} is killed and does not go", program.display());
        }
    }
    if !ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
        mark::reap_run(mark).await;
    }
    // Nothing that could print is left, other than what a success left outside its group on purpose.
    let _streams_held_open = timeout(LAST_OUTPUT_WAIT, async {
        stdout.ended().await;
        stderr.ended().await;
    })
    .await;
    Ok(Finished {
        status: ended?,
        stdout: stdout.take(),
        stderr: stderr.take(),
    })
}

fn spawn(run: &Run, mark: &str) -> std::io::Result<Box<dyn ChildWrapper>> {
    CommandWrap::with_new(&run.program, |command| {
        command
            .args(&run.args)
            .env_clear()
            .envs(inherited())
            .envs(run.env.iter().map(|(name, value)| (name, value)))
            .env(MARK_VARIABLE, mark)
            .current_dir(&run.cwd)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    })
    .wrap(ProcessGroup::leader())
    .wrap(KillOnDrop)
    .spawn()
}

pub(super) fn inherited() -> impl Iterator<Item = (&'static str, OsString)> {
    INHERITED
        .iter()
        .filter_map(|name| Some((*name, std::env::var_os(name)?)))
}
