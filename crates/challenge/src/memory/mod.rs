//! What gates 7 and 8 remember: plain data that its owner (the profile actor) changes through
//! `&mut self`, with the time as an argument.
//!
//! [`ReplayMemory`] and [`RateWindow`] share two parts: a map in pieces ([`sharded`]) and the
//! list of what is due when ([`deadlines`]). Neither ever drops a live entry.

mod deadlines;
mod rate;
mod replay;
mod sharded;

pub use rate::{RateLimited, RateWindow, Ticket};
pub use replay::ReplayMemory;
