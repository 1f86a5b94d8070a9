//! Intune's cloud service as this server uses it: its tenants, kept over reloads, and what they are wired to.

mod tenants;
#[cfg(test)]
mod tests;

pub(crate) use tenants::one as tenant;
pub use tenants::{ById, TenantError, Tenants};
