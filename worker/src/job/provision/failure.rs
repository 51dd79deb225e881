//! What a person reads on the row when it did not work, and whether another attempt may.

use std::path::Path;
use std::time::Duration;

use super::Wish;
use crate::job::{Failure, JobError};
use crate::openclaw::{GatewayProblem, MIN_VERSION, OpenClawError};
use crate::workspace::WorkspaceError;

impl Failure {
    /// The same failure, with the steps that were done before it.
    pub(super) fn after(self, steps: Vec<serde_json::Value>) -> Self {
        Self { steps, ..self }
    }
}

impl From<Failure> for JobError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<OpenClawError> for JobError {
    fn from(error: OpenClawError) -> Self {
        Self::Failed(Failure::from(&error))
    }
}

impl From<WorkspaceError> for JobError {
    fn from(error: WorkspaceError) -> Self {
        Self::Failed(Failure::from(&error))
    }
}

impl From<&OpenClawError> for Failure {
    fn from(error: &OpenClawError) -> Self {
        openclaw_failure(error)
    }
}

impl From<&WorkspaceError> for Failure {
    fn from(error: &WorkspaceError) -> Self {
        workspace_failure(error)
    }
}

/// Retried is what may be another time without a person's help.
enum Retry {
    After,
    Never,
}

/// What to do about an agent that OpenClaw has already.
const ADOPT_OR_RENAME: &str =
    "adopt the agent that is there (creel agent adopt, as the owner of the host), or choose another id";

fn failure(code: &'static str, message: String, retry: &Retry, hint: impl Into<String>) -> Failure {
    let retry = matches!(retry, Retry::After);
    Failure {
        code,
        message,
        hint: hint.into(),
        retry,
        steps: Vec::new(),
    }
}

/// An error with its causes.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn openclaw_failure(error: &OpenClawError) -> Failure {
    use OpenClawError as E;
    use Retry::{After, Never};
    let (code, retry, hint) = match error {
        E::Missing { .. } => (
            "openclaw_missing",
            Never,
            format!(
                "install OpenClaw {MIN_VERSION} or newer on the host (npm install -g openclaw), or set the \
                 worker's openclaw setting to where it is; then redrive the request"
            ),
        ),
        E::CannotStart { .. } => (
            "openclaw_cannot_start",
            Never,
            "see that the worker's user may run it, and that the node it needs is on the worker's PATH; \
             then redrive the request"
                .to_owned(),
        ),
        E::TooOld { .. } => (
            "openclaw_too_old",
            Never,
            "update OpenClaw on the host (openclaw update), then redrive the request".to_owned(),
        ),
        E::TimedOut { .. } => (
            "openclaw_timed_out",
            After,
            "if it happens again, see whether the host is overloaded, and run openclaw doctor on it"
                .to_owned(),
        ),
        E::Killed { .. } => (
            "openclaw_killed",
            After,
            "if it happens again, see whether the host is short of memory: each run needs half a gigabyte"
                .to_owned(),
        ),
        E::Failed { .. } => (
            "openclaw_failed",
            After,
            "if it happens again, run openclaw doctor on the host".to_owned(),
        ),
        E::Unreadable { .. } => (
            "openclaw_unreadable",
            After,
            "if it happens again, see whether this version of OpenClaw is newer than this version of Creel"
                .to_owned(),
        ),
        E::AlreadyExists { .. } => ("agent_exists", Never, ADOPT_OR_RENAME.to_owned()),
        E::NotFound { .. } => (
            "agent_vanished",
            After,
            "somebody else removed the agent meanwhile; if it happens again, see who".to_owned(),
        ),
        E::ConfigUnusable { .. } => (
            "openclaw_config_unusable",
            Never,
            "put OpenClaw's own configuration there again (openclaw doctor), or correct the worker's \
             openclaw_state_dir; then redrive the request"
                .to_owned(),
        ),
        E::ConfigSilent { .. } => (
            "disk_hangs",
            After,
            "check that disk of the host, and its network".to_owned(),
        ),
        E::Gateway(GatewayProblem::Untrusted { .. }) => (
            "gateway_untrusted",
            Never,
            "run the gateway and the worker as the same user, or set the worker's openclaw_driver to auto or \
             cli; then redrive the request"
                .to_owned(),
        ),
        E::Gateway(
            GatewayProblem::NoToken
            | GatewayProblem::LoginRefused { .. }
            | GatewayProblem::OtherConfiguration { .. },
        ) => (
            "gateway_login",
            Never,
            "see that gateway.port and gateway.auth.token in openclaw.json are those of the running gateway, or \
             set the worker's openclaw_driver to auto or cli; then redrive the request"
                .to_owned(),
        ),
        E::Gateway(_) => (
            "gateway_unavailable",
            After,
            "start the gateway on the host (openclaw gateway run), or set the worker's openclaw_driver to auto"
                .to_owned(),
        ),
        E::GatewayRefused { .. } => (
            "gateway_refused",
            After,
            "if it happens again, see the gateway's log on the host, and run openclaw doctor there".to_owned(),
        ),
        E::ConfigRefused { .. } => (
            "openclaw_config_refused",
            After,
            "correct OpenClaw's configuration on the host (openclaw config validate, openclaw doctor)".to_owned(),
        ),
        E::NotKept { .. } => (
            "agent_files_failed",
            After,
            "see that the worker's user may move that folder on the host".to_owned(),
        ),
        E::Cancelled { .. } => (
            "worker_stopping",
            After,
            "nothing to do: it is tried again".to_owned(),
        ),
    };
    failure(code, told(error), &retry, hint)
}

