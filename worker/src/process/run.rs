//! What to run, and how it ended.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// A program with its arguments, environment and time limit. It never passes through a shell.
#[derive(Debug, Clone)]
pub struct Run {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) cwd: PathBuf,
    pub(super) limit: Duration,
}

impl Run {
    /// Runs `program`, which is looked for on PATH if it is a bare name, for at most `limit`.
    pub fn new(program: impl Into<PathBuf>, limit: Duration) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            // Not the worker's own: programs read `.env` and the like from where they stand.
            cwd: PathBuf::from("/"),
            limit,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable; everything but a short list is cleared otherwise.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Runs it in this directory.
    #[must_use]
    pub fn cwd(mut self, cwd: &Path) -> Self {
        cwd.clone_into(&mut self.cwd);
        self
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// The beginning of what it printed.
    pub stdout: Vec<u8>,
    /// The beginning of what it complained about.
    pub stderr: Vec<u8>,
}

/// What shells and wrappers add to a signal to make an exit code of it.
const SIGNAL_EXIT_BASE: i32 = 128;

impl Finished {
    /// The signal that ended it, also if a wrapper turned it into an exit code.
    pub fn signal(&self) -> Option<i32> {
        let killed = |signal: &i32| matches!(signal, 1..=15);
        self.status.signal().or_else(|| {
            self.status
                .code()
                .map(|code| code - SIGNAL_EXIT_BASE)
                .filter(killed)
        })
    }
}
