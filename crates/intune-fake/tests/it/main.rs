//! The fake, walked through by a client of its own that knows nothing of scepd's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod client;
mod faults;
mod graph;
mod managed;
mod program;
mod proxy;
mod revocation;
mod scep;
mod token;
