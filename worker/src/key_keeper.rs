//! Replaces the host's key before it ends.

use std::time::Duration;

use crate::jitter::jittered;
use crate::transport::{CallError, KeyRotation};
use crate::wake::Wake;

/// A key is good for a day at least, and is replaced when a third of its life is left.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
/// What failed is tried again before the next look, as it may be the network alone.
const RETRY_AFTER: Duration = Duration::from_secs(300);

/// Looks after the key until the worker ends. The end of a key that has none is not waited for.
pub(crate) async fn keep_key(rotation: KeyRotation, wake: &Wake) {
    loop {
        let pause = match keep_once(&rotation, wake).await {
            Ok(()) => LOOK_EVERY,
            // The other loops tell of the network, and of a host that is shut out.
            Err(error) if is_told_by_others(&error) => {
                tracing::debug!("could not look after this host's key: {error:#}");
                RETRY_AFTER
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "failed to look after this host's key: {error:#}"
                );
                RETRY_AFTER
            }
        };
        tokio::time::sleep(jittered(pause)).await;
    }
}

fn is_told_by_others(error: &anyhow::Error) -> bool {
    let error: Option<&CallError> = error.downcast_ref();
    error.is_some_and(|error| error.is_passing() || error.is_shut_out())
}

async fn keep_once(rotation: &KeyRotation, wake: &Wake) -> anyhow::Result<()> {
    let Some(expires_at) = rotation.expires_at().await? else {
        return Ok(());
    };
    if rotation.is_due(expires_at) {
        let rotated = rotation.rotate().await?;
        // With another key it hears elsewhere, and only a tick says where.
        wake.ask_when();
        let until = rotated
            .expires_at
            .map_or_else(|| "it is revoked".to_owned(), |at| at.to_string());
        tracing::info!(
            until,
            "replaced this host's key; the new one is good until {until}"
        );
    }
    Ok(())
}
