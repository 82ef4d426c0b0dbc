//! TLS: certificate and key from PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where a port's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file with the certificate, and those that lead from it to an authority.
    pub certificates: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// Why a port cannot be protected.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of what it should be.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{}: no certificate in it", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key do not fit, or are of a kind that is not known.
    #[error("{} and {}: {source}", files.certificates.display(), files.key.display())]
    Unusable {
        /// Which.
        files: TlsFiles,
        /// Why.
        source: rustls::Error,
    },
}

impl TlsFiles {
    /// Reads them.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::File { path, source }
        };
        let certificates = CertificateDer::pem_file_iter(&self.certificates).map_err(failed(&self.certificates))?;
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(failed(&self.certificates))?;
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate { path: self.certificates.clone() });
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(failed(&self.key))?;
        let unusable = |source| TlsError::Unusable { files: self.clone(), source };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
