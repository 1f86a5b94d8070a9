//! step-ca, by `/1.0/sign` and one-time tokens.
//!
//! | module | holds |
//! |---|---|
//! | `api` | calls of the HTTP API, what its statuses mean, and how its root is believed |
//! | `key`, `token` | the provisioner's key, and the tokens that it signs |
//! | `fields` | from what was approved to the claims of a token |
//! | `provisioner` | the provisioner over there: what it makes of a token, and what it should be |
//! | `server` | what is asked, and what the server says of itself |
//!
//! The server takes key and names from the device's CSR and holds them against the token. What the certificate then says is
//! the provisioner's template, which writes what scepd's claim in the token says: subject and extensions, to the octet. A
//! call that is repeated is another certificate, so an answer that was lost may have left one that nobody has heard of.
//! Sources: smallstep/certificates (api, authority/provisioner), and step-ca 0.19.0 itself.

mod api;
mod fields;
mod key;
mod provisioner;
mod server;
mod token;

pub use api::RootPin;
pub use provisioner::{Provisioner, TEMPLATE, recommended};
pub use token::Proof;

use crate::Clock;
use crate::base::{Base, Opening, again};
use crate::{ra, words};
use api::Api;
use chrono::{DateTime, TimeDelta, Utc};
use fields::{Way, Wish};
use issuer::{
    Answering, Approved, Authority, CertificatePolicy, Health, Inexpressible, Issuance, IssueError,
    Issuer, Objection, Order, RemoteCa,
};
use pki::{Certificate, Crl, Csr, RevocationReason};
use server::{Seen, Server};
use std::sync::{Arc, PoisonError, RwLock};
use token::Tokens;

/// By how much clocks may differ, where a lifetime is asked for to its longest.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(1);

/// What `[issuer.step_ca]` says.
pub struct Settings {
    /// The provisioner's name.
    pub provisioner: String,
    /// By what it knows scepd.
    pub proof: Proof,
    /// Where tokens are for: the address under which the server knows itself (`dnsNames`). Its own where there is none.
    pub audience: Option<String>,
    /// The CA certificate that signs, with those above it, for servers that do not show it.
    pub intermediates: Vec<Certificate>,
    /// A root that is asked for and believed by its fingerprint; else the opening's client is used as it is.
    pub root: Option<RootPin>,
}

/// An issuer of this kind.
pub struct StepCa {
    base: Base,
    server: Server,
    clock: Clock,
    provisioner: RwLock<Option<Provisioner>>,
}

impl StepCa {
    /// Reaches the server and reads its chain and provisioner. Where that fails and a chain is known from before, the issuer
    /// is there all the same: [`RemoteCa::health`] says what was wrong.
    ///
    /// # Errors
    /// Why it cannot be reached, where no chain is known.
    pub async fn open(opening: Opening, settings: Settings) -> Result<Self, IssueError> {
        let own = opening.url.as_str();
        let audience = settings.audience.as_deref().unwrap_or(own);
        let tokens = Tokens::new(
            settings.provisioner.clone(),
            audience,
            settings.proof,
            Arc::clone(&opening.clock),
        );
        let api = Api::new(opening.url.clone(), opening.client.clone(), settings.root);
        api.knows(&opening.known);
        let server = Server {
            api,
            tokens,
            provisioner: settings.provisioner,
            intermediates: settings.intermediates,
        };
        let clock = Arc::clone(&opening.clock);
        let (chain, provisioner) = match server.look(&opening.above).await {
            Ok(seen) => (Ok(seen.chain), seen.provisioner),
            Err(error) => (Err(error), None),
        };
        Ok(Self {
            base: Base::new(opening, &chain)?.with_placed_crls(),
            provisioner: RwLock::new(provisioner),
            clock,
            server,
        })
    }

