//! Signature schemes, key transports and content ciphers, and the AlgorithmIdentifiers that name them.

mod parameters;

use std::sync::OnceLock;

use crate::der::{self, Reader, Tlv, tag};
use crate::{Digest, Error, oid};

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017, 8.2).
    RsaPkcs1(Digest),
    /// RSASSA-PSS (RFC 8017, 8.1).
    RsaPss {
        /// Digest of the message.
        digest: Digest,
        /// Digest of MGF1.
        mgf: Digest,
        /// Length of the salt in octets.
        salt_len: u16,
    },
    /// ECDSA, the signature as the DER of two integers.
    Ecdsa(Digest),
}

/// Identifiers that name a scheme and its digest at once.
const SIGNATURES: [(&str, SignatureScheme); 10] = [
    (
        oid::SHA256_WITH_RSA,
        SignatureScheme::RsaPkcs1(Digest::Sha256),
    ),
    (oid::ECDSA_SHA256, SignatureScheme::Ecdsa(Digest::Sha256)),
    (oid::SHA1_WITH_RSA, SignatureScheme::RsaPkcs1(Digest::Sha1)),
    (
        oid::SHA512_WITH_RSA,
        SignatureScheme::RsaPkcs1(Digest::Sha512),
    ),
    (
        oid::SHA384_WITH_RSA,
        SignatureScheme::RsaPkcs1(Digest::Sha384),
    ),
    (oid::ECDSA_SHA384, SignatureScheme::Ecdsa(Digest::Sha384)),
    (oid::ECDSA_SHA512, SignatureScheme::Ecdsa(Digest::Sha512)),
    (oid::ECDSA_SHA1, SignatureScheme::Ecdsa(Digest::Sha1)),
    (oid::MD5_WITH_RSA, SignatureScheme::RsaPkcs1(Digest::Md5)),
    (
        oid::OIW_SHA1_WITH_RSA,
        SignatureScheme::RsaPkcs1(Digest::Sha1),
    ),
];

impl SignatureScheme {
    /// The digest of the message.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        match self {
            Self::RsaPkcs1(digest) | Self::RsaPss { digest, .. } | Self::Ecdsa(digest) => *digest,
        }
    }

    /// Reads an AlgorithmIdentifier. `digest` is what a CMS message names beside it, for identifiers (rsaEncryption) that
    /// leave it open.
    pub(crate) fn from_identifier(
        identifier: &Tlv<'_>,
        digest: Option<Digest>,
    ) -> Result<Self, Error> {
        let what = "signature algorithm";
        let (name, parameters) = split(identifier, what)?;
        if let Some((_, scheme)) = SIGNATURES.iter().find(|(known, _)| *known == name) {
            return Ok(*scheme);
        }
        match (name.as_str(), digest) {
            (oid::RSA_PSS, _) => parameters::pss(parameters),
            (oid::RSA_ENCRYPTION, Some(digest)) => Ok(Self::RsaPkcs1(digest)),
            _ => Err(Error::Unsupported { what, oid: name }),
        }
    }

    /// The AlgorithmIdentifier, in DER.
    #[must_use]
    pub fn to_identifier(self) -> Vec<u8> {
        if let Self::RsaPss {
            digest,
            mgf,
            salt_len,
        } = self
        {
            return identifier(oid::RSA_PSS, &parameters::pss_der(digest, mgf, salt_len));
        }
        let name = SIGNATURES
            .iter()
            .find(|(_, scheme)| *scheme == self)
            .map_or("", |(name, _)| *name);
        // RSA has NULL parameters, ECDSA none at all (RFC 3279, 2.2.1; RFC 5758, 3.2).
        let parameters = if matches!(self, Self::Ecdsa(_)) {
            Vec::new()
        } else {
            der::null()
        };
        identifier(name, &parameters)
    }
}

/// How a content key is carried to a recipient with an RSA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyTransport {
    /// RSAES-PKCS1-v1_5.
    Pkcs1v15,
    /// RSAES-OAEP with an empty label.
    Oaep {
        /// Digest of the label.
        digest: Digest,
        /// Digest of MGF1.
        mgf: Digest,
    },
}

impl KeyTransport {
    /// OAEP with one digest for both of its purposes.
    #[must_use]
    pub const fn oaep(digest: Digest) -> Self {
        Self::Oaep {
            digest,
            mgf: digest,
        }
    }

    /// By how many octets the RSA modulus must at least be longer than what is carried (RFC 8017, 7.1.1 and 7.2.1).
    #[must_use]
    pub const fn overhead(&self) -> usize {
        match self {
            Self::Pkcs1v15 => 11,
            Self::Oaep { digest, .. } => 2 * digest.length() + 2,
        }
    }

