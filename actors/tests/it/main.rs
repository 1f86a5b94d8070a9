//! Profile actors with real keys, a real issuer and a real store, without the front.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod approval;
mod challenge_costs;
mod challenges;
mod clock_steps;
mod crash;
mod crls;
mod device;
mod disk;
mod enrollment;
mod excerpts;
mod hindered;
mod intune;
mod intune_records;
mod lock_out;
mod names;
mod one_time_crash;
mod outside;
mod questions;
mod renamed;
mod renewal;
mod restart;
mod scripted;
mod stages;
mod test_env;
mod told_first;
mod virtual_clock;
