//! The seam for whoever signs certificates.

use chrono::{DateTime, Utc};
use pki::{Certificate, Crl, PublicKey, RevocationReason, RevokedEntry};
use std::sync::Arc;
use std::time::Duration;

use crate::answer::Answering;
use crate::remote::RemoteCa;
use crate::{Approved, Authority, Error};

/// A certification authority as the enrollment sees it: in this process or somewhere else. It has no policy and keeps
/// nothing; what has to survive is kept by who asks.
///
/// What only some issuers can do are faces: [`local`](Self::local), [`remote`](Self::remote), [`crl`](Self::crl),
/// [`ra`](Self::ra), [`responder`](Self::responder).
pub trait Issuer: Send + Sync {
    /// The id under which profiles name this issuer.
    fn id(&self) -> &str;

    /// What the CA says of itself, as far as is known now. Never waits.
    fn authority(&self) -> Arc<Authority>;

    /// Has an approved certificate made. Asked again with an order of the same id, an issuer that can tell gives the same
    /// certificate. Whoever asks compares the answer with what was approved.
    ///
    /// # Errors
    /// [`IssueError`](crate::IssueError).
    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance>;

    /// Looks for the certificate that was not ready before.
    ///
    /// # Errors
    /// [`IssueError`](crate::IssueError).
    fn resume<'a>(&'a self, order: &'a Order, handle: &'a Handle) -> Answering<'a, Issuance> {
        let _ = handle;
        self.issue(order)
    }

    /// Looks for what became of an order whose answer was lost.
    ///
    /// # Errors
    /// [`IssueError`](crate::IssueError).
    fn find<'a>(&'a self, order: &'a Order) -> Answering<'a, Found> {
        let _ = order;
        Box::pin(std::future::ready(Ok(Found::CannotTell)))
    }

    /// Revokes a certificate where it was issued. Revoking it twice is no fault.
    ///
    /// # Errors
    /// [`IssueError`](crate::IssueError).
    fn revoke<'a>(
        &'a self,
        certificate: &'a Certificate,
        reason: RevocationReason,
    ) -> Answering<'a, ()> {
        let _ = (certificate, reason);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether the CA's key is here, so that signing is a matter of this process alone: sign and seal in one visit to the
    /// compute pool, and no stage that has to be durable before.
    fn local(&self) -> Option<&dyn LocalSigner> {
        None
    }

    /// Whether the CA's key is somewhere else: what then can be asked beside certificates.
    fn remote(&self) -> Option<&dyn RemoteCa> {
        None
    }

    /// Signs CRLs, if this server makes them.
    fn crl(&self) -> Option<&dyn CrlSigner> {
        None
    }

    /// Makes certificates for SCEP registration authorities, if it does.
    fn ra(&self) -> Option<&dyn RaCertifier> {
        None
    }

    /// Makes certificates for OCSP responders, if it does.
    fn responder(&self) -> Option<&dyn ResponderCertifier> {
        None
    }
}

/// The face of a CA whose key this process holds.
pub trait LocalSigner: Send + Sync {
    /// Signs an approved certificate: a fresh random serial, the approved lifetime cut to the CA's own.
    ///
    /// # Errors
    /// When the CA is not valid at `now`, or cannot sign. Nothing is recorded: trying again is safe.
    fn sign_approved(&self, approved: &Approved, now: DateTime<Utc>) -> Result<Certificate, Error>;

    /// The body of GetNextCACert (RFC 8894, section 4.7.1): a degenerate certs-only message with the next CA's chain, as
    /// the data of a SignedData by the current CA key. DER. `None` when there is no next CA.
    ///
    /// # Errors
    /// When the CA cannot sign.
    fn sign_next_ca(&self) -> Result<Option<Vec<u8>>, Error>;
}

/// The face of an issuer whose CRLs this server makes.
pub trait CrlSigner: Send + Sync {
    /// A CRL over `revoked` (RFC 5280, section 5), signed by the current key, with `number` as CRL number.
    ///
    /// # Errors
    /// When the CA cannot sign CRLs.
    fn sign_crl(
        &self,
        revoked: &[RevokedEntry],
        number: u64,
        now: DateTime<Utc>,
    ) -> Result<Crl, Error>;

