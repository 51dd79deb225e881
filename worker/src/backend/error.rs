//! What can go wrong with an agent on this host.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::job::provision::told;
use crate::job::{Failure, JobError};
use crate::openclaw::OpenClawError;
use crate::workspace::WorkspaceError;

/// Why a backend did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// What a person can read already: of the row, or of a step that the provisioning has, too.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// The agent is not on this host.
    #[error("the agent {id:?} is not deployed on this host")]
    NotDeployed {
        /// Its id in OpenClaw.
        id: String,
    },
    /// One more would make the machine swap.
    #[error(
        "the host has {free_mb} MB of memory left, of which {reserved_mb} MB are for agents that are starting, and \
         one more needs {needed_mb} MB"
    )]
    MemoryFull {
        /// What one needs.
        needed_mb: u64,
        /// What there is.
        free_mb: u64,
        /// What is promised to others already.
        reserved_mb: u64,
    },
    /// There is no port left.
    #[error("none of the {tried} ports for gateways is free")]
    NoPort {
        /// How many were looked at.
        tried: usize,
    },
    /// OpenClaw does not take the configuration. The last good one is in force.
    #[error("OpenClaw does not accept the agent's configuration: {message}")]
    ConfigRefused {
        /// Its own words, shortened.
        message: String,
    },
    /// The owner's file with model providers cannot be used.
    #[error("the host's profile_base {} {what}", .path.display())]
    BaseUnusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The gateway ended before it was ready.
    #[error("the agent's gateway ended before it was ready: {how}")]
    Ended {
        /// How, and its last words.
        how: String,
        /// Whether it may go better another time.
        may_pass: bool,
    },
    /// The gateway was not ready in time, and was killed.
    #[error("the agent's gateway was not ready within {} s and was stopped", .limit.as_secs())]
    NotReady {
        /// The time that it had.
        limit: Duration,
    },
    /// Somebody stopped it while it started.
    #[error("the agent was stopped while it started")]
    Superseded,
    /// The files of the agent cannot be used.
    #[error("cannot use {}", .path.display())]
    Disk {
        /// What was to be read or written.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// What OpenClaw said.
    #[error(transparent)]
    OpenClaw(#[from] OpenClawError),
    /// What is wrong with its folder.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}

impl BackendError {
    pub(super) fn disk(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Disk {
            path: path.into(),
            source,
        }
    }
}

impl From<&BackendError> for Failure {
    fn from(error: &BackendError) -> Self {
        use BackendError as E;
        let (code, retry, hint) = match error {
            E::Failed(failure) => return failure.clone(),
            E::OpenClaw(error) => return error.into(),
            E::Workspace(error) => return error.into(),
            E::NotDeployed { .. } => ("agent_not_deployed", false, "deploy the agent first"),
            E::MemoryFull { .. } => (
                "host_memory_full",
                false,
                "stop another agent of this host, give it more memory, or lower the host's capacity so that agents \
                 go elsewhere; then start the agent",
            ),
            E::NoPort { .. } => (
                "host_ports_full",
                false,
                "undeploy an agent of this host, or see which program has its ports (19001 and every 120 from there)",
            ),
            E::ConfigRefused { .. } => (
                "agent_config_refused",
                false,
                "correct the agent's configuration; the last one that worked is in force until then",
            ),
            E::BaseUnusable { .. } => (
                "profile_base_unusable",
                false,
                "correct that file on the host, or the worker's profile_base setting",
            ),
            E::Ended { may_pass, .. } => (
                "gateway_ended",
                *may_pass,
                "see the agent's gateway.log on the host, and run openclaw doctor there",
            ),
            E::NotReady { .. } => (
                "gateway_not_ready",
                true,
                "if it happens again, see whether the host is overloaded, and the agent's gateway.log there",
            ),
            E::Superseded => (
                "superseded",
                false,
                "nothing to do: what was asked for later counts",
            ),
            E::Disk { .. } => ("agent_files_failed", true, "check that disk of the host"),
        };
        Self {
            code,
            message: told(error),
            hint: hint.to_owned(),
            retry,
            steps: Vec::new(),
        }
    }
}

impl From<BackendError> for JobError {
    fn from(error: BackendError) -> Self {
        Self::Failed((&error).into())
    }
}
