//! Another SCEP server: scepd is its registration authority.
//!
//! | module | holds |
//! |---|---|
//! | `server` | what is asked, by which algorithms, and what answers mean |
//! | `trust` | who vouches for the CA that it shows |
//!
//! The device's CSR goes on as it is, in a new PKCSReq that scepd signs with a key of its own: the other server must take
//! requests of this signer, whose key is not that of the CSR. A challenge in the CSR goes on with it. The transactionID is
//! the enrollment's, the same for every try, so that a server that remembers transactions gives the certificate again.
//! Source: RFC 8894.

mod server;
mod trust;

pub use trust::CaTrust;

use crate::base::{Base, Opening, again};
use crate::{chain, words};
use chrono::{DateTime, Utc};
use issuer::{
    Answering, Approved, Authority, CertificatePolicy, Found, Handle, Health, Inexpressible,
    Issuance, IssueError, Issuer, Objection, Order, RemoteCa,
};
use pki::{Certificate, Crl, Csr, PrivateKey, RevocationReason, Serial};
use scep::FailInfo;
use scep::client::Reply;
use server::{Answer, Ask, Met, Server};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What `[issuer.scep]` says.
pub struct Settings {
    /// The certificate and RSA key by which requests are signed and replies opened.
    pub signer: (Certificate, PrivateKey),
    /// Who vouches for its CA.
    pub trust: CaTrust,
    /// What GetCACert is asked with, where one server has several CAs.
    pub identifier: Option<String>,
    /// Whether triple DES and SHA-1 are used where it offers nothing better, and its replies may come in single DES.
    pub allows_legacy: bool,
    /// How often it is asked about a request that waits there.
    pub poll_every: Duration,
}

/// An issuer of this kind.
pub struct UpstreamScep {
    base: Base,
    server: Server,
    poll_every: Duration,
    /// A certificate of its CA: a CRL is asked for by one.
    latest: Mutex<Option<Serial>>,
}

impl UpstreamScep {
    /// Meets the server. Where that fails and a chain is known from before, the issuer is there all the same:
    /// [`RemoteCa::health`] says what was wrong.
    ///
    /// # Errors
    /// Why it cannot be reached, where no chain is known.
    pub async fn open(opening: Opening, settings: Settings) -> Result<Self, IssueError> {
        let reached = (
            opening.client.clone(),
            opening.url.clone(),
            Arc::clone(&opening.clock),
        );
        let server = Server::new(
            reached,
            settings.signer,
            settings.trust,
            settings.identifier,
            settings.allows_legacy,
        );
        let seen = match server.meet().await {
            Ok(met) => chain_of(&met, &opening.above),
            Err(error) => Err(error),
        };
        Ok(Self {
            base: Base::new(opening, &seen)?,
            server,
            poll_every: settings.poll_every,
            latest: Mutex::default(),
        })
    }

    async fn refresh(&self) -> Result<(), IssueError> {
        let seen = match self.server.meet().await {
            Ok(met) => chain_of(&met, &self.base.above),
            Err(error) => Err(error),
        };
        self.base.take(&seen);
        seen.map(|_| ())
    }

    async fn enroll(&self, order: &Order) -> Result<Issuance, IssueError> {
        self.can_express(&order.approved)
            .map_err(|error| IssueError::Refused(error.to_string()))?;
        let csr = csr_of(order)?;
        same_names(&order.approved, &csr)
            .map_err(|error| IssueError::Refused(error.to_string()))?;
        let met = self.server.known().await?;
        let id = transaction_id(order);
        let answer = self.server.ask(&met, Ask::Enroll(csr), &id).await?;
        self.issuance(answer, &id).await
    }

    async fn poll(&self, order: &Order, id: &str) -> Result<Issuance, IssueError> {
        let met = self.server.known().await?;
        let ask = Ask::Poll(csr_of(order)?);
        let answer = self.server.ask(&met, ask, id).await?;
        self.issuance(answer, id).await
    }

    async fn issuance(&self, answer: Answer, id: &str) -> Result<Issuance, IssueError> {
        let reply = match answer {
            Answer::Reply(reply) => reply,
            Answer::Unknown(error) => return Err(error),
        };
        match reply {
            Reply::Certificate { leaf, .. } => {
                if self.base.authority().made(&leaf).is_err() {
                    // Over there another CA signs now: its chain is read before anybody compares.
                    self.refresh().await?;
                }
                *self.latest.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(leaf.serial().clone());
                Ok(Issuance::Issued(leaf))
            }
            Reply::Pending => Ok(Issuance::Later {
                handle: Handle(id.to_owned()),
                after: self.poll_every,
            }),
            Reply::Failure { fail_info, text } => Err(failure(fail_info, text.as_deref())),
            Reply::Crl(_) => Err(again("it answers with a CRL, which was not asked for")),
        }
    }

