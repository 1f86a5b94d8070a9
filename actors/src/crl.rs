//! Each issuer's newest CRL: made when somebody asks, kept in the store, made anew when a
//! certificate was revoked since or half of its time has passed.

use chrono::{DateTime, Utc};
use issuer::Issuer;
use pki::{RevocationReason, RevokedEntry, Serial};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Change, CrlRecord, Store};

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
}

#[derive(Default)]
struct Slot {
    newest: Option<Newest>,
    /// A certificate was revoked since.
    stale: bool,
}

struct Newest {
    der: Arc<[u8]>,
    signer: Vec<u8>,
    /// From then on it is made anew.
    refresh: DateTime<Utc>,
}

/// The CRLs of all issuers. Cheap to clone.
#[derive(Clone, Default)]
pub struct Crls {
    slots: Arc<Mutex<HashMap<String, Arc<Mutex<Slot>>>>>,
}

impl Crls {
    fn slot(&self, issuer_id: &str) -> Arc<Mutex<Slot>> {
        let mut slots = lock(&self.slots);
        Arc::clone(slots.entry(issuer_id.to_owned()).or_default())
    }

    /// Says that a certificate of this issuer was revoked.
    pub fn revoked(&self, issuer_id: &str) {
        lock(&self.slot(issuer_id)).stale = true;
    }

    /// The newest CRL, DER (RFC 5280 section 5). Blocks on the store and on RSA: call it on the
    /// compute pool.
    ///
    /// # Errors
    /// [`CrlError`].
    pub fn newest(
        &self,
        store: &dyn Store,
        issuer: &dyn Issuer,
        now: DateTime<Utc>,
    ) -> Result<Arc<[u8]>, CrlError> {
        let slot = self.slot(issuer.id());
        let mut slot = lock(&slot);
        let signer = issuer.ca_certificate().fingerprint().to_vec();
        if !slot.stale
            && let Some(newest) = &slot.newest
            && now < newest.refresh
            && newest.signer == signer
        {
            return Ok(Arc::clone(&newest.der));
        }
        let number = store
            .crl(issuer.id())?
            .map_or(0, |crl| crl.number)
            .saturating_add(1);
        let revoked: Vec<RevokedEntry> = store
            .revoked(issuer.id())?
            .into_iter()
            .map(|revoked| RevokedEntry {
                serial: Serial::new(revoked.serial),
                revoked_at: revoked.revocation.at,
                reason: RevocationReason::from_number(revoked.revocation.reason),
            })
            .collect();
        let crl = issuer.crl(&revoked, number, now)?;
        let this_update = crl.this_update();
        let next_update = crl.next_update().unwrap_or(this_update);
        let record = CrlRecord {
            issuer_id: issuer.id().to_owned(),
            number,
            this_update,
            next_update,
            der: crl.der().to_vec(),
        };
        store
            .commit(&[Change::new().with(record)], now)?
            .into_iter()
            .try_for_each(|kept| kept.map(drop))?;
        let der: Arc<[u8]> = crl.der().into();
        let refresh = now + (next_update - now) / 2;
        *slot = Slot {
            newest: Some(Newest {
                der: Arc::clone(&der),
                signer,
                refresh,
            }),
            stale: false,
        };
        Ok(der)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
