//! What a server's certificate is verified with.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;

use super::ConfigError;

/// Trusts what the certificates in `ca_file` sign, which the setting `key` names; without it, what the system trusts.
pub(super) fn tls_config(key: &'static str, ca_file: Option<&Path>) -> Result<ClientConfig, ConfigError> {
    let unusable = |message: String| ConfigError::Value { key, message };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    let Some(path) = ca_file else {
        return Ok(builder
            .with_platform_verifier()
            .map_err(|error| unusable(format!("the system's certificates: {error}")))?
            .with_no_client_auth());
    };
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(format!("{}: {error}", path.display())))?;
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| unusable(format!("{}: {error}", path.display())))?;
    }
    if roots.is_empty() {
        return Err(unusable(format!(
            "{} holds no certificate; it must be a PEM file",
            path.display()
        )));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_a_certificate_is_refused_with_its_name() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let said = tls_config("database_ca_file", Some(file.path()))
            .expect_err("refused")
            .to_string();
        assert!(
            said.contains("database_ca_file") && said.contains("PEM"),
            "{said}"
        );
    }
}