    /// The CAs of before a rollover whose keys are kept, so that their CRLs can still be signed.
    fn earlier(&self) -> Vec<Certificate> {
        Vec::new()
    }

    /// As [`sign_crl`](Self::sign_crl), as the CA `ca`: one of [`earlier`](Self::earlier), or the current one. `revoked`
    /// holds certificates of that CA.
    ///
    /// # Errors
    /// When that CA's key is not here or may not sign CRLs.
    fn sign_crl_of(
        &self,
        ca: &Certificate,
        revoked: &[RevokedEntry],
        number: u64,
        now: DateTime<Utc>,
    ) -> Result<Crl, Error> {
        let _ = (revoked, number, now);
        Err(Error::NoKey {
            subject: ca.subject().to_string(),
        })
    }
}

/// The face of an issuer that certifies OCSP responders.
pub trait ResponderCertifier: Send + Sync {
    /// A certificate for an OCSP responder that speaks for the CA `ca`, signed by that CA's own key (RFC 6960, section
    /// 4.2.2.2): the current CA, or one of [`CrlSigner::earlier`]. It is for signing OCSP answers alone, nobody has to ask
    /// for its status, and it ends after `lifetime`, or with the CA.
    ///
    /// # Errors
    /// When that CA's key is not here, or the CA is not valid at `now`, or cannot sign.
    fn certify_responder(
        &self,
        ca: &Certificate,
        key: &PublicKey,
        lifetime: chrono::Duration,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error>;
}

/// What a certificate of a registration authority is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RaRole {
    /// Devices encrypt to it, and it signs the replies: digitalSignature and keyEncipherment.
    Both,
    /// It signs the replies, another one opens the requests: digitalSignature.
    Signing,
    /// Devices encrypt to it, another one signs the replies: keyEncipherment.
    Encryption,
}

/// The face of an issuer that certifies registration authorities.
pub trait RaCertifier: Send + Sync {
    /// A certificate for a SCEP registration authority, with the key usage of its `role` and the extended key usage
    /// certificateRequestAgent, which no policy grants to a device. `path_id` is the SCEP profile's, empty for the root
    /// profile.
    ///
    /// # Errors
    /// When the CA is not valid at `now`, or cannot sign.
    fn certify_ra_for(
        &self,
        role: RaRole,
        key: &PublicKey,
        path_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error>;

    /// [`certify_ra_for`](RaCertifier::certify_ra_for) an RA that does both.
    ///
    /// # Errors
    /// When the CA is not valid at `now`, or cannot sign.
    fn certify_ra(
        &self,
        key: &PublicKey,
        path_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        self.certify_ra_for(RaRole::Both, key, path_id, now)
    }
}

/// An approved certificate to be made.
#[derive(Clone)]
pub struct Order {
    /// The enrollment's id: the same for every try (idempotency key).
    pub id: [u8; 16],
    /// The SCEP transactionID, for the issuer's records; empty when there is none.
    pub transaction_id: String,
    /// What policy agreed to.
    pub approved: Approved,
    /// The CSR, DER, for issuers that insist on one: its key is the approved one, what else it wishes for counts nothing.
    pub csr: Vec<u8>,
    /// When it was ordered.
    pub at: DateTime<Utc>,
}

/// What an issuer knows an order by while it is not ready. Only the issuer reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle(pub String);

/// What an issuer answers.
#[derive(Debug, Clone)]
pub enum Issuance {
    /// The certificate.
    Issued(Certificate),
    /// Not yet: look again.
    Later {
        /// What to look for.
        handle: Handle,
        /// In how long.
        after: Duration,
    },
}

/// What became of an order whose answer was lost.
#[derive(Debug, Clone)]
pub enum Found {
    /// It was issued.
    Issued(Certificate),
    /// It is being worked on.
    Pending(Handle),
    /// The issuer knows of no such order: nothing was issued.
    Nothing,
    /// The issuer cannot tell: there may be a certificate that nobody has heard of.
    CannotTell,
}
