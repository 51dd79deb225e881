//! A direct connection to the database, for what only its owner or a host may do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use creel_core::secret::Secret;
use creel_worker::config::{ConfigError, DatabaseConfig};
use tokio_postgres::{Client, NoTls};

use crate::connection::local_database_url;
use crate::error::{CliError, ErrorKind};

/// Name look-up, TLS and login over a slow line; a server that needs longer is down.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Flags of every command that connects to the database.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct DatabaseArgs {
    /// Database as `postgresql://…` [default: that of .creel/env here]. Prefer the environment: other users
    /// of this machine can read a process' command line.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) database_url: Option<Secret>,

    /// Certificate (PEM) that signs the database's own; hosted Supabase has one to download [default: what
    /// the system trusts].
    #[arg(long, env = "CREEL_DATABASE_CA_FILE", value_name = "FILE")]
    pub(crate) database_ca_file: Option<PathBuf>,

    /// Which Supabase project is meant: .creel/env of another one is left alone.
    #[arg(long, env = "SUPABASE_URL", value_name = "URL", hide = true)]
    pub(crate) database_of: Option<String>,
}

impl DatabaseArgs {
    /// The database's URL, if one is known.
    pub(crate) fn url(&self) -> anyhow::Result<Option<Secret>> {
        match &self.database_url {
            Some(url) => Ok(Some(url.clone())),
            None => local_database_url(self.database_of.as_deref()),
        }
    }

    /// The database's URL.
    pub(crate) fn require_url(&self) -> anyhow::Result<Secret> {
        self.url()?.ok_or_else(|| {
            CliError::new(ErrorKind::Usage, "DATABASE_URL is missing")
                .hint(
                    "set it to the database's postgresql:// URL; the project's settings show it under Connect",
                )
                .into()
        })
    }

    /// The certificate that signs that of the database; the one of .creel/env has none.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.database_url.as_ref()?;
        self.database_ca_file.as_deref()
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        connect(&self.require_url()?, self.ca_file()).await
    }
}

/// Connects; the connection is encrypted unless the database is on this machine.
pub(crate) async fn connect(url: &Secret, ca_file: Option<&Path>) -> anyhow::Result<Client> {
    let mut warnings = Vec::new();
    let config =
        DatabaseConfig::from_url(url, ca_file.map(Path::to_owned), &mut warnings).map_err(unusable)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    connect_to(&config).await
}

/// Connects to a database whose URL was checked.
pub(crate) async fn connect_to(config: &DatabaseConfig) -> anyhow::Result<Client> {
    let mut login = config.login();
    login.connect_timeout(CONNECT_LIMIT).application_name("creel");
    match config.tls().map_err(unusable)? {
        Some(tls) => open(login.connect(tls)).await,
        None => open(login.connect(NoTls)).await,
    }
}

fn unusable(error: ConfigError) -> CliError {
    CliError::new(ErrorKind::Usage, error.to_string()).hint(
        "the database is DATABASE_URL, like postgresql://USER:PASSWORD@HOST:5432/postgres; its certificate is \
         CREEL_DATABASE_CA_FILE",
    )
}

async fn open<S, T>(
    connecting: impl Future<Output = Result<(Client, tokio_postgres::Connection<S, T>), tokio_postgres::Error>>,
) -> anyhow::Result<Client>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = tokio::time::timeout(CONNECT_LIMIT, connecting)
        .await
        .map_err(|_| {
            CliError::new(ErrorKind::Unreachable, "the database does not answer").hint("check DATABASE_URL")
        })?
        .context("connect to the database")?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the database ended: {error}");
        }
    });
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_in_the_environment_is_not_for_the_local_database() {
        let local = DatabaseArgs {
            database_ca_file: Some("ca.crt".into()),
            ..DatabaseArgs::default()
        };
        assert_eq!(local.ca_file(), None);
        let hosted = DatabaseArgs {
            database_url: Some(Secret::new("postgresql://h/d")),
            ..local
        };
        assert_eq!(hosted.ca_file(), Some(Path::new("ca.crt")));
    }
}
