//! TLS on the front: 1.2 and 1.3, a certificate that can be exchanged while connections are open,
//! and client certificates that are asked for only on the mTLS listener.

use arc_swap::ArcSwap;
use rustls::CertificateError;
use rustls::DigitallySignedStruct;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, ServerConfig};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;

/// Why a TLS identity or a listener could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key file holds no readable private key.
    #[error("no private key can be read from the TLS key")]
    Key,
    /// The certificate is of a kind that TLS cannot use, such as X.509 version 1.
    #[error("the TLS certificate cannot be used: {}", said(.0))]
    Certificate(CertificateError),
    /// The key is not the certificate's, or of a kind that TLS cannot use.
    #[error("the TLS certificate and key do not fit: {0}")]
    Mismatch(rustls::Error),
    /// rustls refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// What is wrong with a certificate, without rustls' wrapping around words of webpki.
fn said(why: &CertificateError) -> String {
    match why {
        CertificateError::Other(inner) => inner.to_string(),
        why => why.to_string(),
    }
}

/// The server's own certificate and key, exchangeable while in use. Cheap to clone.
#[derive(Clone)]
pub struct TlsIdentity {
    current: Arc<ArcSwap<CertifiedKey>>,
}

impl TlsIdentity {
    /// A certificate chain, leaf first, in DER, and its key in PEM.
    ///
    /// # Errors
    /// [`TlsError`]: the two do not belong together, or are of a kind that TLS cannot use.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: &[u8]) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        let certified =
            CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
                rustls::Error::InvalidCertificate(why) => TlsError::Certificate(why),
                other => TlsError::Mismatch(other),
            })?;
        Ok(Self {
            current: Arc::new(ArcSwap::from_pointee(certified)),
        })
    }

    /// Puts `other`'s certificate in the place of the current one. Open connections keep theirs.
    pub fn replace_with(&self, other: &TlsIdentity) {
        self.current.store(other.current.load_full());
    }
}

fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsIdentity")
    }
}

impl ResolvesServerCert for TlsIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// Takes TLS connections on one listener. Cheap to clone.
#[derive(Clone)]
pub struct TlsAcceptor {
    acceptor: tokio_rustls::TlsAcceptor,
}

/// A TLS stream and the certificates that the client proved to hold, leaf first.
pub(super) type Accepted<I> = (TlsStream<I>, Arc<Vec<CertificateDer<'static>>>);

impl TlsAcceptor {
    /// A listener that asks for no client certificate (macOS renewals fail where one is asked for).
    ///
    /// # Errors
    /// [`TlsError::Setup`].
    pub fn plain(identity: &TlsIdentity) -> Result<Self, TlsError> {
        let builder = builder()?.with_no_client_auth();
        Ok(Self::of(
            builder.with_cert_resolver(Arc::new(identity.clone())),
        ))
    }

    /// The mTLS listener: takes any client certificate whose key the client holds. Whether it is
    /// one of the profile's is decided per request, when the profile is known.
    ///
    /// # Errors
    /// [`TlsError::Setup`].
    pub fn mutual(identity: &TlsIdentity) -> Result<Self, TlsError> {
        let verifier = AnyHolder {
            algorithms: provider().signature_verification_algorithms,
        };
        let builder = builder()?.with_client_cert_verifier(Arc::new(verifier));
        Ok(Self::of(
            builder.with_cert_resolver(Arc::new(identity.clone())),
        ))
    }

    fn of(mut config: ServerConfig) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            acceptor: tokio_rustls::TlsAcceptor::from(Arc::new(config)),
        }
    }

    /// Runs the handshake.
    ///
    /// # Errors
    /// The handshake's.
    pub(super) async fn accept<I>(&self, stream: I) -> io::Result<Accepted<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = self.acceptor.accept(stream).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let certificates = certificates
            .map(|chain| chain.iter().map(|c| c.clone().into_owned()).collect())
            .unwrap_or_default();
        Ok((stream, Arc::new(certificates)))
    }
}

fn builder() -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, TlsError> {
    ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)
}

/// Checks that the client holds the key of the certificate it shows, and nothing else.
#[derive(Debug)]
struct AnyHolder {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyHolder {
    fn tls12_by_bare_key(
        &self,
        message: &[u8],
        key: &SubjectPublicKeyInfoDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let bad = || rustls::Error::InvalidCertificate(CertificateError::BadSignature);
        let key = webpki::RawPublicKeyEntity::try_from(key).map_err(|_| bad())?;
        let of_scheme = self.algorithms.mapping.iter();
        // In TLS 1.2 a scheme for ECDSA names no curve: several algorithms may be meant.
        of_scheme
            .filter(|(scheme, _)| *scheme == dss.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter())
            .any(|algorithm| {
                key.verify_signature(*algorithm, message, dss.signature())
                    .is_ok()
            })
            .then(HandshakeSignatureValid::assertion)
            .ok_or_else(bad)
    }
}

/// The key of a certificate that webpki cannot read, such as one of X.509 version 1: its holder is
/// told so by HTTP, when the certificate is held against the profile's CAs, and not by a broken
/// connection. `None` for all others.
fn bare_key(cert: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    if webpki::EndEntityCert::try_from(cert).is_ok() {
        return None;
    }
    let certificate = pki::Certificate::from_der(cert).ok()?;
    Some(certificate.public_key().spki_der().to_vec().into())
}

impl ClientCertVerifier for AnyHolder {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        // Without a certificate the answer is a readable HTTP 401, not a TLS alert.
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match bare_key(cert) {
            None => rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms),
            Some(key) => self.tls12_by_bare_key(message, &key, dss),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.algorithms;
        match bare_key(cert) {
            None => rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms),
            Some(key) => verify_tls13_signature_with_raw_key(message, &key, dss, algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
