//! Makes a connection to Postgres.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;

use super::super::error::CallError;
use super::DirectSession;
use super::refusal::classify;
use crate::config::{ConfigError, DatabaseConfig};

/// Name look-up, TLS and login over a slow line; a server that needs longer is down.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// An idle connection is asked this often whether it lives: routers forget silent ones after minutes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// Three questions without an answer, and the line is dead: within the time of one lease.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// See [`KEEPALIVE_INTERVAL`].
const KEEPALIVE_RETRIES: u32 = 3;

/// Knows how to reach the database.
#[derive(Clone)]
pub(crate) struct DirectConnector {
    login: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
}

impl DirectConnector {
    /// Reads certificates, connects nowhere yet.
    pub(crate) fn new(config: &DatabaseConfig) -> Result<Self, ConfigError> {
        let mut login = config.login();
        if login.get_connect_timeout().is_none() {
            login.connect_timeout(CONNECT_LIMIT);
        }
        login
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES);
        Ok(Self {
            login,
            tls: config.tls()?,
        })
    }

    /// Connects, and runs the connection on a task of its own. `heard` is given the payload of each
    /// notification. `role` tells the worker's connections apart in `pg_stat_activity`.
    pub(crate) async fn connect(
        &self,
        role: &str,
        heard: impl FnMut(&str) + Send + 'static,
    ) -> Result<DirectSession, CallError> {
        // The time limit of the login knows only the socket; TLS and the login itself may hang too.
        tokio::time::timeout(CONNECT_LIMIT, self.connect_unlimited(role, heard))
            .await
            .unwrap_or(Err(CallError::Silent(CONNECT_LIMIT)))
    }

    async fn connect_unlimited(
        &self,
        role: &str,
        heard: impl FnMut(&str) + Send + 'static,
    ) -> Result<DirectSession, CallError> {
        let mut login = self.login.clone();
        login.application_name(format!("creel-worker {} ({role})", env!("CARGO_PKG_VERSION")));
        let given_up = CancellationToken::new();
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = login.connect(tls.clone()).await.map_err(classify)?;
                tokio::spawn(drive(connection, heard, given_up.clone()));
                client
            }
            None => {
                let (client, connection) = login.connect(NoTls).await.map_err(classify)?;
                tokio::spawn(drive(connection, heard, given_up.clone()));
                client
            }
        };
        Ok(DirectSession::new(client, given_up))
    }
}

/// Moves the bytes until the connection ends or is given up.
async fn drive<S, T>(
    mut connection: Connection<S, T>,
    mut heard: impl FnMut(&str) + Send + 'static,
    given_up: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Dropped with this task, whatever ends it: whoever waits for the end of the session hears it.
    let _ended = given_up.clone().drop_guard();
    loop {
        let message = tokio::select! {
            message = poll_fn(|cx| connection.poll_message(cx)) => message,
            () = given_up.cancelled() => return,
        };
        match message {
            Some(Ok(AsyncMessage::Notification(note))) => heard(note.payload()),
            Some(Ok(AsyncMessage::Notice(notice))) => {
                tracing::debug!(
                    notice = notice.message(),
                    "the database said: {}",
                    notice.message()
                );
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection to the database ended: {error}");
                return;
            }
            None => return,
        }
    }
}
