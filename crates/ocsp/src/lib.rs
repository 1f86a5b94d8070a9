//! OCSP (RFC 6960) in the lightweight profile of RFC 9919: requests are read, answers are made and signed.
//!
//! | module | holds |
//! |---|---|
//! | [`request`] | [`Request`]: which certificates are asked about, and the nonce (RFC 9654) |
//! | [`ca`] | [`CaNames`]: does a [`CertId`] name this CA? |
//! | [`response`] | [`Responder`]: a certificate and its key that sign [`Answer`]s; the refusals, which nobody signs |
//!
//! No I/O and no clock: times are arguments.
//!
//! Requests are sliced and answers put together with [`pki::der`], not with rasn's types: a CertID has to come back as it
//! came, octet for octet, the certificate in an answer too, and an answer is made while somebody waits. The tests read with
//! rasn and with OpenSSL what is written here.

pub mod ca;
pub mod request;
pub mod response;

pub use ca::CaNames;
pub use request::{CertId, Nonce, Request, RequestError};
pub use response::{Answer, Refusal, Responder, Status};
