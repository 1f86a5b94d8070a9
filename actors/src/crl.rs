//! Each CA's newest CRL: made when somebody asks, kept in the store, made anew when a
//! certificate was revoked since or half of its time has passed.
//!
//! Making one reads every revoked certificate and waits for the disk, so it happens once at a time for each CA and
//! beside the compute pool; who asks meanwhile gets the CRL of before, which is still good.
//!
//! Whoever keeps what was said of a certificate listens here for the moment from which on it is not true any more.

use chrono::{DateTime, Utc};
use issuer::Issuer;
use pki::{Certificate, RevocationReason, RevokedEntry, Serial};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use store::{CaId, Change, CrlRecord, RevokedCertificate, Store, StoreTime};

/// Why there is no CRL to show.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    /// The store failed.
    #[error("the CRL cannot be read or kept: {0}")]
    Store(#[from] store::Error),
    /// The issuer cannot sign.
    #[error("the issuer cannot sign a CRL: {0}")]
    Issuer(#[from] issuer::Error),
    /// Another CRL took the number; the next try finds it.
    #[error("{0}")]
    Conflict(#[from] store::Conflict),
    /// Making it panicked, or the server ends.
    #[error("making the CRL was broken off: {0}")]
    BrokenOff(#[from] tokio::task::JoinError),
}

#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    /// Held by who makes the next one.
    making: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    newest: Option<Newest>,
    /// How many certificates were revoked while this process runs.
    revocations: u64,
}

#[derive(Clone)]
struct Newest {
    crl: KeptCrl,
    /// The revocations that it knows of, at least.
    revocations: u64,
}

/// A CRL that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCrl {
    /// The CRL, DER.
    pub der: Arc<[u8]>,
    /// Its thisUpdate: a wall clock that is put right may be before it, and then it is of no use.
    pub this_update: DateTime<Utc>,
    /// From then on it is made anew.
    pub refresh: DateTime<Utc>,
    /// Its nextUpdate. From then on it is of no use.
    pub next_update: DateTime<Utc>,
}

/// Who is told at once when it is durable that certificates are revoked, or are so no longer.
pub trait StatusListener: Send + Sync {
    /// The certificates of `ca` with these serials have changed. Must be quick, and may be called from any thread.
    fn changed(&self, ca: &CaId, serials: &[&[u8]]);
}

impl Slot {
    fn look(&self) -> (Option<Newest>, u64) {
        let state = lock(&self.state);
        (state.newest.clone(), state.revocations)
    }

    /// The newest one, if it may still be shown, and whether it need not be made anew.
    fn usable(&self, now: DateTime<Utc>) -> Option<(KeptCrl, bool)> {
        let (newest, revocations) = self.look();
        let newest = newest.filter(|newest| newest.crl.holds_at(now))?;
        let fresh = newest.revocations == revocations && now < newest.crl.refresh;
        Some((newest.crl, fresh))
    }
}

impl KeptCrl {
    /// Whether it may be shown at `now`.
    #[must_use]
    pub fn holds_at(&self, now: DateTime<Utc>) -> bool {
        self.this_update <= now && now < self.next_update
    }
}

impl From<CrlRecord> for KeptCrl {
    fn from(record: CrlRecord) -> Self {
        let lifetime = record.next_update - record.this_update;
        Self {
            der: record.der.into(),
            this_update: record.this_update,
            refresh: record.this_update + lifetime / 2,
            next_update: record.next_update,
        }
    }
}

/// The CRLs of all CAs. Cheap to clone.
#[derive(Clone, Default)]
pub struct Crls {
    slots: Arc<Mutex<HashMap<CaId, Arc<Slot>>>>,
    listeners: Arc<Mutex<Vec<Weak<dyn StatusListener>>>>,
}

impl Crls {
    fn slot(&self, ca: CaId) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        Arc::clone(slots.entry(ca).or_default())
    }

    /// Says that certificates of this CA, with these serials, were revoked or released. To be called when that is durable,
    /// and before anybody is told of it.
    pub fn changed(&self, ca: &CaId, serials: &[&[u8]]) {
        {
            let slot = self.slot(*ca);
            let mut state = lock(&slot.state);
            state.revocations = state.revocations.saturating_add(1);
        }
        let listeners: Vec<_> = {
            let mut listeners = lock(&self.listeners);
            listeners.retain(|listener| listener.strong_count() > 0);
            listeners.iter().filter_map(Weak::upgrade).collect()
        };
        for listener in listeners {
            listener.changed(ca, serials);
        }
    }

    /// Has `listener` told of what [`changed`](Self::changed), for as long as somebody else holds it.
    pub fn listen(&self, listener: Weak<dyn StatusListener>) {
        lock(&self.listeners).push(listener);
    }

    /// The newest CRL of the issuer's current CA, DER (RFC 5280 section 5). Who finds that it must be made anew waits for
    /// that; who asks meanwhile gets the one of before.
    ///
    /// # Errors
    /// [`CrlError`].
    pub async fn newest(
        &self,
        store: &Arc<dyn Store>,
        issuer: &Arc<dyn Issuer>,
        time: StoreTime,
    ) -> Result<Arc<[u8]>, CrlError> {
        let authority = issuer.authority();
        let newest = self.newest_of(store, issuer, authority.certificate(), time);
        Ok(newest.await?.der)
    }

    /// As [`newest`](Self::newest), of one of the issuer's CAs: the current one, or one of before a rollover whose key is
    /// kept.
    ///
    /// # Errors
    /// [`CrlError`].
    pub async fn newest_of(
        &self,
        store: &Arc<dyn Store>,
        issuer: &Arc<dyn Issuer>,
        ca: &Certificate,
        time: StoreTime,
    ) -> Result<KeptCrl, CrlError> {
        self.find(store, issuer, ca, time, false).await
    }

    /// As [`newest_of`](Self::newest_of), but who asks while it is made anew waits for that too: every revocation that was
    /// durable before is on it.
    ///
    /// # Errors
    /// [`CrlError`].
    pub async fn up_to_date(
        &self,
        store: &Arc<dyn Store>,
        issuer: &Arc<dyn Issuer>,
        ca: &Certificate,
        time: StoreTime,
    ) -> Result<KeptCrl, CrlError> {
        self.find(store, issuer, ca, time, true).await
    }

    async fn find(
        &self,
        store: &Arc<dyn Store>,
        issuer: &Arc<dyn Issuer>,
        ca: &Certificate,
        time: StoreTime,
        waits: bool,
    ) -> Result<KeptCrl, CrlError> {
        let now = time.wall();
        let id = issuer.id();
        let slot = self.slot(CaId::of_ca(ca));
        let old = match slot.usable(now) {
            Some((crl, true)) => return Ok(crl),
            Some((crl, false)) => Some(crl),
            None => None,
        };
        let making = match (Arc::clone(&slot.making).try_lock_owned(), &old) {
            (Ok(making), _) => making,
            (Err(_), Some(old)) if !waits => return Ok(old.clone()),
            (Err(_), _) => Arc::clone(&slot.making).lock_owned().await,
        };
        // Somebody else may have made it in between.
        if let Some((crl, true)) = slot.usable(now) {
            return Ok(crl);
        }
        let (store, signing, ca) = (Arc::clone(store), Arc::clone(issuer), ca.clone());
        // The asker may go away; the CRL is finished all the same, and no second one is begun before.
        let made = tokio::task::spawn_blocking(move || {
            let (_, revocations) = slot.look();
            let crl = make(&*store, &*signing, &ca, time)?;
            lock(&slot.state).newest = Some(Newest {
                crl: crl.clone(),
                revocations,
            });
            drop(making);
            Ok(crl)
        });
        match (made.await.map_err(CrlError::from).flatten(), old) {
            (Err(error), Some(old)) => {
                tracing::error!(issuer = id, %error, "the next CRL could not be made; the one before is shown");
                Ok(old)
            }
            (made, _) => made,
        }
    }
}

