//! Sweeps the queue as pg_cron does on Supabase: with the only host off, somebody still sweeps.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};
use tokio_util::sync::CancellationToken;

use crate::postgres::connect;

/// A dead worker is noticed within 30 s: the lease ends after at most 25 s, and this adds 5 s.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// A sweep takes milliseconds; one that waits for a lock is given up and begun anew.
const SWEEP_LIMIT: Duration = Duration::from_secs(10);

/// Sweeps until it is cancelled. `config` is the role `postgres`.
pub async fn run(config: Config, cancelled: CancellationToken) {
    let mut client = None;
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        // A sweep may wait for a lock; whoever holds it must not hold up the end.
        let swept = tokio::select! {
            () = cancelled.cancelled() => return,
            swept = sweep_once(&config, &mut client) => swept,
        };
        if let Err(error) = swept {
            tracing::warn!(error = %format_args!("{error:#}"), "failed to sweep the queue; it is tried again");
        }
    }
}

/// One sweep, over a connection that is made again when it was lost.
async fn sweep_once(config: &Config, client: &mut Option<Client>) -> anyhow::Result<()> {
    let connected = match client.take().filter(|client| !client.is_closed()) {
        Some(client) => client,
        None => {
            let made = connect(config).await?;
            made.batch_execute(&format!("set statement_timeout = {}", SWEEP_LIMIT.as_millis()))
                .await?;
            made
        }
    };
    let swept = connected
        .batch_execute(r#"select public.sweep('{"api":1}'::jsonb)"#)
        .await;
    *client = Some(connected);
    match swept {
        // A database without our migrations has nothing to sweep.
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_FUNCTION) => Ok(()),
        other => Ok(other?),
    }
}
