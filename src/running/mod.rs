//! The running server as data, and what may be asked of it while it runs: by the admin API, by a signal, by a schedule.
//!
//! [`crate::server`] makes it and exchanges what is in force; the handlers of [`crate::http::admin`] work with it.

mod checks;
mod in_force;
mod trust;

pub use checks::{CheckError, Checked, ChecksOnDemand};
pub use in_force::InForce;
pub(crate) use trust::words;
pub use trust::{Caller, TrustError, TrustReload};
