//! Which https servers the client talks to.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Error;

/// How the server's TLS certificate is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerTrust {
    /// By the system's root certificates.
    #[default]
    System,
    /// By these certificates (PEM) and no others.
    Anchors(String),
    /// Not at all: the user said so.
    Unchecked,
}

/// A certificate chain and key (DER) for servers that ask for one.
pub struct TlsIdentity {
    /// Leaf first.
    pub chain: Vec<Vec<u8>>,
    /// PEM.
    pub key: Zeroizing<String>,
}

impl ServerTrust {
    /// The TLS settings that follow from it.
    ///
    /// # Errors
    /// [`Error::Tls`] when there are no usable root certificates, or the identity cannot be used.
    pub fn tls_config(&self, identity: Option<TlsIdentity>) -> Result<Arc<ClientConfig>, Error> {
        let tls = |error: rustls::Error| Error::Tls(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(tls)?;
        let builder = match self {
            ServerTrust::System => builder.with_root_certificates(system_roots()?),
            ServerTrust::Anchors(anchors) => {
                let mut roots = RootCertStore::empty();
                for anchor in CertificateDer::pem_slice_iter(anchors.as_bytes()) {
                    let anchor = anchor.map_err(|error| Error::Tls(error.to_string()))?;
                    roots.add(anchor).map_err(tls)?;
                }
                builder.with_root_certificates(roots)
            }
            ServerTrust::Unchecked => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyServer(provider))),
        };
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(TlsIdentity { chain, key }) => {
                let chain = chain.into_iter().map(CertificateDer::from).collect();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                    .map_err(|error| Error::Tls(error.to_string()))?;
                builder.with_client_auth_cert(chain, key).map_err(tls)?
            }
        };
        Ok(Arc::new(config))
    }
}

fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Error::Tls(
            "this system has no root certificates; name the server's CA with --ca-file".to_owned(),
        ));
    }
    Ok(roots)
}

/// Takes any certificate; the handshake's signature is still checked, so that the connection has one other end.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
