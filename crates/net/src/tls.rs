//! Who is trusted.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::error::NetworkError;

/// The certificates (DER) in a file of PEM, at least one.
///
/// # Errors
/// [`NetworkError::Certificates`] if there is none, or one is broken.
pub fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, NetworkError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem)
        .map(|found| found.map(|certificate| certificate.to_vec()))
        .collect();
    match found {
        Ok(found) if found.is_empty() => Err(NetworkError::Certificates(
            "there is none in it; `-----BEGIN CERTIFICATE-----` was expected".to_owned(),
        )),
        Ok(found) => Ok(found),
        Err(error) => Err(NetworkError::Certificates(error.to_string())),
    }
}

/// Mozilla's authorities, and these besides (DER).
pub(crate) fn config(trusted: &[Vec<u8>]) -> Result<rustls::ClientConfig, NetworkError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for certificate in trusted {
        roots
            .add(certificate.clone().into())
            .map_err(|error| NetworkError::Certificates(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| NetworkError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
