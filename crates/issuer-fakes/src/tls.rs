//! TLS of the fake: a CA of its own, the server's certificate, and certificates for clients.

use std::io;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::authority::TlsAuthority;
use crate::certificate::{general_name, ip_name};
use crate::text::pem;

const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

/// Who may connect, and as whom.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// PEM: what a client has to trust.
    pub(crate) trust: String,
    /// PEM: certificate and key of a client that has rights.
    pub(crate) client: String,
    /// The same certificate, DER.
    pub(crate) client_certificate: Vec<u8>,
    /// PEM: certificate and key of a client that is known and has no rights.
    pub(crate) stranger: String,
}

impl Tls {
    /// # Errors
    /// No key could be generated.
    pub(crate) fn new() -> io::Result<Self> {
        let authority = TlsAuthority::new("Fake TLS CA")?;
        let names = [
            general_name(2, "localhost"),
            ip_name(&[127, 0, 0, 1]),
            ip_name(&[127, 0, 0, 2]),
        ];
        let server = authority.leaf("localhost", &names, SERVER_AUTH)?;
        let client = authority.leaf("scepd RA", &[], CLIENT_AUTH)?;
        let stranger = authority.leaf("somebody", &[], CLIENT_AUTH)?;
        let identity = |leaf: &crate::authority::Leaf| {
            let certificate = pem("CERTIFICATE", &leaf.certificate);
            format!("{certificate}{}", pem("PRIVATE KEY", &leaf.key))
        };
        let invalid = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(authority.certificate.clone()))
            .map_err(|error| invalid(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .map_err(|error| invalid(&error))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server.key.clone()));
        let chain = vec![CertificateDer::from(server.certificate.clone())];
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| invalid(&error))?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            trust: pem("CERTIFICATE", &authority.certificate),
            client: identity(&client),
            stranger: identity(&stranger),
            client_certificate: client.certificate,
        })
    }
}
