//! [`Authority`]: a certificate authority of the test's own, and what it signed for `localhost`.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// An authority that clients of this test trust.
#[derive(Debug)]
pub struct Authority {
    root: CertificateDer<'static>,
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
        Self { root: issuer.der().clone(), certificate: leaf.pem(), key: key.serialize_pem() }
    }

    /// Writes the certificate and its key; gives their paths.
    #[must_use]
    pub fn write(&self, directory: &Path) -> (String, String) {
        let paths = (directory.join("certificate.pem"), directory.join("key.pem"));
        std::fs::write(&paths.0, &self.certificate).expect("a certificate file");
        std::fs::write(&paths.1, &self.key).expect("a key file");
        (paths.0.display().to_string(), paths.1.display().to_string())
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
