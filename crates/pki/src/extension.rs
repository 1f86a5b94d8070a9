//! Extensions of certificates, requests and CRLs, and the attributes of requests and messages.

use crate::{Error, Name, PublicKey, SubjectAltNames};

/// An extension (RFC 5280, 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Dotted object identifier.
    pub oid: String,
    /// Whether a reader that does not know it must refuse.
    pub critical: bool,
    /// The DER inside the OCTET STRING.
    pub value: Vec<u8>,
}

/// An attribute of a CSR or of a CMS message: an identifier and the raw DER of each of its values, in the order sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Dotted object identifier.
    pub oid: String,
    /// The DER of each value.
    pub values: Vec<Vec<u8>>,
}

/// The bits of a keyUsage extension (RFC 5280, 4.2.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// digitalSignature.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// nonRepudiation (contentCommitment).
    pub const NON_REPUDIATION: Self = Self(1 << 1);
    /// keyEncipherment.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// dataEncipherment.
    pub const DATA_ENCIPHERMENT: Self = Self(1 << 3);
    /// keyAgreement.
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// keyCertSign.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// cRLSign.
    pub const CRL_SIGN: Self = Self(1 << 6);
    /// encipherOnly.
    pub const ENCIPHER_ONLY: Self = Self(1 << 7);
    /// decipherOnly.
    pub const DECIPHER_ONLY: Self = Self(1 << 8);
    /// Every bit with its name as RFC 5280 writes it, in the order of the bits.
    pub const NAMES: [(Self, &'static str); 9] = [
        (Self::DIGITAL_SIGNATURE, "digitalSignature"),
        (Self::NON_REPUDIATION, "nonRepudiation"),
        (Self::KEY_ENCIPHERMENT, "keyEncipherment"),
        (Self::DATA_ENCIPHERMENT, "dataEncipherment"),
        (Self::KEY_AGREEMENT, "keyAgreement"),
        (Self::KEY_CERT_SIGN, "keyCertSign"),
        (Self::CRL_SIGN, "cRLSign"),
        (Self::ENCIPHER_ONLY, "encipherOnly"),
        (Self::DECIPHER_ONLY, "decipherOnly"),
    ];

    /// No bit at all.
    #[must_use]
    pub const fn empty() -> Self {
        Self(0)
    }

    /// True when no bit is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when every bit of `other` is set here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bit with this name, as RFC 5280 writes it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(bit, _)| *bit)
    }

    /// The names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(bit, _)| self.contains(*bit))
            .map(|(_, name)| name)
    }

    /// Reads the value of a keyUsage extension.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_extension_der(_value: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a key usage"))
    }

    /// The value of a keyUsage extension.
    #[must_use]
    pub fn to_extension_der(self) -> Vec<u8> {
        Vec::new()
    }
}

impl std::ops::BitOr for KeyUsage {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl std::fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, name) in self.names().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for KeyUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyUsage({self})")
    }
}

const UNFINISHED: Error = Error::crypto("writing an extension");

/// Makers of the extensions that certificates are built with.
impl Extension {
    /// basicConstraints, critical: whether the subject is a CA, and how many CAs may stand below it.
    #[must_use]
    pub fn basic_constraints(_ca: bool, _path_len: Option<u8>) -> Self {
        Self {
            oid: crate::oid::BASIC_CONSTRAINTS.to_owned(),
            critical: true,
            value: Vec::new(),
        }
    }

    /// keyUsage, critical.
    #[must_use]
    pub fn key_usage(usage: KeyUsage) -> Self {
        Self {
            oid: crate::oid::KEY_USAGE.to_owned(),
            critical: true,
            value: usage.to_extension_der(),
        }
    }

    /// extKeyUsage, not critical, from dotted identifiers.
    ///
    /// # Errors
    /// `Text` when one of them is no identifier or there are none.
    pub fn ext_key_usage<S: AsRef<str>>(_oids: &[S]) -> Result<Self, Error> {
        Err(UNFINISHED)
    }

    /// subjectKeyIdentifier: the key's [`key_id`](PublicKey::key_id).
    #[must_use]
    pub fn subject_key_id(key: &PublicKey) -> Self {
        Self {
            oid: crate::oid::SUBJECT_KEY_ID.to_owned(),
            critical: false,
            value: key.key_id().to_vec(),
        }
    }

    /// authorityKeyIdentifier with this key identifier.
    #[must_use]
    pub fn authority_key_id(key_id: &[u8]) -> Self {
        Self {
            oid: crate::oid::AUTHORITY_KEY_ID.to_owned(),
            critical: false,
            value: key_id.to_vec(),
        }
    }

    /// subjectAltName; critical where the subject is the empty name (RFC 5280, 4.2.1.6).
    ///
    /// # Errors
    /// As [`SubjectAltNames::to_extension_der`].
    pub fn subject_alt_names(names: &SubjectAltNames, subject: &Name) -> Result<Self, Error> {
        Ok(Self {
            oid: crate::oid::SUBJECT_ALT_NAME.to_owned(),
            critical: subject.is_empty(),
            value: names.to_extension_der()?,
        })
    }

    /// cRLDistributionPoints: one point with these URLs, which are all places of the same CRL.
    ///
    /// # Errors
    /// `Text` when there are none, or one is not ASCII.
    pub fn crl_distribution_points<S: AsRef<str>>(_urls: &[S]) -> Result<Self, Error> {
        Err(UNFINISHED)
    }

    /// authorityInfoAccess: OCSP responders and places of the issuer's certificate.
    ///
    /// # Errors
    /// `Text` when there are none, or one is not ASCII.
    pub fn authority_info_access<S: AsRef<str>>(
        _ocsp: &[S],
        _ca_issuers: &[S],
    ) -> Result<Self, Error> {
        Err(UNFINISHED)
    }

    /// tlsfeature with status_request: a TLS server must staple an OCSP response (RFC 7633).
    #[must_use]
    pub fn must_staple() -> Self {
        Self {
            oid: crate::oid::TLS_FEATURE.to_owned(),
            critical: false,
            value: vec![0x30, 3, 2, 1, 5],
        }
    }
}
