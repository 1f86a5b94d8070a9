//! The issuers whose keys are somewhere else.

use issuer::Issuer;
use std::sync::{Arc, PoisonError, RwLock};
use store::CaId;

/// The issuers elsewhere that the configuration has. Cheap to clone.
#[derive(Clone, Default)]
pub struct RemoteIssuers(Arc<RwLock<Vec<Arc<dyn Issuer>>>>);

impl RemoteIssuers {
    /// From now on it is these.
    pub fn set(&self, issuers: Vec<Arc<dyn Issuer>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = issuers;
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<dyn Issuer>> {
        let issuers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let remote = issuers.iter().filter(|issuer| issuer.remote().is_some());
        remote.cloned().collect()
    }

    /// The one whose CA, now or formerly, is this.
    pub(crate) fn of(&self, ca: &CaId) -> Option<Arc<dyn Issuer>> {
        let issuers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = issuers.iter().find(|issuer| {
            let authority = issuer.authority();
            issuer.remote().is_some() && authority.certificates().any(|one| CaId::of_ca(one) == *ca)
        });
        found.cloned()
    }
}