fn make(
    store: &dyn Store,
    issuer: &dyn Issuer,
    of: &Certificate,
    time: StoreTime,
) -> Result<KeptCrl, CrlError> {
    let (now, passed) = (time.wall(), time.passed());
    let no_crl = || issuer::Error::NoCrl {
        id: issuer.id().to_owned(),
    };
    let signer = issuer.crl().ok_or_else(no_crl)?;
    // A CRL speaks for the certificates of its own signer alone, not for those of the key before or
    // after a rollover.
    let ca = CaId::of_ca(of);
    let before = store.crl(&ca)?;
    let revoked = store.revoked(&ca)?.into_iter();
    let entries: Vec<RevokedEntry> = revoked
        .filter(|revoked| {
            let before = before.as_ref();
            before.is_none_or(|crl| !has_told(crl, revoked, passed))
        })
        .map(|revoked| RevokedEntry {
            serial: Serial::new(revoked.serial),
            // Not after thisUpdate, should it have been noted while the clock was ahead.
            revoked_at: revoked.revocation.at.min(now),
            reason: RevocationReason::from_number(revoked.revocation.reason),
        })
        .collect();
    // After a rollover the numbers go on, as the CRLs have the same issuer name.
    let numbers = store.crls()?.into_iter();
    let numbers = numbers.filter(|crl| crl.ca == ca || crl.issuer_id == issuer.id());
    let last = numbers.map(|crl| crl.number).max();
    let number = last.unwrap_or_default().saturating_add(1);
    let authority = issuer.authority();
    let crl = if authority.certificate() == of {
        signer.sign_crl(&entries, number, now)?
    } else {
        signer.sign_crl_of(of, &entries, number, now)?
    };
    let this_update = crl.this_update();
    let next_update = crl.next_update().unwrap_or(this_update);
    let record = CrlRecord {
        issuer_id: issuer.id().to_owned(),
        ca,
        number,
        this_update,
        next_update,
        der: crl.der().to_vec(),
    };
    store
        .commit(&[Change::new().with(record)], time)?
        .into_iter()
        .try_for_each(|kept| kept.map(drop))?;
    Ok(KeptCrl {
        der: crl.der().into(),
        this_update,
        refresh: now + (next_update - now) / 2,
        next_update,
    })
}

/// Whether an entry may be left out: a CRL that was issued after the certificate had ended has listed it
/// (RFC 5280, section 3.3). One that was made while the clock was ahead of what has `passed` says nothing.
fn has_told(crl: &CrlRecord, revoked: &RevokedCertificate, passed: DateTime<Utc>) -> bool {
    crl.this_update <= passed
        && revoked.not_after < crl.this_update
        && revoked.revocation.at < crl.this_update
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
