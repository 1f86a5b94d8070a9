//! Whose TLS certificate is believed.

use std::sync::Arc;

use pki::sha256;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use subtle::ConstantTimeEq as _;

use crate::{Identity, SetupError};

/// Whose TLS certificate is believed.
#[derive(Clone)]
pub enum Trust {
    /// What the system trusts, read once when the client is made.
    System,
    /// These CA certificates, in DER, and no others.
    Roots(Vec<Vec<u8>>),
    /// The certificate with this SHA-256 fingerprint: the server's own, or a CA of the chain that it sends, which then
    /// is the only root. Names and dates are verified below a CA; a server's own certificate is believed as it is.
    Fingerprint([u8; 32]),
}

/// Believes what `trust` says; without it anybody, for what is held against a fingerprint afterwards.
pub(crate) fn config(
    trust: Option<&Trust>,
    identity: Option<Identity>,
) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Client(error.to_string()))?;
    let builder =
        match trust {
            Some(Trust::System) => builder.with_root_certificates(system()?),
            Some(Trust::Roots(roots)) => builder.with_root_certificates(store(roots)?),
            Some(Trust::Fingerprint(sha256)) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned {
                    sha256: Some(*sha256),
                    provider,
                })),
            None => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned {
                    sha256: None,
                    provider,
                })),
        };
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain, identity.key)
            .map_err(|error| SetupError::Identity(error.to_string())),
    }
}

fn system() -> Result<RootCertStore, SetupError> {
    let mut store = RootCertStore::empty();
    let (good, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if good == 0 {
        return Err(SetupError::Trust(
            "this system has no root certificates; install its package of CA certificates, or name a bundle".to_owned(),
        ));
    }
    Ok(store)
}

fn store(roots: &[Vec<u8>]) -> Result<RootCertStore, SetupError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store
            .add(CertificateDer::from(root.clone()))
            .map_err(|error| SetupError::Trust(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(SetupError::Trust("there is none in it".to_owned()));
    }
    Ok(store)
}

#[derive(Debug)]
struct Pinned {
    /// `None`: anybody.
    sha256: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn is_it(&self, certificate: &CertificateDer<'_>) -> bool {
        self.sha256
            .is_none_or(|pin| bool::from(sha256(certificate).ct_eq(&pin)))
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.is_it(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let root = intermediates
            .iter()
            .find(|certificate| self.is_it(certificate))
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|_| Error::InvalidCertificate(CertificateError::UnknownIssuer))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
