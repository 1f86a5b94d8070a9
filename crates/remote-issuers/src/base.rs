//! What issuers of every kind have: the chain that is in force, the CRL, how it is, and so many calls at a time.

use crate::chain::Kept;
use crate::crl::CrlCache;
use crate::standing::Standing;
use crate::{Clock, Ticks};
use issuer::{Authority, Health, IssueError};
use outbound::{Client, Url};
use pki::{Certificate, Crl};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What `[[issuer]]` says for every kind, and what an issuer is reached with.
pub struct Opening {
    /// The issuer's id.
    pub id: String,
    /// Its address.
    pub url: Url,
    /// Reaches it: trust, proxy, time for a call.
    pub client: Client,
    /// The monotonic time.
    pub ticks: Ticks,
    /// The time of day.
    pub clock: Clock,
    /// The chain that it showed before this start, issuing CA first; empty when none is known.
    pub known: Vec<Certificate>,
    /// Most calls at a time. At least 1.
    pub max_in_flight: usize,
    /// Whether a certificate that ends earlier than approved is delivered.
    pub accepts_shorter_validity: bool,
    /// Certificates above the CA that the other side does not show.
    pub above: Vec<Certificate>,
    /// CAs of the past whose certificates are still in use.
    pub previous: Vec<Certificate>,
}

/// The part that is the same for all kinds.
pub(crate) struct Base {
    pub(crate) id: String,
    pub(crate) accepts_shorter_validity: bool,
    /// Certificates above the CA that the other side does not show.
    pub(crate) above: Vec<Certificate>,
    pub(crate) crls: CrlCache,
    kept: Kept,
    standing: Standing,
    /// Calls at a time.
    places: Semaphore,
}

impl Base {
    /// Takes over what was `seen` when the issuer was first looked at, or else the chain that is known from before.
    ///
    /// # Errors
    /// What was wrong, where no chain is known.
    pub(crate) fn new(
        opening: Opening,
        seen: &Result<Vec<Certificate>, IssueError>,
    ) -> Result<Self, IssueError> {
        let standing = Standing::new(Arc::clone(&opening.ticks));
        standing.note(seen);
        let chain = match seen {
            Ok(chain) => chain,
            Err(error) if opening.known.is_empty() => return Err(error.clone()),
            Err(_) => &opening.known,
        };
        let kept = Kept::new(chain, &opening.previous)
            .ok_or_else(|| again("it gives no CA certificate"))?;
        Ok(Self {
            id: opening.id,
            accepts_shorter_validity: opening.accepts_shorter_validity,
            above: opening.above,
            crls: CrlCache::new(opening.ticks),
            kept,
            standing,
            places: Semaphore::new(opening.max_in_flight.max(1)),
        })
    }

    /// Takes CRLs that name the place where they are fetched: this CA makes whole ones, and says so in each of them.
    pub(crate) fn with_placed_crls(mut self) -> Self {
        self.crls.takes_placed = true;
        self
    }

    /// What the CA says of itself, as far as is known now.
    pub(crate) fn authority(&self) -> Arc<Authority> {
        self.kept.now()
    }

    /// Takes over the chain that a look came to; notes what it came to otherwise.
    pub(crate) fn take(&self, seen: &Result<Vec<Certificate>, IssueError>) {
        self.standing.note(seen);
        if let Ok(chain) = seen
            && self.kept.exchange(chain)
        {
            tracing::warn!(
                issuer = self.id,
                "another CA signs over there; its chain is in force from now on"
            );
        }
    }

    /// A call, as soon as there is a place for it. What it came to is how the issuer is.
    pub(crate) async fn noted<T>(
        &self,
        call: impl Future<Output = Result<T, IssueError>>,
    ) -> Result<T, IssueError> {
        // Whoever waits too long for a place gives up by itself; then it was not asked.
        let _place = self.places.acquire().await;
        let result = call.await;
        self.standing.note(&result);
        result
    }

    /// A call that revokes. Whatever it came to, the CRL that is kept may lack what it did.
    pub(crate) async fn revoking(
        &self,
        call: impl Future<Output = Result<(), IssueError>>,
    ) -> Result<(), IssueError> {
        let revoked = self.noted(call).await;
        self.crls.outdated();
        revoked
    }

    /// The CRL of the current CA: the one that is kept, or what `fetch` gives.
    pub(crate) async fn newest_crl(
        &self,
        now: chrono::DateTime<chrono::Utc>,
        fetch: impl Future<Output = Result<Option<Crl>, IssueError>>,
    ) -> Result<Option<Arc<Crl>>, IssueError> {
        let authority = self.authority();
        let fetch = self.noted(fetch);
        self.crls.newest(now, authority.certificate(), fetch).await
    }

    pub(crate) fn health(&self) -> Health {
        self.standing.health()
    }
}

/// To be tried again, and nothing was made.
pub(crate) fn again(why: &str) -> IssueError {
    IssueError::Again {
        why: why.to_owned(),
        after: None,
        unheard: false,
    }
}

/// To be tried again; a certificate may have been made of which nobody has heard.
pub(crate) fn unheard(why: &str) -> IssueError {
    IssueError::Again {
        why: why.to_owned(),
        after: None,
        unheard: true,
    }
}
