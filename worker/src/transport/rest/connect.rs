//! Finds out whether the Data API lets this host in.

use std::sync::Arc;

use creel_core::host_api::{API, ReadDocsReply, ReadDocsRequest};
use uuid::Uuid;

use super::api::Api;
use super::{Channel, KeyRotation, RestSession};
use crate::config::{ConfigError, DataApiConfig, RealtimeConfig};
use crate::transport::{CALL_LIMIT, CallError, Hints};

/// Knows the Data API, and the host's key. Clones share both.
#[derive(Clone)]
pub(crate) struct RestConnector {
    api: Arc<Api>,
    hints: Option<Arc<Hints>>,
    realtime: Option<(reqwest::Client, RealtimeConfig)>,
}

impl RestConnector {
    /// Reads certificates and key, asks nobody yet.
    pub(crate) fn new(config: &DataApiConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            api: Arc::new(Api::new(config)?),
            hints: config.realtime.as_ref().map(|_| Arc::default()),
            // A client of its own: what it holds open is not among the connections that calls share.
            realtime: match &config.realtime {
                Some(realtime) => Some((config.http_client()?, realtime.clone())),
                None => None,
            },
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

    /// What is known of the channel by which it hears of work; none where there is no Realtime.
    pub(crate) fn hints(&self) -> Option<Arc<Hints>> {
        self.hints.clone()
    }

    /// Who listens on that channel.
    pub(crate) fn channel(&self) -> Option<Channel> {
        let (http, config) = self.realtime.clone()?;
        Some(Channel::new(http, config, self.hints.clone()?))
    }

    /// What replaces the host's key.
    pub(crate) fn key_rotation(&self) -> KeyRotation {
        KeyRotation::new(self.api.clone())
    }
}
