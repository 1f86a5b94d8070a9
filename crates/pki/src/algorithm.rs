//! Signature schemes, key transports and content ciphers, and the AlgorithmIdentifiers that name them.

use crate::Digest;

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

impl SignatureScheme {
    /// The digest of the message.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        match self {
            Self::RsaPkcs1(digest) | Self::RsaPss { digest, .. } | Self::Ecdsa(digest) => *digest,
        }
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