    pub(crate) fn from_identifier(identifier: &Tlv<'_>) -> Result<Self, Error> {
        let what = "key transport algorithm";
        let (name, parameters) = split(identifier, what)?;
        match name.as_str() {
            oid::RSA_ENCRYPTION => Ok(Self::Pkcs1v15),
            oid::RSA_OAEP => parameters::oaep(parameters),
            _ => Err(Error::Unsupported { what, oid: name }),
        }
    }

    pub(crate) fn to_identifier(self) -> Vec<u8> {
        match self {
            Self::Pkcs1v15 => identifier(oid::RSA_ENCRYPTION, &der::null()),
            Self::Oaep { digest, mgf } => {
                identifier(oid::RSA_OAEP, &parameters::oaep_der(digest, mgf))
            }
        }
    }
}

/// A block cipher in CBC mode with PKCS #7 padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentCipher {
    /// AES-128-CBC.
    Aes128Cbc,
    /// AES-192-CBC.
    Aes192Cbc,
    /// AES-256-CBC.
    Aes256Cbc,
    /// DES-EDE3-CBC (three-key triple DES).
    DesEde3Cbc,
}

impl ContentCipher {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::DesEde3Cbc,
    ];

    /// `AES-128-CBC`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "AES-128-CBC",
            Self::Aes192Cbc => "AES-192-CBC",
            Self::Aes256Cbc => "AES-256-CBC",
            Self::DesEde3Cbc => "DES-EDE3-CBC",
        }
    }

    /// The object identifier in dotted form.
    #[must_use]
    pub const fn oid(self) -> &'static str {
        match self {
            Self::Aes128Cbc => oid::AES128_CBC,
            Self::Aes192Cbc => oid::AES192_CBC,
            Self::Aes256Cbc => oid::AES256_CBC,
            Self::DesEde3Cbc => oid::DES_EDE3_CBC,
        }
    }

    /// Length of a key in octets.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128Cbc => 16,
            Self::Aes192Cbc | Self::DesEde3Cbc => 24,
            Self::Aes256Cbc => 32,
        }
    }

    /// Length of a block, and of the initialisation vector, in octets.
    #[must_use]
    pub const fn block_length(self) -> usize {
        if matches!(self, Self::DesEde3Cbc) {
            8
        } else {
            16
        }
    }

    /// The cipher and its initialisation vector.
    pub(crate) fn from_identifier(identifier: &Tlv<'_>) -> Result<(Self, Vec<u8>), Error> {
        let what = "content cipher";
        let (name, parameters) = split(identifier, what)?;
        let Some(cipher) = Self::ALL.into_iter().find(|cipher| cipher.oid() == name) else {
            return Err(Error::Unsupported { what, oid: name });
        };
        match parameters {
            Some(Tlv {
                tag: tag::OCTET_STRING,
                content,
                ..
            }) if content.len() == cipher.block_length() => Ok((cipher, content.to_vec())),
            _ => Err(Error::malformed(
                what,
                "its initialisation vector is missing or not one block",
            )),
        }
    }

    pub(crate) fn to_identifier(self, iv: &[u8]) -> Vec<u8> {
        identifier(self.oid(), &der::octet_string(iv))
    }

    /// Looked up in the library once: each use of another one would look it up again.
    pub(crate) fn openssl(self) -> &'static openssl::cipher::CipherRef {
        use openssl::cipher::{Cipher, CipherRef};
        static FETCHED: [OnceLock<Option<Cipher>>; ContentCipher::ALL.len()] =
            [const { OnceLock::new() }; ContentCipher::ALL.len()];
        let built_in: &CipherRef = match self {
            Self::Aes128Cbc => Cipher::aes_128_cbc(),
            Self::Aes192Cbc => Cipher::aes_192_cbc(),
            Self::Aes256Cbc => Cipher::aes_256_cbc(),
            Self::DesEde3Cbc => Cipher::des_ede3_cbc(),
        };
        let place = Self::ALL.iter().position(|cipher| *cipher == self);
        let fetched = place
            .and_then(|place| FETCHED.get(place))
            .and_then(|fetched| {
                let fetch = || Cipher::fetch(None, self.name(), None).ok();
                fetched.get_or_init(fetch).as_deref()
            });
        fetched.unwrap_or(built_in)
    }
}

