//! Knows how to reach the database, by the one way or the other.

use std::sync::Arc;

use creel_core::host_api::CHANNEL;

use super::direct::DirectConnector;
use super::rest::{Channel, KeyRotation, RestConnector};
use super::{CALL_LIMIT, CallError, Hints, Session, TICK_LIMIT};
use crate::config::{ConfigError, TransportConfig};

/// Makes sessions. Clones share what sessions can share.
#[derive(Clone)]
pub(crate) enum Connector {
    /// A login role, by the protocol of Postgres.
    Direct(Box<DirectConnector>),
    /// A key, by the Data API.
    Rest(RestConnector),
}

impl Connector {
    /// Reads certificates and keys, connects nowhere yet.
    pub(crate) fn new(config: &TransportConfig) -> Result<Self, ConfigError> {
        Ok(match config {
            TransportConfig::Direct(config) => Self::Direct(Box::new(DirectConnector::new(config)?)),
            TransportConfig::Rest(config) => Self::Rest(RestConnector::new(config)?),
        })
    }

    /// Whether the worker is told now when there is work or something to cancel. Where it is not, only a tick tells.
    pub(crate) fn is_told(&self) -> bool {
        match self {
            Self::Direct(_) => true,
            Self::Rest(connector) => connector.hints().is_some_and(|hints| hints.is_live()),
        }
    }

    /// What is known of the Realtime channel by which the worker is told; none where there is no such channel.
    pub(crate) fn hints(&self) -> Option<Arc<Hints>> {
        match self {
            Self::Direct(_) => None,
            Self::Rest(connector) => connector.hints(),
        }
    }

    /// Who listens on that channel.
    pub(crate) fn channel(&self) -> Option<Channel> {
        match self {
            Self::Direct(_) => None,
            Self::Rest(connector) => connector.channel(),
        }
    }

    /// Whether several sessions reach the database at the same time where one does not.
    pub(crate) fn gains_by_sessions(&self) -> bool {
        matches!(self, Self::Direct(_))
    }

    /// The host's key, where it has one.
    pub(crate) fn key_rotation(&self) -> Option<KeyRotation> {
        match self {
            Self::Direct(_) => None,
            Self::Rest(connector) => Some(connector.key_rotation()),
        }
    }

    /// The session of claims and jobs. It is known to work when this answers; `heard` is given the payload of each
    /// notification.
    pub(crate) async fn connect_main(
        &self,
        heard: impl FnMut(&str) + Send + 'static,
    ) -> Result<Session, CallError> {
        match self {
            Self::Direct(connector) => {
                let session = connector.connect("main", heard).await?;
                // Registered before anybody can ask anything on the connection.
                session.set_up(CALL_LIMIT, Some(CHANNEL)).await?;
                Ok(Session::Direct(Box::new(session)))
            }
            Self::Rest(connector) => Ok(Session::Rest(connector.connect().await?)),
        }
    }

    /// The session of ticks.
    pub(crate) async fn connect_tick(&self) -> Result<Session, CallError> {
        match self {
            Self::Direct(connector) => {
                let session = connector.connect("tick", |_| {}).await?;
                session.set_up(TICK_LIMIT, None).await?;
                Ok(Session::Direct(Box::new(session)))
            }
            // The tick itself finds out whether the way is open.
            Self::Rest(connector) => Ok(Session::Rest(connector.session())),
        }
    }

    /// A further session for results.
    pub(crate) async fn connect_results(&self) -> Result<Session, CallError> {
        match self {
            Self::Direct(connector) => {
                let session = connector.connect("results", |_| {}).await?;
                session.set_up(CALL_LIMIT, None).await?;
                Ok(Session::Direct(Box::new(session)))
            }
            Self::Rest(connector) => Ok(Session::Rest(connector.session())),
        }
    }
}
