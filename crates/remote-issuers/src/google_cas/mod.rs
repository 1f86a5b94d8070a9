//! Google Certificate Authority Service, by createCertificate in config mode.
//!
//! | module | holds |
//! |---|---|
//! | `login` | access tokens: service account, workload identity, metadata server |
//! | `fields` | from what was approved to the fields of the API |
//! | `server` | what is asked, and what statuses mean |
//!
//! The certificate's id there is made of the enrollment's, so an answer that was lost is found again, and nothing is made
//! twice. The lifetime counts from the moment of issuing over there, and is cut to the CA's end and the pool's policy without
//! a word: it is asked for a little shorter than approved, so that clocks that differ make no certificate that lives too
//! long. Source: the REST reference of privateca v1.

mod fields;
mod login;
mod server;

pub use login::{Login, subject_file};

use crate::Clock;
use crate::base::{Base, Opening};
use chrono::{DateTime, TimeDelta, Utc};
use issuer::{
    Answering, Approved, Authority, CertificatePolicy, Found, Health, Inexpressible, Issuance,
    IssueError, Issuer, Objection, Order, RemoteCa,
};
use login::Session;
use outbound::Url;
use pki::{Certificate, Crl, RevocationReason};
use serde_json::json;
use server::{Seen, Server, Shown};
use std::sync::{Arc, PoisonError, RwLock};

/// By how much less than the approved lifetime is asked for: within what counts as the same.
const MARGIN: TimeDelta = TimeDelta::minutes(2);

/// What `[issuer.google_cas]` says.
pub struct Settings {
    /// `projects/P/locations/L/caPools/C`.
    pub pool: String,
    /// The CA of the pool that signs; the only one that is enabled where none is named.
    pub ca: Option<String>,
    /// A certificate template, by its whole name.
    pub template: Option<String>,
    /// How to log in.
    pub login: Login,
}

/// An issuer of this kind.
pub struct GoogleCas {
    base: Base,
    server: Server,
    template: Option<String>,
    clock: Clock,
    crls: RwLock<Vec<Url>>,
}

impl GoogleCas {
    /// Logs in and reads the CA. Where that fails and a chain is known from before, the issuer is there all the same:
    /// [`RemoteCa::health`] says what was wrong.
    ///
    /// # Errors
    /// Why it cannot be reached, where no chain is known.
    pub async fn open(opening: Opening, settings: Settings) -> Result<Self, IssueError> {
        let clock = Arc::clone(&opening.clock);
        let session = Session::new(
            settings.login,
            opening.client.clone(),
            Arc::clone(&clock),
            Arc::clone(&opening.ticks),
        );
        let server = Server {
            client: opening.client.clone(),
            base: opening.url.clone(),
            session,
            pool: settings.pool,
            ca: settings.ca,
        };
        let (chain, crls) = match server.look(&opening.above).await {
            Ok(Seen { chain, crls }) => (Ok(chain), crls),
            Err(error) => (Err(error), Vec::new()),
        };
        Ok(Self {
            base: Base::new(opening, &chain)?,
            server,
            template: settings.template,
            clock,
            crls: RwLock::new(crls),
        })
    }

    async fn create(&self, order: &Order) -> Result<Issuance, IssueError> {
        let approved = &order.approved;
        self.can_express(approved)
            .map_err(|error| IssueError::Refused(error.to_string()))?;
        let authority = self.base.authority();
        let end = approved
            .not_after()
            .min(authority.certificate().not_after());
        let lifetime = (end - (self.clock)() - MARGIN).num_seconds();
        if lifetime < 1 {
            return Err(IssueError::Refused(
                "what is left of the approved lifetime is too short to be asked for".to_owned(),
            ));
        }
        let mut body = json!({
            "lifetime": format!("{lifetime}s"),
            "config": fields::config(approved),
            "subjectMode": "RDN_SEQUENCE",
        });
        if let Some(template) = &self.template {
            body["certificateTemplate"] = template.as_str().into();
        }
        let (id, request_id) = (certificate_id(order), request_id(order));
        let created = self.server.create(&id, &request_id, &body).await?;
        let certificate = created.certificate()?;
        self.is_known(&certificate).await?;
        Ok(Issuance::Issued(certificate))
    }

    async fn look_for(&self, order: &Order) -> Result<Found, IssueError> {
        let found: Option<Shown> = self.server.find(&certificate_id(order)).await?;
        match found {
            Some(shown) => Ok(Found::Issued(shown.certificate()?)),
            None => Ok(Found::Nothing),
        }
    }

    /// Over there another CA may sign now: its chain is read before anybody compares.
    async fn is_known(&self, certificate: &Certificate) -> Result<(), IssueError> {
        match self.base.authority().made(certificate) {
            Ok(()) => Ok(()),
            Err(_) => self.refresh().await,
        }
    }

    async fn refresh(&self) -> Result<(), IssueError> {
        let (chain, crls) = match self.server.look(&self.base.above).await {
            Ok(Seen { chain, crls }) => (Ok(chain), Some(crls)),
            Err(error) => (Err(error), None),
        };
        self.base.take(&chain);
        if let Some(crls) = crls {
            *self.crls.write().unwrap_or_else(PoisonError::into_inner) = crls;
        }
        chain.map(|_| ())
    }

    fn crl_urls(&self) -> Vec<Url> {
        let urls = self.crls.read().unwrap_or_else(PoisonError::into_inner);
        urls.clone()
    }
}

/// The same for every try of an enrollment, and for no other: at most 63 characters.
fn certificate_id(order: &Order) -> String {
    format!("scepd-{}", hex::encode(order.id))
}

/// A UUID (version 4 by its form) of the enrollment's id.
fn request_id(order: &Order) -> String {
    let mut octets = order.id;
    octets[6] = (octets[6] & 0x0f) | 0x40;
    octets[8] = (octets[8] & 0x3f) | 0x80;
    let text = hex::encode(octets);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

impl Issuer for GoogleCas {
    fn id(&self) -> &str {
        &self.base.id
    }

    fn authority(&self) -> Arc<Authority> {
        self.base.authority()
    }

    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        Box::pin(self.base.noted(self.create(order)))
    }

    fn find<'a>(&'a self, order: &'a Order) -> Answering<'a, Found> {
        Box::pin(self.base.noted(self.look_for(order)))
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

impl RemoteCa for GoogleCas {
    fn kind(&self) -> &'static str {
        "google-cas"
    }

    fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible> {
        fields::can_express(approved)?;
        let authority = self.base.authority();
        let end = authority.certificate().not_after();
        if approved.not_after() > end && !self.base.accepts_shorter_validity {
            return Err(Inexpressible {
                field: "notAfter",
                why: format!(
                    "approved until {}, and the CA itself ends on {end}",
                    approved.not_after()
                ),
                remedy: "shorten max_ttl in the certificate profile, or set accept_shorter_validity = true on the issuer".to_owned(),
            });
        }
        Ok(())
    }

    fn objections(&self, _: &CertificatePolicy) -> Vec<Objection> {
        Vec::new()
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

    fn look(&self) -> Answering<'_, ()> {
        Box::pin(self.refresh())
    }

    fn newest_crl(&self, now: DateTime<Utc>) -> Answering<'_, Option<Arc<Crl>>> {
        Box::pin(async move {
            let urls = self.crl_urls();
            self.base.newest_crl(now, self.server.crl(&urls)).await
        })
    }

    fn health(&self) -> Health {
        self.base.health()
    }
}
