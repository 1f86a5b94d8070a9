//! The face of an issuer whose key is somewhere else.

use chrono::{DateTime, Utc};
use pki::{Certificate, Crl, Csr};
use std::sync::Arc;
use std::time::Duration;

use crate::answer::{Answering, IssueError};
use crate::approved::{PolicyRefusal, Rule};
use crate::{Approved, CertificatePolicy};

/// What only an issuer somewhere else can be asked: whether it can make a certificate at all, and how it does.
pub trait RemoteCa: Send + Sync {
    /// The kind, as `[[issuer]] type` calls it.
    fn kind(&self) -> &'static str;

    /// Whether it can make exactly what was approved, as far as is known without asking it.
    ///
    /// # Errors
    /// [`Inexpressible`]: the field in which the certificate would differ, and which setting to change.
    fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible>;

    /// What certificates of a policy it can never make, or not each of them.
    fn objections(&self, policy: &CertificatePolicy) -> Vec<Objection>;

    /// What is wrong with its settings over there, whatever the policy; empty when nothing is, or nothing can be seen.
    fn findings(&self) -> Vec<Objection>;

    /// The attributes that it writes into the subject of every certificate, before all others: as [`pki::Name::parse`] takes
    /// them.
    fn fixed_subject(&self) -> String {
        String::new()
    }

    /// Whether a certificate that ends earlier than approved is delivered all the same.
    fn accepts_shorter_validity(&self) -> bool;

    /// Whether it can be asked to revoke.
    fn revokes(&self) -> bool;

    /// Whether its certificates are revoked by hand over there, and [`is_revoked`](Self::is_revoked) tells when that was done:
    /// for one that does not [revoke](Self::revokes) when it is asked.
    fn revokes_by_hand(&self) -> bool {
        false
    }

    /// Whether a certificate is known over there to be revoked.
    ///
    /// # Errors
    /// [`IssueError`].
    fn is_revoked<'a>(&'a self, certificate: &'a Certificate) -> Answering<'a, bool> {
        let _ = certificate;
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Whether it makes certificates for SCEP registration authorities.
    fn makes_ras(&self) -> bool {
        false
    }

    /// Has a certificate made for a SCEP registration authority that signs and opens: for the key of `csr`, under its
    /// subject, until `not_after` or the CA's own end.
    ///
    /// # Errors
    /// [`IssueError`], also where what is made is of no use for an RA.
    fn certify_ra<'a>(
        &'a self,
        csr: &'a Csr,
        not_after: DateTime<Utc>,
    ) -> Answering<'a, Certificate> {
        let _ = (csr, not_after);
        let refused = IssueError::Refused("it makes no RA certificates".to_owned());
        Box::pin(std::future::ready(Err(refused)))
    }

    /// Reaches it, logs in or renews its login, and reads what it says of itself now: chain, role. What is new is in force
    /// afterwards.
    ///
    /// # Errors
    /// [`IssueError`].
    fn look(&self) -> Answering<'_, ()>;

    /// A CRL of the current CA that is in force at `now`: kept for some minutes, and while the issuer is away to its end.
    /// `None` where the issuer makes none.
    ///
    /// # Errors
    /// [`IssueError`], also where what it gives is not signed by its CA.
    fn newest_crl(&self, now: DateTime<Utc>) -> Answering<'_, Option<Arc<Crl>>>;

    /// How it is.
    fn health(&self) -> Health;
}

/// How an issuer somewhere else is, by the last call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How long ago it last did what it was asked; since this process knows it where it never did.
    pub silent_for: Duration,
    /// Whether it ever did.
    pub reached: bool,
    /// Why the last call failed, in words for operators; `None` when it did not.
    pub trouble: Option<String>,
}

/// A field in which an issuer cannot make what was approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the issuer cannot make this {field}: {why}; {remedy}")]
pub struct Inexpressible {
    /// The field, as RFC 5280 calls it.
    pub field: &'static str,
    /// Why not. Text from outside is quoted and escaped.
    pub why: String,
    /// Which setting to change, here or there.
    pub remedy: String,
}

impl From<Inexpressible> for PolicyRefusal {
    fn from(error: Inexpressible) -> Self {
        Self::new(Rule::Issuer, error.to_string())
    }
}

/// What an issuer has against a policy or its own settings over there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Whether no certificate could be made as approved; else some could not.
    pub is_fatal: bool,
    /// The setting of `[[certificate_profile]]` that it is about; empty where it is about the issuer's own.
    pub setting: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}
