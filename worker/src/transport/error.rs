//! What can go wrong between worker and database, by what is to be done about it.

use std::error::Error;
use std::time::Duration;

use creel_core::host_api::UPGRADE_NEEDED;

use crate::exit::Fatal;

/// Why a connection or a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The connection is gone or the server cannot serve now. Whether the call was carried out is
    /// not known. Try again.
    #[error("the database cannot be reached")]
    Unavailable(#[source] tokio_postgres::Error),
    /// The server's certificate is not trusted.
    #[error(
        "the database's certificate is not trusted ({0}); for hosted Supabase, download the \
         certificate from the project's database settings and name it as database_ca_file"
    )]
    Certificate(String),
    /// No answer came in time; the connection was given up. Try again.
    #[error("the database did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The functions are of another version.
    #[error("the database speaks another version: {0}")]
    UpgradeNeeded(String),
    /// The login is not a host, or no more.
    #[error("the login is not a host: {0}")]
    NotAHost(String),
    /// User or password are wrong.
    #[error("the login was refused: {0}")]
    LoginRefused(String),
    /// The functions or the database do not exist.
    #[error("there is no Creel in the database: {0}")]
    NoSchema(String),
    /// The call itself was refused; the same call will be refused again.
    #[error("the database refused the call")]
    Refused(#[source] tokio_postgres::Error),
    /// The answer has another shape than this version expects.
    #[error("the database's answer is not understood")]
    Nonsense(#[source] tokio_postgres::Error),
    /// The argument cannot be written as JSON.
    #[error("the argument cannot be encoded")]
    Encode(#[source] serde_json::Error),
}

impl CallError {
    /// Sorts what tokio-postgres says.
    pub(super) fn from_pg(error: tokio_postgres::Error) -> Self {
        if let Some(said) = error.as_db_error() {
            let message = said.message().to_owned();
            return match said.code().code() {
                UPGRADE_NEEDED => Self::UpgradeNeeded(message),
                "42501" => Self::NotAHost(message),
                "28000" | "28P01" => Self::LoginRefused(message),
                "3D000" | "3F000" | "42883" => Self::NoSchema(message),
                code if is_passing(code) => Self::Unavailable(error),
                _ => Self::Refused(error),
            };
        }
        match certificate_error(&error) {
            Some(why) => Self::Certificate(why),
            None => Self::Unavailable(error),
        }
    }

    /// Whether the same call may succeed later without anybody's help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Silent(_))
    }

    /// What ends a worker that is starting.
    pub(crate) fn fatal_at_start(&self) -> Option<Fatal> {
        match self {
            Self::UpgradeNeeded(message) => Some(Fatal::UpgradeNeeded {
                message: message.clone(),
            }),
            Self::NotAHost(message) => Some(Fatal::NotAHost {
                message: message.clone(),
            }),
            Self::LoginRefused(message) => Some(Fatal::LoginRefused {
                message: message.clone(),
            }),
            Self::NoSchema(message) => Some(Fatal::NoSchema {
                message: message.clone(),
            }),
            _ => None,
        }
    }

    /// What ends a worker that is at work: only what no waiting can mend. A host that was removed
    /// stays up, unready, as its owner may bring it back.
    pub(crate) fn fatal_at_work(&self) -> Option<Fatal> {
        match self {
            Self::UpgradeNeeded(_) => self.fatal_at_start(),
            _ => None,
        }
    }

    /// The whole chain of causes, for a log line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// SQLSTATEs of a server that is starting, stopping, full, read-only after a fail-over, or had to give
/// up this one statement.
fn is_passing(code: &str) -> bool {
    matches!(&code[..code.len().min(2)], "08" | "53" | "57" | "58")
        || matches!(code, "40001" | "40P01" | "55P03" | "25006")
}

fn certificate_error(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return Some(why.to_string());
        }
        // An io::Error's source is its inner error's source; the inner one itself is asked for.
        cause = match error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_restarts_is_waited_for_and_a_wrong_call_is_not() {
        for code in ["57P01", "57P03", "57014", "53300", "08006", "40001"] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["42601", "22P05", "23514", ""] {
            assert!(!is_passing(code), "{code}");
        }
    }

    #[test]
    fn only_a_version_ends_a_worker_at_work() {
        let removed = CallError::NotAHost("gone".to_owned());
        assert!(removed.fatal_at_start().is_some() && removed.fatal_at_work().is_none());
        assert!(CallError::UpgradeNeeded("2".to_owned()).fatal_at_work().is_some());
    }
}
