//! What can go wrong with a program.

use std::path::PathBuf;
use std::time::Duration;

/// Why a program came to no end of its own.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It did not start.
    #[error("start {}", .program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It was stopped, with all that it had started, as its time was over.
    #[error("{} did not end within {limit:?} and was stopped", .program.display())]
    TimedOut {
        /// The program.
        program: PathBuf,
        /// The time that it had.
        limit: Duration,
    },
    /// It was stopped, with all that it had started, as nobody wants its result any more.
    #[error("{} was stopped, as the worker is stopping", .program.display())]
    Cancelled {
        /// The program.
        program: PathBuf,
    },
    /// The system could not say how it ended.
    #[error("wait for {}", .program.display())]
    Wait {
        /// The program.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}
