//! What can go wrong between worker and database, by what is to be done about it.

use std::error::Error;
use std::time::Duration;

use creel_core::host_api::UPGRADE_NEEDED;

use crate::exit::Fatal;

/// What a transport's library says.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// Why a connection or a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The way is cut or the server cannot serve now. Whether the call was carried out is not known.
    /// Try again.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// Another transaction has what the call needs, and the call gave way to it, undone. Try again.
    #[error("another transaction was in the way: {0}")]
    Busy(String),
    /// The server's certificate is not trusted.
    #[error("the server's certificate is not trusted ({why}); {hint}")]
    Certificate {
        /// What is wrong with it.
        why: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// No answer came in time. Try again.
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
    /// The host's key is not known, expired or revoked.
    #[error("the project refuses this host's key: {0}; its owner can make a code for another one")]
    KeyRefused(String),
    /// The project's gateway lets nobody in: the publishable key is wrong, or somebody stands between.
    #[error("the Data API lets this host not in: {0}; check publishable_key")]
    DoorClosed(String),
    /// Something answers that may be the project's gateway, one of its own errors, or somebody else in its place.
    #[error(
        "the Data API lets this host not in, or something else answers in its place: {0}; check data_api_url and \
         publishable_key, and that no proxy stands between"
    )]
    Stranger(String),
    /// The functions or the database do not exist.
    #[error("there is no Creel in the database: {0}")]
    NoSchema(String),
    /// The call itself was refused; the same call will be refused again.
    #[error("the database refused the call")]
    Refused(#[source] Cause),
    /// The answer has another shape than this version expects.
    #[error("the database's answer is not understood")]
    Nonsense(#[source] Cause),
    /// The argument cannot be written as JSON.
    #[error("the argument cannot be encoded")]
    Encode(#[source] serde_json::Error),
}

impl CallError {
    /// What a SQLSTATE says that means the same by every transport.
    pub(super) fn of_sqlstate(code: &str, message: &str) -> Option<Self> {
        let message = message.to_owned();
        match code {
            UPGRADE_NEEDED => Some(Self::UpgradeNeeded(message)),
            "42501" => Some(Self::NotAHost(message)),
            "28000" | "28P01" => Some(Self::LoginRefused(message)),
            "3D000" | "3F000" | "42883" => Some(Self::NoSchema(message)),
            "40001" | "40P01" | "55P03" => Some(Self::Busy(message)),
            _ => None,
        }
    }

    /// Whether the same call may succeed later without anybody's help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Silent(_) | Self::Busy(_))
    }

    /// Whether the host was shut out: by revoking it, or by the end of its key.
    pub(crate) fn is_shut_out(&self) -> bool {
        matches!(
            self,
            Self::NotAHost(_)
                | Self::LoginRefused(_)
                | Self::KeyRefused(_)
                | Self::DoorClosed(_)
                | Self::Stranger(_)
        )
    }

    /// Whether it is the call itself that is wrong, so that it is refused whenever it is made. Everything else is about
    /// the way, or about who calls: that may be another thing in a minute.
    pub(crate) fn is_about_the_call(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Encode(_))
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
            Self::KeyRefused(message) => Some(Fatal::KeyRefused {
                message: message.clone(),
            }),
            Self::DoorClosed(message) => Some(Fatal::DoorClosed {
                message: message.clone(),
            }),
            Self::NoSchema(message) => Some(Fatal::NoSchema {
                message: message.clone(),
            }),
            _ => None,
        }
    }

    /// What ends a worker that is at work: only what no waiting can mend. A host that was shut out
    /// stays up, unready, as its owner may let it in again; its agents go on.
    pub(crate) fn fatal_at_work(&self) -> Option<Fatal> {
        match self {
            Self::UpgradeNeeded(_) => self.fatal_at_start(),
            _ => None,
        }
    }

    /// Whether it gave way to another transaction.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }

    /// Logs what is tried again. To give way is no fault: many hosts write at once.
    pub(crate) fn log(&self, what: &str) {
        let error = self.chain();
        if self.is_busy() {
            tracing::info!(error, "{what}: {error}");
        } else {
            tracing::warn!(error, "{what}: {error}");
        }
    }

    /// The whole chain of causes, for a log line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let said = error.to_string();
            // Some libraries paste the cause into the text that they have for it.
            if !text.ends_with(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        text
    }
}

/// SQLSTATEs of a server that is starting, stopping, full, or read-only after a fail-over.
pub(super) fn is_passing(code: &str) -> bool {
    matches!(&code[..code.len().min(2)], "08" | "53" | "57" | "58") || code == "25006"
}

/// What is wrong with the server's certificate, if that is what the error comes from.
pub(super) fn certificate_fault(error: &(dyn Error + 'static)) -> Option<String> {
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
        for code in ["57P01", "57P03", "57014", "53300", "08006", "25006"] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["40001", "40P01", "55P03"] {
            let error = CallError::of_sqlstate(code, "m");
            assert!(error.is_some_and(|error| error.is_passing()), "{code}");
        }
        for code in ["42601", "22P05", "23514", ""] {
            assert!(!is_passing(code), "{code}");
        }
    }

    #[test]
    fn only_a_version_ends_a_worker_at_work() {
        for shut_out in [
            CallError::NotAHost("gone".to_owned()),
            CallError::KeyRefused("revoked".to_owned()),
            CallError::DoorClosed("who are you".to_owned()),
        ] {
            assert!(shut_out.fatal_at_start().is_some() && shut_out.fatal_at_work().is_none());
            assert!(shut_out.is_shut_out() && !shut_out.is_passing());
        }
        assert!(CallError::UpgradeNeeded("2".to_owned()).fatal_at_work().is_some());
        let stranger = CallError::Stranger("a page".to_owned());
        assert!(stranger.fatal_at_start().is_none() && stranger.is_shut_out());
    }

    #[test]
    fn only_what_the_database_said_of_the_call_is_said_of_the_call() {
        for other in [
            CallError::KeyRefused("revoked".to_owned()),
            CallError::Stranger("a page".to_owned()),
            CallError::NoSchema("gone".to_owned()),
            CallError::Nonsense("a page".into()),
            CallError::Certificate {
                why: "expired".to_owned(),
                hint: "",
            },
            CallError::Silent(Duration::ZERO),
        ] {
            assert!(!other.is_about_the_call(), "{other}");
        }
        assert!(CallError::Refused("22P05".into()).is_about_the_call());
    }
}
