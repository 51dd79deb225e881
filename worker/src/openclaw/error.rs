//! What can go wrong with OpenClaw.

use std::path::PathBuf;
use std::time::Duration;

use super::{GatewayProblem, MIN_VERSION, Version};

/// Why OpenClaw did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OpenClawError {
    /// There is no such program.
    #[error("OpenClaw is not installed: there is no program {}", .program.display())]
    Missing {
        /// What was looked for.
        program: PathBuf,
    },
    /// There is one, but it does not start.
    #[error("{} cannot be started", .program.display())]
    CannotStart {
        /// The program.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is older than [`MIN_VERSION`].
    #[error("OpenClaw {found} is too old; Creel needs {MIN_VERSION} or newer")]
    TooOld {
        /// What it says of itself.
        found: Version,
    },
    /// It was stopped, as it did not end in time.
    #[error("`openclaw {command}` did not end within {} s and was stopped", .limit.as_secs_f32())]
    TimedOut {
        /// The command.
        command: &'static str,
        /// The time that it had.
        limit: Duration,
    },
    /// Somebody else ended it: a person, or a system short of memory.
    #[error("`openclaw {command}` was killed by signal {signal}")]
    Killed {
        /// The command.
        command: &'static str,
        /// The signal.
        signal: i32,
    },
    /// It said no.
    #[error("`openclaw {command}` failed with exit code {exit}: {message}")]
    Failed {
        /// The command.
        command: &'static str,
        /// Its exit code.
        exit: i32,
        /// Its own words, shortened.
        message: String,
    },
    /// It said something that Creel does not understand.
    #[error("`openclaw {command}` printed no answer that can be read: {shown:?}")]
    Unreadable {
        /// The command.
        command: &'static str,
        /// The beginning of what it printed.
        shown: String,
    },
    /// There is an agent with this id already.
    #[error("OpenClaw has an agent {id:?} already")]
    AlreadyExists {
        /// The id.
        id: String,
    },
    /// There is no agent with this id.
    #[error("OpenClaw has no agent {id:?}")]
    NotFound {
        /// The id.
        id: String,
    },
    /// Its configuration is something that nobody can read.
    #[error("OpenClaw's configuration {} is {found}", .path.display())]
    ConfigUnusable {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// The disk of its configuration does not answer.
    #[error("OpenClaw's configuration {} could not be read within {} s", .path.display(), .limit.as_secs())]
    ConfigSilent {
        /// The file.
        path: PathBuf,
        /// The time that it had.
        limit: Duration,
    },
    /// A folder that is to stay would have gone to its trash.
    #[error("cannot keep {} from OpenClaw's trash, so that the agent is not deleted", .path.display())]
    NotKept {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The worker is stopping.
    #[error("`openclaw {command}` was stopped, as the worker is stopping")]
    Cancelled {
        /// The command.
        command: &'static str,
    },
    /// There is no gateway to do it.
    #[error(transparent)]
    Gateway(#[from] GatewayProblem),
    /// The gateway said no.
    #[error("the gateway refused {method} ({code}): {message}")]
    GatewayRefused {
        /// What it was asked.
        method: &'static str,
        /// Its word for programs.
        code: String,
        /// Its own words, shortened.
        message: String,
    },
    /// OpenClaw does not take its own configuration.
    #[error("OpenClaw does not accept its configuration {}: {message}", .path.display())]
    ConfigRefused {
        /// The file.
        path: PathBuf,
        /// Its own words, shortened.
        message: String,
    },
}
