//! The fakes, called as programs call them: requests made with OpenSSL, sent with reqwest, certificates read by OpenSSL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adcs;
mod changes;
mod client;
mod ejbca;
mod faults;
mod google;
mod judges;
mod program;
