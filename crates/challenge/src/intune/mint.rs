//! Making challenges and throwaway connectors: for tests, demonstrations and drills.

use super::gates::looks_like_challenge;
use super::jws::Algorithm;
use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use josekit::jws::{ES256, JwsHeader, JwsSigner, RS256};
use pki::{
    Certificate, CertificateBuilder, Curve, Digest, Extension, KeyKind, KeyUsage, Name, PrivateKey,
    Serial,
};
use serde_json::{Map, Value};

/// A connector of our own making: what Intune's installs in a Windows server's key store.
#[derive(Clone)]
pub struct Connector {
    /// Signs challenges.
    pub key: PrivateKey,
    /// Goes into the trust-anchor file. Self-signed.
    pub certificate: Certificate,
}

impl Connector {
    /// A new key with a self-signed certificate for `common_name`, valid from five minutes
    /// before `now` for `days` days.
    ///
    /// # Errors
    /// When the key, name or certificate cannot be made.
    pub fn throwaway(
        algorithm: Algorithm,
        common_name: &str,
        now: DateTime<Utc>,
        days: u32,
    ) -> Result<Self, Error> {
        let kind = match algorithm {
            Algorithm::Rs256 => KeyKind::Rsa { bits: 2048 },
            Algorithm::Es256 => KeyKind::Ec(Curve::P256),
        };
        let key = PrivateKey::generate(kind)?;
        let valid_from = now.checked_sub_signed(Duration::minutes(5));
        let valid_to = now.checked_add_signed(Duration::days(days.into()));
        let (Some(not_before), Some(not_after)) = (valid_from, valid_to) else {
            return Err(Error::OutOfRange {
                what: "the certificate's lifetime",
            });
        };
        let certificate = Self::certify(&key, common_name, not_before, not_after)?;
        Ok(Self { key, certificate })
    }

    /// A self-signed certificate for a key that exists, with any validity.
    ///
    /// # Errors
    /// When the name or certificate cannot be made.
    pub fn certify(
        key: &PrivateKey,
        common_name: &str,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        let subject = Name::parse(&format!("CN={}", escaped(common_name)))?;
        let builder = CertificateBuilder {
            issuer: subject.clone(),
            subject,
            serial: Serial::random()?,
            not_before,
            not_after,
            public_key: key.public_key().clone(),
            extensions: vec![
                Extension::basic_constraints(false, None),
                Extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
                Extension::subject_key_id(key.public_key()),
            ],
        };
        Ok(builder.sign(key, &key.scheme(Digest::Sha256)?)?)
    }
}

/// The algorithm that a key signs challenges with.
///
/// # Errors
/// [`Error::WrongKey`] for keys that are neither RSA nor P-256.
pub fn algorithm_for(key: &PrivateKey) -> Result<Algorithm, Error> {
    match key.kind() {
        KeyKind::Rsa { .. } => Ok(Algorithm::Rs256),
        KeyKind::Ec(Curve::P256) => Ok(Algorithm::Es256),
        other => Err(Error::WrongKey {
            kind: other.to_string(),
            with: None,
        }),
    }
}

/// Signs many challenges with one key, which is read only once.
pub struct Minter(Box<dyn JwsSigner>);

impl Minter {
    /// # Errors
    /// [`Error::WrongKey`] for keys that are neither RSA (2048 bits or more) nor P-256.
    pub fn new(key: &PrivateKey) -> Result<Self, Error> {
        Ok(Self(signer(key, algorithm_for(key)?)?))
    }

    /// As [`mint`].
    ///
    /// # Errors
    /// As [`mint`].
    pub fn mint(
        &self,
        mut claims: Map<String, Value>,
        lifetime: Duration,
        now: DateTime<Utc>,
    ) -> Result<String, Error> {
        let expires = now.checked_add_signed(lifetime).ok_or(Error::OutOfRange {
            what: "the lifetime",
        })?;
        let nonce: [u8; 16] = pki::random()?;
        for (name, value) in [
            ("iat", Value::from(now.timestamp())),
            ("exp", Value::from(expires.timestamp())),
            ("nonce", Value::from(hex::encode(nonce))),
        ] {
            if claims.get(name).is_some_and(Value::is_null) {
                claims.remove(name);
            } else {
                claims.entry(name).or_insert(value);
            }
        }
        let mut header = JwsHeader::new();
        header.set_token_type("JWT");
        let payload = Value::Object(claims).to_string();
        let challenge =
            josekit::jws::serialize_compact(payload.as_bytes(), &header, self.0.as_ref())
                .map_err(|error| Error::Signing(error.to_string()))?;
        match looks_like_challenge(&challenge) {
            true => Ok(challenge),
            false => Err(Error::TooShort {
                length: challenge.len(),
            }),
        }
    }
}

/// Signs a challenge. `iat` and `exp` are set from `now` and `lifetime`, `nonce` is random, where
/// `claims` does not have them, and left out where it has null; everything else is as given. The
/// key decides the algorithm.
///
/// # Errors
/// A key that cannot sign challenges; a challenge too short to be taken for one; a lifetime out
/// of range.
pub fn mint(
    claims: Map<String, Value>,
    key: &PrivateKey,
    lifetime: Duration,
    now: DateTime<Utc>,
) -> Result<String, Error> {
    Minter::new(key)?.mint(claims, lifetime, now)
}

/// Signs header and payload as they are, JSON or not, whatever algorithm the header names: for
/// challenges that must be refused. ES256 signatures are `r || s`.
///
/// # Errors
/// [`Error::WrongKey`], or signing failed.
pub fn sign_as_given(header: &[u8], payload: &[u8], key: &PrivateKey) -> Result<String, Error> {
    let input = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = sign(input.as_bytes(), key)?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The signature alone, over any octets. ES256 signatures are `r || s`.
///
/// # Errors
/// [`Error::WrongKey`], or signing failed.
pub fn sign(message: &[u8], key: &PrivateKey) -> Result<Vec<u8>, Error> {
    signer(key, algorithm_for(key)?)?
        .sign(message)
        .map_err(|error| Error::Signing(error.to_string()))
}

fn signer(key: &PrivateKey, algorithm: Algorithm) -> Result<Box<dyn JwsSigner>, Error> {
    let pem = key.to_pkcs8_pem()?;
    let signer: Result<Box<dyn JwsSigner>, _> = match algorithm {
        Algorithm::Rs256 => RS256
            .signer_from_pem(pem.as_bytes())
            .map(|signer| Box::new(signer) as _),
        Algorithm::Es256 => ES256
            .signer_from_pem(pem.as_bytes())
            .map(|signer| Box::new(signer) as _),
    };
    signer.map_err(|error| Error::Signing(error.to_string()))
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(
            character,
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '#'
        ) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
