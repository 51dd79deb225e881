//! Finds out whether the Data API lets this host in.

use std::sync::Arc;

use creel_core::host_api::{API, ReadDocsReply, ReadDocsRequest};
use uuid::Uuid;

use super::api::Api;
use super::{KeyRotation, RestSession};
use crate::config::{ConfigError, DataApiConfig};
use crate::transport::{CALL_LIMIT, CallError};

/// Knows the Data API, and the host's key. Clones share both.
#[derive(Clone)]
pub(crate) struct RestConnector {
    api: Arc<Api>,
}

impl RestConnector {
    /// Reads certificates and key, asks nobody yet.
    pub(crate) fn new(config: &DataApiConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            api: Arc::new(Api::new(config)?),
        })
    }

    /// A session of which nobody knows yet whether it works.
    pub(crate) fn session(&self) -> RestSession {
        RestSession::new(self.api.clone())
    }

    /// A session that works: a host function was asked that changes nothing.
    pub(crate) async fn connect(&self) -> Result<RestSession, CallError> {
        let session = self.session();
        let argument = super::super::argument::encode(&ReadDocsRequest {
            api: API,
            token: Uuid::nil(),
        })?;
        let _none_is_held: Option<ReadDocsReply> = session.call("read_docs", &argument, CALL_LIMIT).await?;
        Ok(session)
    }

    /// What replaces the host's key.
    pub(crate) fn key_rotation(&self) -> KeyRotation {
        KeyRotation::new(self.api.clone())
    }
}
