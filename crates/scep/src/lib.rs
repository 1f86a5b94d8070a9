//! RFC 8894: PKIMessages in and out, without I/O, policy or clock.
//!
//! | module | holds |
//! |---|---|
//! | [`get`] | the query of a request, the message of a GET |
//! | [`caps`] | GetCACaps |
//! | [`content_type`] | the exact content types of replies |
//! | [`client`] | the other direction: requests out, replies in |
//!
//! A server calls [`open`] with what came, decides, and answers with [`cert_rep`]. What cannot be read at all is
//! [`OpenError::Unreadable`]; everything else has an answer.

mod attributes;
mod body;
mod ca_cert;
pub mod caps;
pub mod client;
pub mod content_type;
mod error;
pub mod get;
mod message_type;
mod mode;
mod open;
mod peek;
mod reply;

pub use attributes::{MAX_NONCE, MAX_TRANSACTION_ID};
pub use body::Body;
pub use ca_cert::{ca_cert_body, next_ca_body};
pub use error::{Error, ReplyProblem};
pub use message_type::{FailInfo, MessageType, PkiStatus};
pub use mode::CryptoMode;
pub use open::{NOT_FOUND, OpenError, Opened, Ra, RaIdentity, ReplyTo, can_encrypt_to, open};
pub use peek::{Peeked, peek};
pub use reply::{Answer, cert_rep};
