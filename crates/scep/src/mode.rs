//! Which algorithms a profile takes.

use pki::{ContentCipher, Digest};

/// What a profile takes beside the modern algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CryptoMode {
    /// AES and SHA-2 only.
    #[default]
    Modern,
    /// Also triple DES and SHA-1, for devices that have nothing else. Never single DES or MD5.
    Compatible,
}

impl CryptoMode {
    /// Whether messages and certificate requests may use this digest.
    pub fn allows_digest(self, digest: Digest) -> bool {
        match digest {
            Digest::Sha256 | Digest::Sha384 | Digest::Sha512 => true,
            Digest::Sha1 => self == CryptoMode::Compatible,
            Digest::Md5 => false,
        }
    }

    /// Whether envelopes may use this cipher.
    pub fn allows_cipher(self, cipher: ContentCipher) -> bool {
        match cipher {
            ContentCipher::Aes128Cbc | ContentCipher::Aes192Cbc | ContentCipher::Aes256Cbc => true,
            ContentCipher::DesEde3Cbc => self == CryptoMode::Compatible,
        }
    }
}
