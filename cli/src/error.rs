//! Errors as people and programs see them.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// What kind of error it is: decides the exit code and the word in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// Anything else.
    Failed,
    /// The command line is wrong.
    Usage,
    /// Not signed in, or not allowed.
    Auth,
    /// There is no such thing.
    NotFound,
    /// The other side does not answer.
    Unreachable,
    /// The agent's request ended in an error.
    Request,
    /// `creel doctor` found something broken.
    Unhealthy,
    /// The time to wait ran out.
    Timeout,
    /// The person stopped it.
    Interrupted,
    /// The worker ended with this exit code.
    Worker(u8),
}

impl ErrorKind {
    /// The exit code; the list is shown by `creel --help`.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Auth => 3,
            Self::NotFound => 4,
            Self::Unreachable => 5,
            Self::Request => 6,
            Self::Unhealthy => 7,
            Self::Timeout => 8,
            Self::Interrupted => 130,
            Self::Worker(code) => code,
        }
    }

    /// The word in JSON, where the error has none of its own.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Auth => "not_allowed",
            Self::NotFound => "not_found",
            Self::Unreachable => "unreachable",
            Self::Request => "request_failed",
            Self::Unhealthy => "unhealthy",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Worker(_) => "worker",
        }
    }
}

/// An error with what to do about it.
#[derive(Debug)]
pub(crate) struct CliError {
    /// Decides the exit code.
    pub(crate) kind: ErrorKind,
    /// A word for programs.
    pub(crate) code: Cow<'static, str>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// More for programs, beside the error.
    pub(crate) detail: Option<Box<(&'static str, Value)>>,
}

impl CliError {
    /// An error of a kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: Cow::Borrowed(kind.code()),
            message: message.into(),
            hint: None,
            detail: None,
        }
    }

    /// Adds what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds more for programs.
    pub(crate) fn detail(mut self, name: &'static str, value: Value) -> Self {
        self.detail = Some(Box::new((name, value)));
        self
    }

    /// Gives it the word that the other side used.
    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Cow::Owned(code.into());
        self
    }

    /// Finds the error with a hint in a chain, or makes one of the chain's text.
    pub(crate) fn from_anyhow(error: anyhow::Error) -> Self {
        let whole = format!("{error:#}");
        match error.downcast::<Self>() {
            Ok(mut known) => {
                known.message = whole;
                known
            }
            Err(other) => match other.downcast_ref::<tokio_postgres::Error>() {
                Some(database) if database.as_db_error().is_none() => {
                    Self::new(ErrorKind::Unreachable, whole)
                        .hint("check DATABASE_URL, and that the database answers: creel doctor")
                }
                Some(database) => {
                    let hint = database
                        .as_db_error()
                        .and_then(|error| error.hint())
                        .map(str::to_owned);
                    let said = database.as_db_error().map(|error| error.message().to_owned());
                    let mut error = Self::new(ErrorKind::Failed, said.unwrap_or(whole));
                    error.hint = hint;
                    error
                }
                None => Self::new(ErrorKind::Failed, whole),
            },
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn context_around_an_error_keeps_its_kind_and_hint() {
        let error = Err::<(), _>(CliError::new(ErrorKind::Auth, "refused").hint("sign in"))
            .context("list agents")
            .expect_err("an error");
        let seen = CliError::from_anyhow(error);
        assert_eq!(seen.kind, ErrorKind::Auth);
        assert_eq!(seen.message, "list agents: refused");
        assert_eq!(seen.hint.as_deref(), Some("sign in"));
    }
}