    /// What became of an order: asked by its transactionID.
    async fn look_for(&self, order: &Order) -> Result<Found, IssueError> {
        let id = transaction_id(order);
        let met = self.server.known().await?;
        let ask = Ask::Poll(csr_of(order)?);
        match self.server.ask(&met, ask, &id).await? {
            // Whether it knows nothing of the order or does not answer such questions, it does not say.
            Answer::Unknown(_) | Answer::Reply(Reply::Failure { .. } | Reply::Crl(_)) => {
                Ok(Found::CannotTell)
            }
            answer => match self.issuance(answer, &id).await? {
                Issuance::Issued(certificate) => Ok(Found::Issued(certificate)),
                Issuance::Later { handle, .. } => Ok(Found::Pending(handle)),
            },
        }
    }

    async fn crl(&self) -> Result<Option<Crl>, IssueError> {
        let met = self.server.known().await?;
        let latest = {
            let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            latest.clone()
        };
        // Any certificate of the CA will do; its RA's is one.
        let ra = met.ca.ras().first().map(|ra| ra.serial().clone());
        let serial = latest
            .or(ra)
            .unwrap_or_else(|| met.ca.issuing().serial().clone());
        let id = scep::client::new_transaction_id().map_err(|error| again(&error.to_string()))?;
        match self.server.ask(&met, Ask::Crl(serial), &id).await? {
            Answer::Reply(Reply::Crl(crl)) => Ok(Some(crl)),
            Answer::Unknown(_) | Answer::Reply(Reply::Failure { .. }) => Ok(None),
            Answer::Reply(_) => Err(again("it answers GetCRL with something else")),
        }
    }
}

/// The same for every try of an enrollment, and for no other.
fn transaction_id(order: &Order) -> String {
    hex::encode_upper(order.id)
}

fn csr_of(order: &Order) -> Result<Csr, IssueError> {
    Csr::from_der(&order.csr)
        .map_err(|error| IssueError::Refused(format!("the CSR cannot be read: {error}")))
}

fn chain_of(met: &Arc<Met>, above: &[Certificate]) -> Result<Vec<Certificate>, IssueError> {
    let pool: Vec<Certificate> = met.ca.all().iter().chain(above).cloned().collect();
    chain::ordered(met.ca.issuing().clone(), &pool).map_err(|what| again(&what))
}

/// A request that is refused for what it asks is the device's; one that is not understood, the operator's.
fn failure(fail_info: FailInfo, text: Option<&str>) -> IssueError {
    let text = text.map(words::excerpt).filter(|text| !text.is_empty());
    let said = text.map_or_else(String::new, |text| format!(": {text}"));
    match fail_info {
        FailInfo::BadRequest | FailInfo::BadCertId => {
            IssueError::Refused(format!("{}{said}", fail_info.name()))
        }
        _ => again(&format!(
            "it refuses scepd's messages with {}{said}; see to the clocks, and whether it takes requests that scepd's signer signs",
            fail_info.name()
        )),
    }
}

/// The other server takes the names out of the CSR: they must be the approved ones.
fn same_names(approved: &Approved, csr: &Csr) -> Result<(), Inexpressible> {
    let cannot = |field: &'static str| Inexpressible {
        field,
        why: "it is taken from the CSR, which has another one than was approved".to_owned(),
        remedy: "see to it that the certificate profile approves names as devices ask for them"
            .to_owned(),
    };
    if !approved.subject().matches(csr.subject())
        || approved.subject().attributes() != csr.subject().attributes()
    {
        return Err(cannot("subject"));
    }
    if !approved.sans().same_names(csr.sans()) {
        return Err(cannot("subjectAltName"));
    }
    Ok(())
}

impl Issuer for UpstreamScep {
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
        Box::pin(self.base.noted(self.poll(order, &handle.0)))
    }

    fn find<'a>(&'a self, order: &'a Order) -> Answering<'a, Found> {
        Box::pin(self.base.noted(self.look_for(order)))
    }

    fn revoke<'a>(&'a self, _: &'a Certificate, _: RevocationReason) -> Answering<'a, ()> {
        let refused = "SCEP cannot revoke: do so at the other server".to_owned();
        Box::pin(std::future::ready(Err(IssueError::Refused(refused))))
    }

    fn remote(&self) -> Option<&dyn RemoteCa> {
        Some(self)
    }
}

impl RemoteCa for UpstreamScep {
    fn kind(&self) -> &'static str {
        "scep"
    }

    fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible> {
        let authority = self.base.authority();
        let end = authority.certificate().not_after();
        if approved.not_after() > end && !self.base.accepts_shorter_validity {
            return Err(Inexpressible {
                field: "notAfter",
                why: format!("approved until {}, and the CA itself ends on {end}", approved.not_after()),
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
        false
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
