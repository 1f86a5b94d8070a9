//! What every kind of CA answers.

use chrono::{DateTime, Utc};
use pki::{Certificate, Crl, Name, PublicKey, RevokedEntry, SubjectAltNames};

use crate::{Approved, Error};

/// A certification authority as the enrollment sees it.
///
/// Implementations hold no clock: `now` is the caller's.
pub trait Issuer: Send + Sync {
    /// The id under which profiles name this issuer.
    fn id(&self) -> &str;

    /// The certificate whose key signs what is issued now.
    fn ca_certificate(&self) -> Certificate;

    /// The issuing CA first, its root last. A root CA's chain is itself alone.
    fn chain(&self) -> Vec<Certificate>;

    /// Every name under which this CA signs, has signed, or will: the current one first.
    fn names(&self) -> Vec<Name>;

    /// Signs an approved certificate: a fresh random serial, the approved lifetime cut to the CA's own.
    ///
    /// # Errors
    /// When the CA is not valid at `now`, or cannot sign. Nothing is recorded: trying again is safe.
    fn issue(&self, approved: &Approved, now: DateTime<Utc>) -> Result<Certificate, Error>;

    /// Whether `certificate` is an end-entity certificate signed by the current, a previous or the next key of
    /// this CA. Validity and revocation are the caller's to check.
    fn issued(&self, certificate: &Certificate) -> bool;

    /// A CRL over `revoked` (RFC 5280, section 5), signed by the current key, with `number` as CRL number.
    ///
    /// # Errors
    /// When the CA cannot sign CRLs.
    fn crl(&self, revoked: &[RevokedEntry], number: u64, now: DateTime<Utc>) -> Result<Crl, Error>;

    /// The next CA's chain, issuing CA first, while a rollover is announced.
    fn next_ca(&self) -> Option<Vec<Certificate>>;

    /// The body of GetNextCACert (RFC 8894, section 4.7.1): a degenerate certs-only message with
    /// [`next_ca`](Issuer::next_ca), as the data of a SignedData by the current CA key. DER. `None` when there is no next CA.
    ///
    /// # Errors
    /// When the CA cannot sign.
    fn sign_next_ca(&self) -> Result<Option<Vec<u8>>, Error>;

    /// A certificate for a SCEP registration authority: digitalSignature and keyEncipherment. `path_id` is the
    /// SCEP profile's, empty for the root profile.
    ///
    /// # Errors
    /// When the CA is not valid at `now`, or cannot sign.
    fn issue_ra(
        &self,
        key: &PublicKey,
        path_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error>;

    /// A TLS server certificate for this server's own listeners, under DNS names and IP addresses.
    ///
    /// # Errors
    /// When `names` holds none, when the CA is not valid at `now`, or cannot sign.
    fn issue_tls(
        &self,
        key: &PublicKey,
        names: &SubjectAltNames,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error>;
}
