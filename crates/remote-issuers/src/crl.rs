//! The CRL of an issuer elsewhere, kept for a while.

use crate::{Ticks, words};
use chrono::{DateTime, Utc};
use issuer::IssueError;
use pki::{Certificate, Crl};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For how long one is shown before the issuer is asked again.
const FRESH: Duration = Duration::from_secs(300);

/// The newest one that was read.
pub(crate) struct CrlCache {
    ticks: Ticks,
    /// Whether an issuing distribution point that holds a place and no more is known to leave nothing out.
    pub(crate) takes_placed: bool,
    kept: Mutex<Option<Kept>>,
    /// Held by who asks for the next one.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Kept {
    crl: Arc<Crl>,
    read: Instant,
    /// Whether something was revoked since.
    outdated: bool,
}

impl CrlCache {
    pub(crate) fn new(ticks: Ticks) -> Self {
        Self {
            ticks,
            takes_placed: false,
            kept: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Something was revoked: the next who asks gets a new one.
    pub(crate) fn outdated(&self) {
        if let Some(kept) = self.lock().as_mut() {
            kept.outdated = true;
        }
    }

    /// The one that is kept, or else what `fetch` gives, if `ca` signed it and it is in force at `now`. While nothing can be
    /// fetched, the one of before is shown to its end.
    pub(crate) async fn newest(
        &self,
        now: DateTime<Utc>,
        ca: &Certificate,
        fetch: impl Future<Output = Result<Option<Crl>, IssueError>>,
    ) -> Result<Option<Arc<Crl>>, IssueError> {
        if let Some(kept) = self.fresh(now, ca) {
            return Ok(Some(kept));
        }
        let _asking = self.asking.lock().await;
        // Somebody else may have asked in between.
        if let Some(kept) = self.fresh(now, ca) {
            return Ok(Some(kept));
        }
        let read = match fetch.await {
            Ok(Some(crl)) => match self.is_good(&crl, ca, now) {
                Ok(()) => Ok(Some(Arc::new(crl))),
                Err(what) => Err(IssueError::Again {
                    why: format!("its CRL cannot be shown: {what}"),
                    after: None,
                    unheard: false,
                }),
            },
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match read {
            Ok(Some(crl)) => {
                *self.lock() = Some(Kept {
                    crl: Arc::clone(&crl),
                    read: (self.ticks)(),
                    outdated: false,
                });
                Ok(Some(crl))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                let kept = self.lock().clone();
                let kept = kept.filter(|kept| self.is_good(&kept.crl, ca, now).is_ok());
                kept.map(|kept| Some(kept.crl)).ok_or(error)
            }
        }
    }

    fn fresh(&self, now: DateTime<Utc>, ca: &Certificate) -> Option<Arc<Crl>> {
        let kept = self.lock().clone()?;
        let age = (self.ticks)().saturating_duration_since(kept.read);
        let is_fresh = !kept.outdated && age < FRESH && self.is_good(&kept.crl, ca, now).is_ok();
        is_fresh.then_some(kept.crl)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a device could use it.
    fn is_good(&self, crl: &Crl, ca: &Certificate, now: DateTime<Utc>) -> Result<(), String> {
        if !crl.issuer().matches(ca.subject()) || crl.verify_signature_by(ca.public_key()).is_err()
        {
            let issuer = words::quoted(&crl.issuer().to_string());
            return Err(format!("it is not signed by this CA, but by {issuer}"));
        }
        if crl.is_partial() && !(self.takes_placed && crl.is_placed()) {
            return Err("it is not a whole one".to_owned());
        }
        match crl.next_update() {
            Some(end) if end <= now => Err(format!("it ended on {end}")),
            _ => Ok(()),
        }
    }
}
