//! What a host with a key can ask about itself, beside a worker that runs or not.

use anyhow::Context;
use jiff::Timestamp;

use crate::config::{DataApiConfig, TransportConfig, WorkerConfig};
use crate::exit::Fatal;
use crate::transport::{CallError, Connector, KeyRotation, Rotated};

/// How a host with a key stands with its project.
#[derive(Debug, Clone)]
pub struct HostAccess {
    /// Until when the key is good; none for until it is revoked.
    pub expires_at: Option<Timestamp>,
}

/// Asks whether the project lets this host in. Fails with [`Fatal`] where it does not.
pub async fn probe_host_access(config: &DataApiConfig) -> anyhow::Result<HostAccess> {
    let connector = Connector::new(&TransportConfig::Rest(config.clone())).map_err(Fatal::from)?;
    connector.connect_main(|_| {}).await.map_err(explained)?;
    let expires_at = rotation_of(&connector)?.expires_at().await;
    Ok(HostAccess {
        expires_at: expires_at.map_err(explained)?,
    })
}

/// Whether a host with a key can join a channel of Realtime, by which it hears of work at once; false where it is to do
/// without.
pub async fn probe_realtime(config: &DataApiConfig) -> anyhow::Result<bool> {
    let connector = Connector::new(&TransportConfig::Rest(config.clone())).map_err(Fatal::from)?;
    let Some(channel) = connector.channel() else {
        return Ok(false);
    };
    channel.probe().await?;
    Ok(true)
}

/// Replaces the host's key now. A worker that runs goes on with the new one by itself. Fails with [`Fatal`] where the
/// project does not let this host in.
pub async fn rotate_host_key(config: &WorkerConfig) -> anyhow::Result<Rotated> {
    let connector = Connector::new(&config.transport).map_err(Fatal::from)?;
    rotation_of(&connector)?
        .rotate()
        .await
        .map_err(|error| match error.downcast::<CallError>() {
            Ok(error) => explained(error),
            Err(error) => error,
        })
}

fn rotation_of(connector: &Connector) -> anyhow::Result<KeyRotation> {
    connector.key_rotation().context(
        "this host comes by a login of the database and has no key; to replace the login's password, enrol the host \
         again",
    )
}

/// The same words and exit codes as at a worker's start.
fn explained(error: CallError) -> anyhow::Error {
    match error.fatal_at_start() {
        Some(fatal) => fatal.into(),
        None => anyhow::anyhow!("{}", error.chain()),
    }
}
