//! Certificates, CSRs, CRLs, names and CMS messages, and the keys that sign and open them.
//!
//! | module | holds |
//! |---|---|
//! | [`ber`] | BER in: one budgeted pass to definite lengths and primitive strings |
//! | [`der`] | slicing reader and writers, where raw octets matter |
//! | [`oid`] | object identifiers by name |
//! | [`cms`] | SignedData, EnvelopedData, certs-only messages (RFC 5652) |
//! | [`floor`] | the least that the cryptography of an enrollment costs, for measurements |
//!
//! The rest is at the root: [`Certificate`], [`Csr`], [`Crl`] and their builders, [`Name`], [`SubjectAltNames`],
//! [`PublicKey`], [`PrivateKey`] and the algorithms. Nothing here does I/O or reads a clock, and nothing outside this
//! crate knows which libraries do the cryptography.
//!
//! What is signed is verified over the octets as they were sent; nothing is re-encoded in between.

mod algorithm;
pub mod ber;
mod certificate;
mod certificate_builder;
pub mod cms;
mod crl;
mod csr;
pub mod der;
mod digest;
mod error;
mod extension;
pub mod floor;
mod fold;
mod key;
mod key_usage;
mod name;
pub mod oid;
mod pem;
mod san;
mod serial;
mod signed_object;

pub use algorithm::{ContentCipher, KeyTransport, SignatureScheme};
pub use certificate::Certificate;
pub use certificate_builder::CertificateBuilder;
pub use crl::{Crl, CrlBuilder, RevocationReason, RevokedEntry};
pub use csr::{Csr, CsrProof, RequestedValidity};
pub use digest::{Digest, hmac_sha256, random, sha256};
pub use error::Error;
pub use extension::{Attribute, Extension};
pub use fold::{fold, fold_char};
pub use key::{
    Curve, KeyKind, PrivateKey, PublicKey, RsaWeakness, implicit_rejection_available,
    openssl_version,
};
pub use key_usage::KeyUsage;
pub use name::{Name, NameAttribute};
pub use san::SubjectAltNames;
pub use serial::Serial;