impl std::fmt::Display for ContentCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Digest {
    pub(crate) fn from_identifier(identifier: &Tlv<'_>) -> Result<Self, Error> {
        let what = "digest algorithm";
        let (name, _) = split(identifier, what)?;
        Self::from_oid(&name).ok_or(Error::Unsupported { what, oid: name })
    }

    pub(crate) fn to_identifier(self) -> Vec<u8> {
        identifier(self.oid(), &der::null())
    }
}

/// The dotted name and the parameters, if any, of an AlgorithmIdentifier.
fn split<'a>(identifier: &Tlv<'a>, what: &'static str) -> Result<(String, Option<Tlv<'a>>), Error> {
    if identifier.tag != tag::SEQUENCE {
        return Err(Error::malformed(what, "it is not a SEQUENCE"));
    }
    let mut fields: Reader<'a> = identifier.reader(what);
    let name = fields.oid()?;
    let parameters = if fields.is_empty() {
        None
    } else {
        Some(fields.element()?)
    };
    fields.finish()?;
    Ok((name, parameters))
}

/// An AlgorithmIdentifier of one of our own identifiers.
fn identifier(name: &str, parameters: &[u8]) -> Vec<u8> {
    der::seq(&[
        &der::tlv(tag::OID, &oid::from_dotted(name).unwrap_or_default()),
        parameters,
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn tlv(der: &[u8]) -> Tlv<'_> {
        Tlv::parse(der, "test").unwrap()
    }

    #[test]
    fn identifiers_survive_the_round_trip() {
        for (_, scheme) in SIGNATURES {
            assert_eq!(
                SignatureScheme::from_identifier(&tlv(&scheme.to_identifier()), None),
                Ok(scheme)
            );
        }
        for digest in Digest::ALL {
            assert_eq!(
                Digest::from_identifier(&tlv(&digest.to_identifier())),
                Ok(digest)
            );
            for mgf in Digest::ALL {
                for salt_len in [0, 20, 32, 300] {
                    let pss = SignatureScheme::RsaPss {
                        digest,
                        mgf,
                        salt_len,
                    };
                    assert_eq!(
                        SignatureScheme::from_identifier(&tlv(&pss.to_identifier()), None),
                        Ok(pss)
                    );
                }
                let oaep = KeyTransport::Oaep { digest, mgf };
                let read = KeyTransport::from_identifier(&tlv(&oaep.to_identifier()));
                if [digest, mgf].contains(&Digest::Md5) {
                    assert!(matches!(read, Err(Error::Unsupported { .. })), "{oaep:?}");
                } else {
                    assert_eq!(read, Ok(oaep));
                }
            }
        }
        for cipher in ContentCipher::ALL {
            let iv = vec![9; cipher.block_length()];
            assert_eq!(
                ContentCipher::from_identifier(&tlv(&cipher.to_identifier(&iv))),
                Ok((cipher, iv))
            );
        }
    }

    #[test]
    fn rsa_encryption_takes_the_digest_named_beside_it() {
        let with_null = KeyTransport::Pkcs1v15.to_identifier();
        let bare = identifier(oid::RSA_ENCRYPTION, &[]);
        for der in [with_null, bare] {
            let scheme = SignatureScheme::from_identifier(&tlv(&der), Some(Digest::Sha512));
            assert_eq!(scheme, Ok(SignatureScheme::RsaPkcs1(Digest::Sha512)));
            assert!(SignatureScheme::from_identifier(&tlv(&der), None).is_err());
            assert_eq!(
                KeyTransport::from_identifier(&tlv(&der)),
                Ok(KeyTransport::Pkcs1v15)
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..60), which in 0usize..4) {
            let names = [oid::RSA_PSS, oid::RSA_OAEP, oid::AES128_CBC, oid::RSA_ENCRYPTION];
            let der = identifier(names[which], &octets);
            let tlv = tlv(&der);
            let _ = (SignatureScheme::from_identifier(&tlv, None), KeyTransport::from_identifier(&tlv));
            let _ = (ContentCipher::from_identifier(&tlv), Digest::from_identifier(&tlv));
        }
    }

    #[test]
    fn what_is_not_done_is_named() {
        let des = identifier(oid::DES_CBC, &der::octet_string(&[0; 8]));
        let refusal = Error::Unsupported {
            what: "content cipher",
            oid: oid::DES_CBC.to_owned(),
        };
        assert_eq!(ContentCipher::from_identifier(&tlv(&des)), Err(refusal));
        let short = identifier(oid::AES128_CBC, &der::octet_string(&[0; 8]));
        assert!(matches!(
            ContentCipher::from_identifier(&tlv(&short)),
            Err(Error::Malformed { .. })
        ));
    }
}
