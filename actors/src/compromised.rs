//! The keys of which a CA's certificates were revoked as compromised: nobody gets another certificate for one of them,
//! in any profile of that CA.
//!
//! The store holds the revocations and the certificates; the digests of the keys are read from there when a CA's are
//! first asked for, and kept.

use issuer::Issuer;
use pki::{Certificate, PublicKey, RevocationReason};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{CaId, CertificateRecord, Store};

/// Of one CA; `None` until it was read.
type Slot = Mutex<Option<PriorResult>>;

struct PriorResult {
    /// The CA itself, and those that its issuer had before a rollover.
    cas: BTreeSet<CaId>,
    /// Digests of their compromised keys.
    keys: HashSet<[u8; 32]>,
}

/// The compromised keys of all CAs. Cheap to clone.
#[derive(Clone, Default)]
pub struct CompromisedKeys {
    slots: Arc<Mutex<HashMap<CaId, Arc<Slot>>>>,
}

impl CompromisedKeys {
    /// Whether one of these is a compromised key of this issuer's CA. Reads the store the first time.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn has(
        &self,
        store: &dyn Store,
        issuer: &dyn Issuer,
        keys: &[&PublicKey],
    ) -> store::Result<bool> {
        let ca = CaId::of_ca(issuer.authority().certificate());
        let slot = Arc::clone(lock(&self.slots).entry(ca).or_default());
        let mut slot = lock(&slot);
        let known = match &mut *slot {
            Some(known) => known,
            // Read under the lock: what is revoked meanwhile is noted afterwards.
            unread => unread.insert(read(store, issuer.id(), ca)?),
        };
        Ok(!known.keys.is_empty()
            && keys
                .iter()
                .any(|key| known.keys.contains(&pki::sha256(key.spki_der()))))
    }

    /// Notes that this certificate was revoked. To be called when that is durable.
    pub fn revoked(&self, record: &CertificateRecord, reason: RevocationReason) {
        if reason != RevocationReason::KeyCompromise {
            return;
        }
        let slots: Vec<Arc<Slot>> = lock(&self.slots).values().cloned().collect();
        for slot in slots {
            if let Some(known) = &mut *lock(&slot)
                && known.cas.contains(&record.ca)
            {
                known.keys.extend(digest(record));
            }
        }
    }
}

fn read(store: &dyn Store, issuer_id: &str, ca: CaId) -> store::Result<PriorResult> {
    let others = store.cas().into_iter();
    let others = others.filter(|(name, _)| name == issuer_id);
    let cas: BTreeSet<CaId> = others.map(|(_, ca)| ca).chain([ca]).collect();
    let mut keys = HashSet::new();
    for ca in &cas {
        for revoked in store.revoked(ca)? {
            if revoked.revocation.reason == RevocationReason::KeyCompromise as u8
                && let Some(record) = store.certificate(ca, &revoked.serial)?
            {
                keys.extend(digest(&record));
            }
        }
    }
    Ok(PriorResult { cas, keys })
}

fn digest(record: &CertificateRecord) -> Option<[u8; 32]> {
    match Certificate::from_der(&record.der) {
        Ok(certificate) => Some(pki::sha256(certificate.public_key().spki_der())),
        Err(error) => {
            tracing::error!(
                issuer = record.issuer_id,
                serial = hex::encode(&record.serial),
                %error,
                "a compromised key cannot be read: its revoked certificate in the store is damaged; restore the store from a backup"
            );
            None
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