    fn provisioner(&self) -> Option<Provisioner> {
        let known = self.provisioner.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn sign(&self, order: &Order) -> Result<Issuance, IssueError> {
        self.can_express(&order.approved)
            .map_err(|error| IssueError::Refused(error.to_string()))?;
        let csr = Csr::from_der(&order.csr)
            .map_err(|error| IssueError::Refused(format!("the CSR cannot be read: {error}")))?;
        let wish = Wish::of(&order.approved).map_err(IssueError::Refused)?;
        let (approved, authority) = (&order.approved, self.base.authority());
        let validity = self
            .way(authority.certificate())
            .validity(approved.not_before(), approved.not_after());
        let (begin, end) = validity;
        let certificate = self.server.certify(&csr, &wish, Some(begin), end).await?;
        if authority.made(&certificate).is_err() {
            // Over there another CA signs now: its chain is read before anybody compares.
            self.refresh().await?;
        }
        Ok(Issuance::Issued(certificate))
    }

    async fn sign_ra(
        &self,
        csr: &Csr,
        not_after: DateTime<Utc>,
    ) -> Result<Certificate, IssueError> {
        let authority = self.base.authority();
        let wish = Wish::of_ra(csr.subject(), ra::NEEDED).map_err(IssueError::Refused)?;
        // From now on, as the server has it: the moment that is not named.
        let (_, end) = self
            .way(authority.certificate())
            .validity(DateTime::<Utc>::MIN_UTC, not_after);
        // It is made anew in time, however short it lives.
        let longest = self.provisioner().and_then(|known| known.longest());
        let end = match longest.and_then(|longest| (self.clock)().checked_add_signed(longest)) {
            Some(latest) => end.min(latest - CLOCKS_DIFFER),
            None => end,
        };
        let made = self.server.certify(csr, &wish, None, end).await?;
        match ra::is_of_use(&made, csr, &self.base.authority()) {
            Ok(()) => Ok(made),
            Err(wrong) => Err(again(&format!(
                "the certificate that the provisioner {} makes is of no use for an RA: {wrong} (`scepd issuer role step-ca` prints a template that fits)",
                words::quoted(&self.server.provisioner)
            ))),
        }
    }

    async fn refresh(&self) -> Result<(), IssueError> {
        let seen = self.server.look(&self.base.above).await;
        let (chain, provisioner) = match seen {
            Ok(Seen { chain, provisioner }) => (Ok(chain), Some(provisioner)),
            Err(error) => (Err(error), None),
        };
        self.base.take(&chain);
        if let Some(provisioner) = provisioner {
            let mut known = self
                .provisioner
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            *known = provisioner;
        }
        chain.map(|_| ())
    }

    fn way<'a>(&self, ca: &'a Certificate) -> Way<'a> {
        Way {
            ca,
            accepts_shorter_validity: self.base.accepts_shorter_validity,
            credential: self.server.tokens.valid(),
        }
    }
}

impl Issuer for StepCa {
    fn id(&self) -> &str {
        &self.base.id
    }

    fn authority(&self) -> Arc<Authority> {
        self.base.authority()
    }

    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        Box::pin(self.base.noted(self.sign(order)))
    }

    fn revoke<'a>(
        &'a self,
        certificate: &'a Certificate,
        reason: RevocationReason,
    ) -> Answering<'a, ()> {
        Box::pin(self.base.revoking(self.server.revoke(certificate, reason)))
    }

    fn remote(&self) -> Option<&dyn RemoteCa> {
        Some(self)
    }
}

impl RemoteCa for StepCa {
    fn kind(&self) -> &'static str {
        "step-ca"
    }

    fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible> {
        let authority = self.base.authority();
        self.way(authority.certificate()).can_express(approved)
    }

    fn objections(&self, policy: &CertificatePolicy) -> Vec<Objection> {
        self.provisioner()
            .map(|provisioner| provisioner.objections(policy))
            .unwrap_or_default()
    }

    fn findings(&self) -> Vec<Objection> {
        match self.provisioner() {
            Some(provisioner) => provisioner.findings(),
            None if self.health().trouble.is_some() => Vec::new(),
            None => vec![Objection {
                is_fatal: false,
                setting: "",
                what: "it does not show its provisioners, so the template was not checked"
                    .to_owned(),
                remedy:
                    "see to it that the provisioner is as `scepd issuer role step-ca` prints it"
                        .to_owned(),
            }],
        }
    }

    fn accepts_shorter_validity(&self) -> bool {
        self.base.accepts_shorter_validity
    }

    fn revokes(&self) -> bool {
        true
    }

    fn makes_ras(&self) -> bool {
        true
    }

    fn certify_ra<'a>(
        &'a self,
        csr: &'a Csr,
        not_after: DateTime<Utc>,
    ) -> Answering<'a, Certificate> {
        Box::pin(self.base.noted(self.sign_ra(csr, not_after)))
    }

    fn look(&self) -> Answering<'_, ()> {
        Box::pin(self.refresh())
    }

    fn newest_crl(&self, now: DateTime<Utc>) -> Answering<'_, Option<Arc<Crl>>> {
        Box::pin(self.base.newest_crl(now, self.server.crl()))
    }

    fn health(&self) -> Health {
        self.base.health()
    }
}
