//! Questions that the server asks of other services while it decides.
//!
//! - [`compliance`]: gate 9 of the Intune profiles, an HTTPS webhook

pub mod compliance;
