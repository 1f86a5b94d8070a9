//! The policy and the local CA from outside: what is refused, and what OpenSSL and rustls-webpki say of what is
//! issued.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod authority;
mod encodings;
mod extending;
mod judges;
mod matching;
mod names;
mod policy;
mod properties;
mod rollover;
mod support;
mod terms;
