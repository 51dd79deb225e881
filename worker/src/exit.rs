//! How a worker ends, and the exit code that tells a supervisor about it.

use std::path::PathBuf;

/// A worker that ended because it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Everything was finished or given back.
    Drained {
        /// How many items were given back unfinished.
        released: u64,
    },
    /// A second signal or [`Shutdown::stop_now`](crate::Shutdown::stop_now) cut the drain short.
    AtOnce {
        /// The signal; none when a program asked.
        signal: Option<i32>,
    },
}

impl Stopped {
    /// 0 after a drain, 128 + signal after a second signal (130 for Ctrl-C, 143 for SIGTERM).
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Drained { .. } | Self::AtOnce { signal: None } => 0,
            Self::AtOnce { signal: Some(signal) } => {
                u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX)
            }
        }
    }
}

/// Why a worker could not start, or ended by itself. The exit codes are those of `sysexits.h`.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// Exit code 78.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// Exit code 76.
    #[error(
        "this worker ({}) and the database do not speak the same version: {message}; \
         upgrade creel on this host, or apply the newer migrations to the database",
        env!("CARGO_PKG_VERSION")
    )]
    UpgradeNeeded {
        /// What the database said.
        message: String,
    },
    /// Exit code 77.
    #[error(
        "this login or key is not a host: {message}; make one by `creel host enroll --project <id>` and \
         use the DATABASE_URL that it prints"
    )]
    NotAHost {
        /// What the database said.
        message: String,
    },
    /// Exit code 77.
    #[error(
        "the database refused the login: {message}; check user and password in DATABASE_URL, or \
         make a new login by `creel host enroll --project <id>`"
    )]
    LoginRefused {
        /// What the database said.
        message: String,
    },
    /// Exit code 77.
    #[error(
        "the project refuses this host's key: {message}; let the owner of the host make a code (`creel host code`), \
         and enrol it again with that"
    )]
    KeyRefused {
        /// What the database said.
        message: String,
    },
    /// Exit code 77.
    #[error(
        "the Data API lets this host not in: {message}; check data_api_url and publishable_key, and that no proxy \
         stands between"
    )]
    DoorClosed {
        /// What was said.
        message: String,
    },
    /// Exit code 69.
    #[error(
        "the database has no Creel in it: {message}; apply the migrations (`supabase db push`), and \
         check the database's name in DATABASE_URL, or data_api_url"
    )]
    NoSchema {
        /// What the database said.
        message: String,
    },
    /// Exit code 75.
    #[error(
        "another worker runs on this host (process {pid}), it holds {}; stop it first, or give this \
         one a login and a data_dir of its own",
        lock.display()
    )]
    AlreadyRunning {
        /// What the lock file says.
        pid: String,
        /// The lock file.
        lock: PathBuf,
    },
    /// Exit code 78.
    #[error("cannot listen on {address}: {source}; choose another http_listen (port 0 takes any free one)")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Exit code 70: a part of the worker ended though nobody asked it to. It is a bug; a supervisor
    /// is to start the worker again.
    #[error("the {part} ended by itself{}", .why.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    PartDied {
        /// Which part.
        part: &'static str,
        /// What is known of the reason.
        why: Option<String>,
    },
}

impl Fatal {
    /// The exit code of a worker that ends with this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoSchema { .. } => 69,
            Self::PartDied { .. } => 70,
            Self::AlreadyRunning { .. } => 75,
            Self::UpgradeNeeded { .. } => 76,
            Self::NotAHost { .. }
            | Self::LoginRefused { .. }
            | Self::KeyRefused { .. }
            | Self::DoorClosed { .. } => 77,
            Self::Config(_) | Self::Listen { .. } => 78,
        }
    }
}

/// The exit code for what [`run`](crate::run) answered: that of [`Fatal`], or 1.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Fatal>())
        .map_or(1, Fatal::exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fatal_error_keeps_its_exit_code_under_context() {
        let error = anyhow::Error::from(Fatal::NotAHost {
            message: "no".to_owned(),
        });
        assert_eq!(exit_code(&error.context("start")), 77);
        assert_eq!(exit_code(&anyhow::anyhow!("other")), 1);
    }

    #[test]
    fn a_second_signal_shows_in_the_exit_code() {
        assert_eq!(Stopped::AtOnce { signal: Some(2) }.exit_code(), 130);
        assert_eq!(Stopped::AtOnce { signal: Some(15) }.exit_code(), 143);
        assert_eq!(Stopped::Drained { released: 3 }.exit_code(), 0);
    }
}
