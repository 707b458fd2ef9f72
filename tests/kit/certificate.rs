//! [`Authority`]: a certificate authority of the test's own, and what it signed for `localhost`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// An authority that clients of this test trust.
#[derive(Debug)]
pub struct Authority {
    root: CertificateDer<'static>,
    root_text: String,
    certificate: String,
    key: String,
}

// === impl Authority ===

impl Authority {
    /// A new authority with one certificate for `localhost`.
    #[must_use]
    pub fn new() -> Self {
        let mut root = CertificateParams::new(Vec::new()).expect("parameters");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer =
            CertifiedIssuer::self_signed(root, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
        let (root, root_text) = (issuer.der().clone(), issuer.pem());
        Self { root, root_text, certificate: leaf.pem(), key: key.serialize_pem() }
    }

    /// Writes the certificate and its key; gives their paths.
    #[must_use]
    pub fn write(&self, directory: &Path) -> (String, String) {
        let paths = (directory.join("certificate.pem"), directory.join("key.pem"));
        std::fs::write(&paths.0, &self.certificate).expect("a certificate file");
        std::fs::write(&paths.1, &self.key).expect("a key file");
        (paths.0.display().to_string(), paths.1.display().to_string())
    }

    /// Writes the authority's own certificate, for whoever is to trust it: [`Authority::root_in`].
    pub fn write_root(&self, directory: &Path) {
        std::fs::write(Self::root_in(directory), &self.root_text).expect("a file");
    }

    /// Where that is.
    #[must_use]
    pub fn root_in(directory: &Path) -> PathBuf {
        directory.join("authority.pem")
    }

    /// What a server needs that is `localhost`.
    #[must_use]
    pub fn server(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("TLS versions").with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate], key).expect("a key that fits");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }

    /// What a client needs that trusts this authority only.
    #[must_use]
    pub fn client(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.expect("TLS versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
