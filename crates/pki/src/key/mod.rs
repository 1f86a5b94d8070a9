//! Keys: what kind they are, and what they can do.

mod kind;
mod private;
mod public;

pub use kind::{Curve, KeyKind};
pub use private::PrivateKey;
pub use public::PublicKey;

/// The version of OpenSSL that does the RSA work, as it states it itself.
#[must_use]
pub fn openssl_version() -> String {
    openssl::version::version().to_owned()
}

/// True when a PKCS #1 v1.5 ciphertext with bad padding decrypts to something random and not to an error: OpenSSL 3.2 or
/// later, and a trial that shows it.
#[must_use]
pub fn implicit_rejection_available() -> bool {
    openssl::version::number() >= 0x3020_0000
}
