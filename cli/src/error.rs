//! Errors as people and programs see them.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// Hosted Supabase signs its databases' certificates itself.
const CERTIFICATE_HINT: &str = "for hosted Supabase, download the certificate from the project's Database settings \
     and give it by --database-ca-file or CREEL_DATABASE_CA_FILE";

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
                Some(database) => Self::from_database(database, whole),
                None => Self::new(ErrorKind::Failed, whole),
            },
        }
    }

    /// What the database said, or why it said nothing.
    fn from_database(error: &tokio_postgres::Error, whole: String) -> Self {
        let Some(said) = error.as_db_error() else {
            return match certificate_error(error) {
                Some(why) => Self::new(
                    ErrorKind::Unreachable,
                    format!("the database's certificate is not trusted: {why}"),
                )
                .hint(CERTIFICATE_HINT),
                None => Self::new(ErrorKind::Unreachable, whole)
                    .hint("check DATABASE_URL, and that the database answers: creel doctor"),
            };
        };
        let (kind, hint) = match said.code().code() {
            "28P01" | "28000" => (
                ErrorKind::Auth,
                Some("check user and password in DATABASE_URL; the project's database settings can reset it"),
            ),
            "42501" => (
                ErrorKind::Auth,
                Some("this needs the database's owner: the login in DATABASE_URL must be postgres"),
            ),
            "3F000" | "42883" | "42P01" => (
                ErrorKind::Failed,
                Some(
                    "this database has no Creel, or an older one: apply the migrations with supabase db push",
                ),
            ),
            _ => (ErrorKind::Failed, None),
        };
        let mut known = Self::new(kind, said.message()).code(match kind {
            ErrorKind::Failed => said.code().code().to_owned(),
            other => other.code().to_owned(),
        });
        known.hint = said.hint().or(hint).map(str::to_owned);
        known
    }
}

/// Why the server's certificate was refused, if that is the reason.
fn certificate_error(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return Some(why.to_string());
        }
        // An io::Error's source is its inner error's source; the inner one itself is asked for.
        let inner = error.downcast_ref::<std::io::Error>();
        cause = match inner.and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
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

    #[test]
    fn a_certificate_that_nobody_trusts_is_found_below_the_connection() {
        let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, refused);
        assert!(certificate_error(&error).is_some_and(|why| why.contains("UnknownIssuer")));
        assert_eq!(certificate_error(&std::io::Error::other("down")), None);
    }
}
