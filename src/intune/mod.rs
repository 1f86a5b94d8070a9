//! Intune's cloud service as this server uses it: its tenants, kept over reloads, and what they are wired to.

mod revocations;
mod revokers;
mod tenants;
#[cfg(test)]
mod tests;

pub use revocations::{Brake, DecideError, Decision, Done, Held, Item, Revoker, State};
pub use revokers::Revokers;
pub(crate) use tenants::one as tenant;
pub use tenants::{ById, TenantError, Tenants};
