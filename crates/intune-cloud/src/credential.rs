//! How an app shows Entra ID who it is.

use crate::error::{ServiceError, Step};
use crate::managed::ManagedIdentity;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::KeyPair;
use josekit::jws::{JwsHeader, JwsSigner, PS256, RS256};
use josekit::jwt::{self, JwtPayload};
use pki::{Certificate, PrivateKey};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// How long an assertion is good for, in seconds.
const ASSERTION_LIFE: i64 = 600;

/// The most octets of a federated token.
const LONGEST_TOKEN: u64 = 64 * 1024;

/// What a tenant's app authenticates with.
pub enum Credential {
    /// A secret that Entra ID made.
    Secret(Zeroizing<String>),
    /// A certificate that is registered with the app.
    Certificate(Box<Assertions>),
    /// A token that another identity provider writes into a file.
    Federated(PathBuf),
    /// An identity that Azure gives this machine.
    Managed(ManagedIdentity),
}

impl Credential {
    /// Its kind, as the configuration names it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Secret(_) => "client_secret",
            Self::Certificate(_) => "certificate",
            Self::Federated(_) => "federated_token",
            Self::Managed(_) => "managed_identity",
        }
    }

    /// Whether it is a secret that begins so.
    pub(crate) fn begins_with(&self, hint: &str) -> bool {
        match self {
            Self::Secret(secret) => !hint.is_empty() && secret.starts_with(hint),
            _ => false,
        }
    }

    /// The certificate, where there is one.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Certificate(assertions) => Some(&assertions.certificate),
            _ => None,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.kind())
    }
}

/// How assertions are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// RSA-PSS with SHA-256, and the SHA-256 thumbprint.
    #[default]
    Ps256,
    /// RSA PKCS#1 v1.5 with SHA-256, and the SHA-1 thumbprint: the older form.
    Rs256,
}

/// Makes assertions with a certificate's key.
pub struct Assertions {
    certificate: Certificate,
    algorithm: Algorithm,
    signer: Box<dyn JwsSigner + Send + Sync>,
}

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The certificate cannot be read.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// The key cannot be read, or is none of RSA.
    #[error("the key cannot be used: {0}; Entra ID takes RSA keys of 2048 bits or more")]
    Key(String),
    /// They do not belong together.
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

impl Assertions {
    /// From PEM files: the first certificate, and its key.
    ///
    /// # Errors
    /// [`CredentialError`]
    pub fn from_pem(
        certificate: &[u8],
        key: &[u8],
        algorithm: Algorithm,
    ) -> Result<Self, CredentialError> {
        let certificates = Certificate::bundle_from_pem(certificate)
            .map_err(|error| CredentialError::Certificate(error.to_string()))?;
        let certificate = certificates
            .into_iter()
            .next()
            .ok_or_else(|| CredentialError::Certificate("there is none".to_owned()))?;
        let key =
            PrivateKey::from_pem(key).map_err(|error| CredentialError::Key(error.to_string()))?;
        Self::new(certificate, &key, algorithm)
    }

    /// From a certificate and its key.
    ///
    /// # Errors
    /// [`CredentialError`]
    pub fn new(
        certificate: Certificate,
        key: &PrivateKey,
        algorithm: Algorithm,
    ) -> Result<Self, CredentialError> {
        let bad = |error: String| CredentialError::Key(error);
        if key.public_key().spki_der() != certificate.public_key().spki_der() {
            return Err(CredentialError::Mismatch);
        }
        let der = key.to_pkcs8_der().map_err(|error| bad(error.to_string()))?;
        let wrong = |_| bad(format!("it is of the kind {}", key.kind()));
        let signer: Box<dyn JwsSigner + Send + Sync> = match algorithm {
            Algorithm::Rs256 => Box::new(RS256.signer_from_der(der.as_slice()).map_err(wrong)?),
            Algorithm::Ps256 => {
                // A plain RSA key, as Entra ID wants it, used for PSS.
                let jwk = josekit::jwk::alg::rsa::RsaKeyPair::from_der(der.as_slice())
                    .map_err(wrong)?
                    .to_jwk_private_key();
                Box::new(PS256.signer_from_jwk(&jwk).map_err(wrong)?)
            }
        };
        Ok(Self {
            certificate,
            algorithm,
            signer,
        })
    }

    /// A signed assertion for one token request.
    pub(crate) fn assertion(
        &self,
        audience: &str,
        client_id: &str,
        now: i64,
    ) -> Result<Zeroizing<String>, ServiceError> {
        let failed = |_| ServiceError::new(Step::Token, "the assertion could not be signed");
        let mut header = JwsHeader::new();
        header.set_token_type("JWT");
        let thumbprint = |name: &str, octets: &[u8], header: &mut JwsHeader| {
            let value = URL_SAFE_NO_PAD.encode(octets);
            header.set_claim(name, Some(value.into()))
        };
        let der = self.certificate.der();
        match self.algorithm {
            Algorithm::Ps256 => thumbprint("x5t#S256", &pki::sha256(der), &mut header),
            Algorithm::Rs256 => thumbprint("x5t", &pki::Digest::Sha1.hash(der), &mut header),
        }
        .map_err(failed)?;
        let mut payload = JwtPayload::new();
        // Whole numbers: josekit writes its own times with a fraction.
        let claims: [(&str, Value); 7] = [
            ("aud", audience.into()),
            ("iss", client_id.into()),
            ("sub", client_id.into()),
            ("jti", guid().into()),
            ("nbf", now.into()),
            ("iat", now.into()),
            ("exp", now.saturating_add(ASSERTION_LIFE).into()),
        ];
        for (name, value) in claims {
            payload.set_claim(name, Some(value)).map_err(failed)?;
        }
        jwt::encode_with_signer(&payload, &header, &*self.signer)
            .map(Zeroizing::new)
            .map_err(failed)
    }
}

/// Reads the federated token: whoever writes it renews it often.
pub(crate) async fn federated(path: &std::path::Path) -> Result<Zeroizing<String>, ServiceError> {
    let shown = path.display().to_string();
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        use std::io::Read;
        let mut text = Zeroizing::new(String::new());
        let file = std::fs::File::open(path)?;
        file.take(LONGEST_TOKEN).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(Zeroizing::new(text.trim().to_owned()))
    });
    let advice = "look whether the platform writes the file, and whether this process may read it";
    let words = |why: &str| format!("the federated token in {shown} cannot be read: {why}");
    match read.await {
        Ok(Ok(token)) if token.is_empty() => {
            Err(ServiceError::new(Step::Token, words("it is empty")).lasting(advice))
        }
        Ok(Ok(token)) => Ok(token),
        Ok(Err(error)) => {
            Err(ServiceError::new(Step::Token, words(&error.kind().to_string())).lasting(advice))
        }
        Err(_) => Err(ServiceError::new(Step::Token, words("the reader ended"))),
    }
}

/// A random GUID (version 4).
#[must_use]
pub fn guid() -> String {
    let mut octets = pki::random::<16>().unwrap_or_default();
    octets[6] = (octets[6] & 0x0f) | 0x40;
    octets[8] = (octets[8] & 0x3f) | 0x80;
    let text = hex::encode(octets);
    format!(
        "{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    )
}