fn workspace_failure(error: &WorkspaceError) -> Failure {
    use Retry::{After, Never};
    use WorkspaceError as E;
    let move_away = "move it away on the host, then redrive the request; or choose another id";
    let (code, retry, hint) = match error {
        E::Taken { .. } => ("workspace_taken", Never, move_away),
        E::NotOurs { .. } => ("workspace_not_ours", Never, move_away),
        E::Missing { .. } => (
            "workspace_missing",
            Never,
            "make that folder on the host again, or correct the agent's workspace in OpenClaw; then redrive the \
             request",
        ),
        E::NotAFolder { .. } => ("workspace_not_a_folder", Never, move_away),
        E::NotAFile { .. } => (
            "workspace_special_file",
            Never,
            "put a regular file there, or take it away; then redrive the request",
        ),
        E::Full { .. } => ("disk_full", After, "free some space on that disk of the host"),
        E::ReadOnly { .. } => (
            "disk_read_only",
            Never,
            "make that disk of the host writable, or set the worker's workspace_root to another one; then \
             redrive the request",
        ),
        E::Denied { .. } => (
            "workspace_denied",
            Never,
            "give the worker's user the right to write there, or set the worker's workspace_root to a folder \
             of its own; then redrive the request",
        ),
        E::Io { .. } => (
            "workspace_failed",
            After,
            "if it happens again, check that disk of the host",
        ),
    };
    failure(code, told(error), &retry, hint)
}

pub(super) fn agent_exists(wish: &Wish) -> Failure {
    let message = format!(
        "OpenClaw has an agent {:?} with another workspace already",
        wish.id.as_str()
    );
    failure("agent_exists", message, &Retry::Never, ADOPT_OR_RENAME)
}

pub(super) fn nothing_to_adopt(wish: &Wish) -> Failure {
    let message = format!(
        "OpenClaw has no agent {:?} whose workspace it can name, so that there is nothing to adopt",
        wish.id.as_str()
    );
    let hint = "see on the host which agents there are (openclaw agents list); then redrive the request, or adopt \
                another one";
    failure("nothing_to_adopt", message, &Retry::Never, hint)
}

pub(super) fn workspace_shared(wish: &Wish, path: &Path, other: &str) -> Failure {
    let message = format!(
        "the workspace of {:?}, {}, is that of OpenClaw's agent {other:?}, too",
        wish.id.as_str(),
        path.display()
    );
    let hint =
        "give one of the two a workspace of its own in OpenClaw's configuration; then redrive the request";
    failure("workspace_shared", message, &Retry::Never, hint)
}

pub(super) fn differs(wish: &Wish, how: &str) -> Failure {
    let message = format!(
        "OpenClaw did not keep what it was told of {:?}: {how}",
        wish.id.as_str()
    );
    let hint = "if it happens again, see whether something else changes OpenClaw's configuration";
    failure("openclaw_differs", message, &Retry::After, hint)
}

pub(super) fn disk_hangs(path: &Path, limit: Duration) -> Failure {
    let message = format!(
        "the disk of {} did not answer within {} s",
        path.display(),
        limit.as_secs()
    );
    failure(
        "disk_hangs",
        message,
        &Retry::After,
        "check that disk of the host, and its network",
    )
}

pub(super) fn malformed(what: &str) -> Failure {
    let message = format!("the row of the {what} lacks what this version of Creel needs");
    failure(
        "row_malformed",
        message,
        &Retry::Never,
        "update the worker, or the database's migrations",
    )
}

pub(super) fn not_placed() -> Failure {
    let message = "the database chose no OpenClaw id for the agent".to_owned();
    failure(
        "not_placed",
        message,
        &Retry::After,
        "redrive the request; it is placed anew then",
    )
}
