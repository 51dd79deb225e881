//! The database's URL, and how much it is trusted.

use std::path::PathBuf;

use creel_core::secret::Secret;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::ConfigError;
use super::tls::tls_config;

/// Whether the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// No: for sockets and loopback, or where the URL says `sslmode=disable`.
    Off,
    /// Yes, and the server's certificate and name are verified: everywhere else.
    Verified,
}

/// Where the database is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Address and login.
    login: tokio_postgres::Config,
    /// Whether the connection is encrypted.
    pub tls_mode: TlsMode,
    /// What the server's certificate is to be signed by; none for what the system trusts.
    pub ca_file: Option<PathBuf>,
}

/// Supabase's transaction pooler: a session does not outlive a transaction there.
const TRANSACTION_POOLER_PORT: u16 = 6543;

impl DatabaseConfig {
    /// Reads a URL and decides on encryption: only a database on this machine may be without. What is odd
    /// but possible is added to `warnings`.
    pub fn from_url(
        url: &Secret,
        ca_file: Option<PathBuf>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let text = url.expose().trim();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(refuse(
                "it does not begin with postgresql://; it looks like \
                 postgresql://USER:PASSWORD@HOST:5432/postgres, and for a host `creel host enroll` \
                 prints it"
                    .to_owned(),
            ));
        }
        let (text, ssl_mode) = take_ssl_mode(text).map_err(refuse)?;
        let mut login: tokio_postgres::Config = text.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            refuse(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if login.get_hosts().is_empty() {
            return Err(refuse("it names no host".to_owned()));
        }
        let near = is_near(&login);
        let tls_mode = match ssl_mode.as_deref() {
            Some("disable") => {
                if !near {
                    warnings.push(
                        "the database is not on this machine and sslmode=disable sends everything \
                         readable to it; remove sslmode from the database's URL"
                            .to_owned(),
                    );
                }
                TlsMode::Off
            }
            // What may or may not be encrypted is as good as not: on this machine it need not be.
            None | Some("allow" | "prefer") if near && ca_file.is_none() => TlsMode::Off,
            None | Some("allow" | "prefer" | "require" | "verify-ca" | "verify-full") => TlsMode::Verified,
            Some(other) => {
                return Err(refuse(format!(
                    "sslmode={other} is not known; leave it out (the certificate is verified) or \
                     use disable"
                )));
            }
        };
        login.ssl_mode(match tls_mode {
            TlsMode::Off => SslMode::Disable,
            TlsMode::Verified => SslMode::Require,
        });
        Ok(Self {
            login,
            tls_mode,
            ca_file,
        })
    }

    /// Refuses what a program cannot use that waits for notifications.
    pub(super) fn check_session(&self) -> Result<(), ConfigError> {
        if self.login.get_ports().contains(&TRANSACTION_POOLER_PORT) {
            return Err(refuse(
                "port 6543 is a transaction pooler, on which nobody can wait for notifications; \
                 use the session pooler (port 5432) or the direct connection"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Address and login; whether to encrypt is set in it. Time limits and the program's name are left to
    /// the caller.
    pub fn login(&self) -> tokio_postgres::Config {
        self.login.clone()
    }

    /// What [`Self::login`] is to be connected with; none for [`tokio_postgres::NoTls`]. Reads the
    /// certificates.
    pub fn tls(&self) -> Result<Option<MakeRustlsConnect>, ConfigError> {
        match self.tls_mode {
            TlsMode::Off => Ok(None),
            TlsMode::Verified => Ok(Some(MakeRustlsConnect::new(tls_config(
                "database_ca_file",
                self.ca_file.as_deref(),
            )?))),
        }
    }
}

fn refuse(message: String) -> ConfigError {
    ConfigError::Value {
        key: "database_url",
        message,
    }
}

/// Takes out of the URL what tokio-postgres does not know all values of.
fn take_ssl_mode(url: &str) -> Result<(String, Option<String>), String> {
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), None));
    };
    let mut mode = None;
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", _)) => {
                return Err("sslrootcert is in it; give the file as database_ca_file instead".to_owned());
            }
            _ => rest.push(pair),
        }
    }
    let url = if rest.is_empty() {
        base.to_owned()
    } else {
        format!("{base}?{}", rest.join("&"))
    };
    Ok((url, mode))
}

/// Whether no connection can leave this machine. An address goes before the name that it stands beside.
fn is_near(login: &tokio_postgres::Config) -> bool {
    login.get_hosts().iter().all(is_local) && login.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<(DatabaseConfig, Vec<String>), ConfigError> {
        let mut warnings = Vec::new();
        let config = DatabaseConfig::from_url(&Secret::new(url), None, &mut warnings)?;
        config.check_session()?;
        Ok((config, warnings))
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_encryption() {
        let cases = [
            ("postgresql://h@127.0.0.1/db", TlsMode::Off),
            ("postgresql://h@localhost/db?sslmode=prefer", TlsMode::Off),
            ("postgresql://h@localhost/db?sslmode=require", TlsMode::Verified),
            ("postgresql://h@db.example.com/db", TlsMode::Verified),
            (
                "postgresql://h@localhost/db?hostaddr=192.0.2.7",
                TlsMode::Verified,
            ),
            ("postgresql://h@localhost/db?hostaddr=127.0.0.1", TlsMode::Off),
            ("postgresql://h@localhost,db.example.com/db", TlsMode::Verified),
            (
                "postgresql://h@db.example.com/db?sslmode=prefer",
                TlsMode::Verified,
            ),
            (
                "postgresql://h@db.example.com/db?sslmode=verify-full&connect_timeout=5",
                TlsMode::Verified,
            ),
        ];
        for (url, tls) in cases {
            let (config, warnings) = parse(url).expect(url);
            assert_eq!((config.tls_mode, warnings.len()), (tls, 0), "{url}");
        }
    }

    #[test]
    fn sending_everything_readable_to_another_machine_is_warned_of() {
        let (config, warnings) = parse("postgresql://h@db/d?sslmode=disable").expect("a config");
        assert_eq!((config.tls_mode, warnings.len()), (TlsMode::Off, 1));
    }

    #[test]
    fn urls_that_cannot_work_are_refused_with_what_to_do() {
        for (url, hint) in [
            ("host=/tmp user=h", "creel host enroll"),
            (
                "postgresql://h@aws-0.pooler.supabase.com:6543/postgres",
                "session pooler",
            ),
            ("postgresql://h@db/d?sslmode=sometimes", "leave it out"),
            ("postgresql://h@db/d?sslrootcert=/x", "database_ca_file"),
            ("postgresql://h@db/d?colour=red", "colour"),
        ] {
            let said = parse(url).expect_err(url).to_string();
            assert!(said.contains(hint), "{url}: {said}");
        }
    }
}
