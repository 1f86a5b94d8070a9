//! Intune's cloud service as this server uses it: its tenants, kept over reloads, and what they are wired to.

mod revocations;
mod revokers;
mod sweep;
mod tenants;
#[cfg(test)]
mod tests;

pub use revocations::{Brake, DecideError, Decision, Done, Held, Item, Revoker, Rules, State};
pub use revokers::Revokers;
pub use sweep::{OnHold, Sweep, Swept};
pub(crate) use tenants::one as tenant;
pub use tenants::{ById, TenantError, Tenants};
