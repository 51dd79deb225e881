//! What calls are made on.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CallError;
use super::argument::encode;
use super::direct::DirectSession;
use super::rest::RestSession;

/// A way to the database that is open, as far as anybody knows. Once it has ended it is not used again.
pub(crate) enum Session {
    /// One connection to Postgres.
    Direct(Box<DirectSession>),
    /// The Data API, since it last answered.
    Rest(RestSession),
}

impl Session {
    /// Waits until it ends.
    pub(crate) async fn ended(&self) {
        match self {
            Self::Direct(session) => session.ended().await,
            Self::Rest(session) => session.ended().await,
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Direct(session) => session.has_ended(),
            Self::Rest(session) => session.has_ended(),
        }
    }

    /// Calls a host function: one that takes one jsonb and answers one. An answer of null is an `Option`'s none.
    pub(crate) async fn call<R: DeserializeOwned + Send>(
        &self,
        function: &str,
        argument: &(impl Serialize + Sync),
        limit: Duration,
    ) -> Result<R, CallError> {
        let argument = encode(argument)?;
        match self {
            Self::Direct(session) => session.call(function, argument, limit).await,
            Self::Rest(session) => session.call(function, &argument, limit).await,
        }
    }
}
