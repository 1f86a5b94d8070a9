//! The client against a server that answers as it is told.
#![allow(clippy::unwrap_used, clippy::panic)]

mod actions;
mod credentials;
mod graph;
mod listing;
mod server;
mod tokens;
mod validating;
