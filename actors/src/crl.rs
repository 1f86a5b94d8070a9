//! Each CA's newest CRL: made when somebody asks, kept in the store, made anew when a
//! certificate was revoked since or half of its time has passed.
//!
//! Making one reads every revoked certificate and waits for the disk, so it happens once at a time for each CA and
//! beside the compute pool; who asks meanwhile gets the CRL of before, which is still good.

use chrono::{DateTime, Utc};
use issuer::Issuer;
use pki::{RevocationReason, RevokedEntry, Serial};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    der: Arc<[u8]>,
    /// The revocations that it knows of, at least.
    revocations: u64,
    /// Its thisUpdate: a wall clock that is put right may be before it, and then it is of no use.
    begin: DateTime<Utc>,
    /// From then on it is made anew.
    refresh: DateTime<Utc>,
    /// From then on it is of no use.
    end: DateTime<Utc>,
}

impl Slot {
    fn look(&self) -> (Option<Newest>, u64) {
        let state = lock(&self.state);
        (state.newest.clone(), state.revocations)
    }

    /// The newest one, if it may still be shown, and whether it need not be made anew.
    fn usable(&self, now: DateTime<Utc>) -> Option<(Arc<[u8]>, bool)> {
        let (newest, revocations) = self.look();
        let newest = newest.filter(|newest| newest.holds_at(now))?;
        let fresh = newest.revocations == revocations && now < newest.refresh;
        Some((newest.der, fresh))
    }
}

impl Newest {
    fn holds_at(&self, now: DateTime<Utc>) -> bool {
        self.begin <= now && now < self.end
    }
}

/// The CRLs of all CAs. Cheap to clone.
#[derive(Clone, Default)]
pub struct Crls {
    slots: Arc<Mutex<HashMap<CaId, Arc<Slot>>>>,
}

impl Crls {
    fn slot(&self, ca: CaId) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        Arc::clone(slots.entry(ca).or_default())
    }

    /// Says that a certificate of this CA was revoked.
    pub fn revoked(&self, ca: &CaId) {
        let slot = self.slot(*ca);
        let mut state = lock(&slot.state);
        state.revocations = state.revocations.saturating_add(1);
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
        let now = time.wall();
        let id = issuer.id();
        let slot = self.slot(CaId::of_ca(issuer.authority().certificate()));
        let old = match slot.usable(now) {
            Some((crl, true)) => return Ok(crl),
            Some((crl, false)) => Some(crl),
            None => None,
        };
        let making = match (Arc::clone(&slot.making).try_lock_owned(), &old) {
            (Ok(making), _) => making,
            (Err(_), Some(old)) => return Ok(Arc::clone(old)),
            (Err(_), None) => Arc::clone(&slot.making).lock_owned().await,
        };
        // Somebody else may have made it in between.
        if let Some((crl, true)) = slot.usable(now) {
            return Ok(crl);
        }
        let (store, signing) = (Arc::clone(store), Arc::clone(issuer));
        // The asker may go away; the CRL is finished all the same, and no second one is begun before.
        let made = tokio::task::spawn_blocking(move || {
            let (_, revocations) = slot.look();
            let newest = make(&*store, &*signing, revocations, time)?;
            let der = Arc::clone(&newest.der);
            lock(&slot.state).newest = Some(newest);
            drop(making);
            Ok(der)
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
    revocations: u64,
    time: StoreTime,
) -> Result<Newest, CrlError> {
    let (now, passed) = (time.wall(), time.passed());
    let no_crl = || issuer::Error::NoCrl {
        id: issuer.id().to_owned(),
    };
    let signer = issuer.crl().ok_or_else(no_crl)?;
    // A CRL speaks for the certificates of its own signer alone, not for those of the key before or
    // after a rollover.
    let ca = CaId::of_ca(issuer.authority().certificate());
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
    let crl = signer.sign_crl(&entries, number, now)?;
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
    Ok(Newest {
        der: crl.der().into(),
        revocations,
        begin: this_update,
        refresh: now + (next_update - now) / 2,
        end: next_update,
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
