//! EJBCA: its REST API, by `pkcs10enroll`.
//!
//! | module | holds |
//! |---|---|
//! | `api` | calls of the REST API, and what its statuses mean |
//! | `login` | as whom it is asked |
//! | `ca` | what it says of the CA: names, chain, CRL; revoking |
//! | `enroll` | having certificates made, and looking for them |
//! | `advice` | what to prepare there |
//!
//! EJBCA takes the names from the CSR and everything else from its profiles. So what was approved is asked for only where
//! the CSR has the very names, and what comes back is compared. Each order has an end entity of its own, by which its
//! certificate is found again when an answer was lost. Sources: the REST interface as Keyfactor/ejbca-ce has it, and
//! docs.keyfactor.com.

mod advice;
mod api;
mod ca;
mod enroll;
mod login;

pub use advice::recommended;
pub use login::Login;

use crate::asked;
use crate::base::{Base, Opening};
use api::Api;
use chrono::{DateTime, Utc};
use issuer::{
    Answering, Approved, Authority, CertificatePolicy, Found, Handle, Health, Inexpressible,
    Issuance, IssueError, Issuer, Objection, Order, RemoteCa,
};
use login::Session;
use pki::{Certificate, Crl, Csr, RevocationReason};
use std::sync::{Arc, PoisonError, RwLock};

/// The two profiles of EJBCA that make a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profiles {
    /// The certificate profile.
    pub certificate: String,
    /// The end entity profile.
    pub end_entity: String,
}

/// What `[issuer.ejbca]` says.
pub struct Settings {
    /// The name of the CA there.
    pub ca: String,
    /// For devices.
    pub profiles: Profiles,
    /// For RA certificates, where it makes some.
    pub ra_profiles: Option<Profiles>,
    /// Whether the end of the validity is asked for: servers before 9 know no such member.
    pub sends_end_time: bool,
    /// How to log in.
    pub login: Login,
}

/// An issuer of this kind.
pub struct Ejbca {
    base: Base,
    api: Api,
    settings: Settings,
    /// The CA's subject as EJBCA writes it.
    dn: RwLock<Option<String>>,
}

impl Ejbca {
    /// Reaches the server and reads the CA's chain. Where that fails and a chain is known from before, the issuer is there
    /// all the same: [`RemoteCa::health`] says what was wrong.
    ///
    /// # Errors
    /// Why it cannot be reached, where no chain is known.
    pub async fn open(opening: Opening, settings: Settings) -> Result<Self, IssueError> {
        let api = Api {
            client: opening.client.clone(),
            base: opening.url.clone(),
            session: Session::new(settings.login.clone(), Arc::clone(&opening.ticks)),
        };
        let (chain, dn) = match ca::look(&api, &settings.ca, &opening.above).await {
            Ok(seen) => (Ok(seen.chain), Some(seen.dn)),
            Err(error) => (Err(error), None),
        };
        Ok(Self {
            base: Base::new(opening, &chain)?,
            api,
            settings,
            dn: RwLock::new(dn),
        })
    }

    async fn refresh(&self) -> Result<(), IssueError> {
        let seen = ca::look(&self.api, &self.settings.ca, &self.base.above).await;
        let (chain, dn) = match seen {
            Ok(seen) => (Ok(seen.chain), Some(seen.dn)),
            Err(error) => (Err(error), None),
        };
        self.base.take(&chain);
        if dn.is_some() {
            *self.dn.write().unwrap_or_else(PoisonError::into_inner) = dn;
        }
        chain.map(drop)
    }

    /// Whether what comes back for this CSR can be what was approved.
    fn may_ask(&self, approved: &Approved, csr: &Csr) -> Result<(), Inexpressible> {
        self.can_express(approved)?;
        asked::same_names(approved, csr)
    }
}

impl Issuer for Ejbca {
    fn id(&self) -> &str {
        &self.base.id
    }

    fn authority(&self) -> Arc<Authority> {
        self.base.authority()
    }

    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        Box::pin(self.base.noted(self.enroll(order)))
    }

    fn resume<'a>(&'a self, order: &'a Order, handle: &'a Handle) -> Answering<'a, Issuance> {
        Box::pin(self.base.noted(self.finalize(order, handle)))
    }

    fn find<'a>(&'a self, order: &'a Order) -> Answering<'a, Found> {
        Box::pin(self.base.noted(self.search(order)))
    }

    fn revoke<'a>(
        &'a self,
        certificate: &'a Certificate,
        reason: RevocationReason,
    ) -> Answering<'a, ()> {
        Box::pin(self.base.revoking(self.have_revoked(certificate, reason)))
    }

    fn remote(&self) -> Option<&dyn RemoteCa> {
        Some(self)
    }
}

impl RemoteCa for Ejbca {
    fn kind(&self) -> &'static str {
        "ejbca"
    }

    fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible> {
        let authority = self.base.authority();
        let shorter = self.accepts_shorter_validity();
        asked::ends_with_the_ca(approved, authority.certificate(), shorter)
    }

    fn objections(&self, policy: &CertificatePolicy) -> Vec<Objection> {
        let accepts = self.accepts_shorter_validity() || self.settings.sends_end_time;
        let lifetime =
            asked::lifetime_is_its_own(policy, "the certificate profile at EJBCA", accepts);
        lifetime.into_iter().collect()
    }

    fn findings(&self) -> Vec<Objection> {
        Vec::new()
    }

    fn accepts_shorter_validity(&self) -> bool {
        self.base.accepts_shorter_validity
    }

    fn revokes(&self) -> bool {
        true
    }

    fn makes_ras(&self) -> bool {
        self.settings.ra_profiles.is_some()
    }

    fn certify_ra<'a>(
        &'a self,
        csr: &'a Csr,
        not_after: DateTime<Utc>,
    ) -> Answering<'a, Certificate> {
        Box::pin(self.base.noted(self.enroll_ra(csr, not_after)))
    }

    fn look(&self) -> Answering<'_, ()> {
        Box::pin(self.refresh())
    }

    fn newest_crl(&self, now: DateTime<Utc>) -> Answering<'_, Option<Arc<Crl>>> {
        Box::pin(self.base.newest_crl(now, self.crl()))
    }

    fn health(&self) -> Health {
        self.base.health()
    }
}
