//! A direct connection to the database, for what only its owner or a host may do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use creel_core::secret::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

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
}

impl DatabaseArgs {
    /// The database's URL, if one is known.
    pub(crate) fn url(&self) -> Option<Secret> {
        self.database_url.clone().or_else(local_database_url)
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        let url = self.url().ok_or_else(|| {
            CliError::new(ErrorKind::Usage, "DATABASE_URL is missing").hint(
                "set it to the database's postgresql:// URL; the project's settings show it under Connect",
            )
        })?;
        connect(&url, self.database_ca_file.as_deref()).await
    }
}

/// Connects; the connection is encrypted unless the database is on this machine.
pub(crate) async fn connect(url: &Secret, ca_file: Option<&Path>) -> anyhow::Result<Client> {
    let (plain, wants_tls) = split_ssl_mode(url.expose());
    let mut login: tokio_postgres::Config = plain.parse().map_err(|_| {
        CliError::new(ErrorKind::Usage, "DATABASE_URL is no URL of a database")
            .hint("it looks like postgresql://USER:PASSWORD@HOST:5432/postgres")
    })?;
    login.connect_timeout(CONNECT_LIMIT).application_name("creel");
    let near = login.get_hosts().iter().all(is_local);
    if wants_tls.unwrap_or(!near) {
        login.ssl_mode(SslMode::Require);
        let tls = MakeRustlsConnect::new(tls_config(ca_file)?);
        open(login.connect(tls)).await
    } else {
        login.ssl_mode(SslMode::Disable);
        open(login.connect(NoTls)).await
    }
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

/// The URL without `sslmode`, of which tokio-postgres does not know all values, and whether it asks for TLS.
fn split_ssl_mode(url: &str) -> (String, Option<bool>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut wants_tls = None;
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.strip_prefix("sslmode=") {
            Some("disable") => wants_tls = Some(false),
            Some("require" | "verify-ca" | "verify-full") => wants_tls = Some(true),
            Some(_) => {}
            None => rest.push(pair),
        }
    }
    let query = if rest.is_empty() {
        String::new()
    } else {
        format!("?{}", rest.join("&"))
    };
    (format!("{base}{query}"), wants_tls)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
    }
}

fn tls_config(ca_file: Option<&Path>) -> anyhow::Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let Some(path) = ca_file else {
        return Ok(builder.with_platform_verifier()?.with_no_client_auth());
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(path).with_context(|| format!("read {}", path.display()))?
    {
        roots
            .add(certificate?)
            .with_context(|| format!("read {}", path.display()))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ssl_mode_is_taken_out_of_the_url() {
        let (url, tls) = split_ssl_mode("postgresql://u@h/d?sslmode=verify-full&connect_timeout=5");
        assert_eq!(
            (url.as_str(), tls),
            ("postgresql://u@h/d?connect_timeout=5", Some(true))
        );
        assert_eq!(split_ssl_mode("postgresql://u@h/d").1, None);
    }
}
