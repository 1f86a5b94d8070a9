//! Questions that the server asks of other services while it decides.
//!
//! - [`challenge_webhook`]: whether a challenge is good, and how enrollments ended, in step-ca's form
//! - [`compliance`]: gate 9 of the Intune profiles, an HTTPS webhook
//! - [`former_crl`]: the CRL of the server that issued certificates before, for their renewals

pub mod challenge_webhook;
pub mod compliance;
pub mod former_crl;
