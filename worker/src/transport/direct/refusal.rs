//! Sorts what tokio-postgres says.

use super::super::error::{CallError, Cause, certificate_fault, is_passing};

/// Where the right certificate is to be had.
const CERTIFICATE_HINT: &str = "for hosted Supabase, download the certificate from the project's database settings \
                                and name it as database_ca_file";

/// What a failure of tokio-postgres means to the worker.
pub(super) fn classify(error: tokio_postgres::Error) -> CallError {
    if let Some(said) = error.as_db_error() {
        let message = said.message().to_owned();
        return match CallError::of_sqlstate(said.code().code(), &message) {
            Some(known) => known,
            None if is_passing(said.code().code()) => CallError::Unavailable(Cause::from(error)),
            None => CallError::Refused(Cause::from(error)),
        };
    }
    match certificate_fault(&error) {
        Some(why) => CallError::Certificate {
            why,
            hint: CERTIFICATE_HINT,
        },
        None => CallError::Unavailable(Cause::from(error)),
    }
}
