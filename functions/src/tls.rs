//! Whom a function trusts when it speaks to the project.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The authorities that browsers trust, or those of a file. They are part of the program: to read the system's own
/// takes longer than everything else that a function does when it starts.
pub(crate) fn client_config(certificates: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match certificates {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let found = CertificateDer::pem_file_iter(file).context("open SSL_CERT_FILE")?;
            let found = found
                .collect::<Result<Vec<_>, _>>()
                .context("read SSL_CERT_FILE")?;
            let (added, _ignored) = roots.add_parsable_certificates(found);
            if added == 0 {
                bail!("SSL_CERT_FILE has no certificate; unset it, or name a file of certificates as PEM");
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose the versions of TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_certificates_must_have_one() {
        assert!(client_config(None).is_ok());
        let folder = tempfile::tempdir().expect("make a folder");
        let file = folder.path().join("ca.pem");
        assert!(client_config(Some(&file)).is_err(), "there is no file");
        let begin = "-----BEGIN CERTIFICATE-----";
        for text in [
            "",
            "no certificate",
            &format!("{begin}\nAAAA"),
            &format!("{begin}\nAAAA\n-----END CERTIFICATE-----\n"),
        ] {
            std::fs::write(&file, text).expect("write");
            assert!(client_config(Some(&file)).is_err(), "{text}");
        }
    }
}
