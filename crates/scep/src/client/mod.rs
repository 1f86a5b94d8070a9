//! The client's direction: requests out, replies in. Pure, like the rest of the crate.
//!
//! [`CaCertificates`] reads GetCACert and says whom to encrypt to, [`RequestBuilder`] makes a PKIMessage, and the
//! [`Request`] that comes of it checks the reply.

mod ca;
mod reply;
mod request;

pub use ca::{CaCertificates, open_next_ca, unfit_as_ra};
pub use reply::{Reply, peek_fail_info, peek_status};
pub use request::{Content, Request, RequestBuilder, new_transaction_id, self_signed};
