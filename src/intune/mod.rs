//! Intune's cloud service as this server uses it: its tenants, kept over reloads, and what they are wired to.

mod batch;
mod revocations;
mod revokers;
mod secret_end;
mod sweep;
mod tenants;
#[cfg(test)]
mod tests;

pub use batch::{
    Brake, DecideError, Decision, Done, Held, Item, OnHold, Rules, State, Sweep, Swept,
};
pub use revocations::Revoker;
pub use revokers::Revokers;
pub(crate) use tenants::one as tenant;
pub use tenants::{ById, TenantError, Tenants};
