//! Cryptographic Message Syntax (RFC 5652), as far as SCEP needs it.
//!
//! [`Signed`] and [`Enveloped`] read BER and write DER; [`degenerate`] is the certs-only message.

mod degenerate;
mod enveloped;
mod identifier;
mod signed;

pub use degenerate::{degenerate, parse_degenerate};
pub use enveloped::{Enveloped, Plaintext, Recipient};
pub use identifier::CertificateId;
pub use signed::{Signed, SignedParts};
