//! The keys of which a CA's certificates were revoked as compromised: nobody gets another certificate for one of them,
//! in any profile of that CA.
//!
//! The store holds the revocations and the certificates; the digests of the keys are read from there when an issuer's
//! are first asked for, and kept.

use pki::{Certificate, PublicKey, RevocationReason};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{CertificateRecord, Store};

/// Digests of the compromised keys of one issuer; `None` until they were read.
type Digests = Mutex<Option<HashSet<[u8; 32]>>>;

/// The compromised keys of all issuers. Cheap to clone.
#[derive(Clone, Default)]
pub struct CompromisedKeys {
    issuers: Arc<Mutex<HashMap<String, Arc<Digests>>>>,
}

impl CompromisedKeys {
    fn of(&self, issuer_id: &str) -> Arc<Digests> {
        let mut issuers = lock(&self.issuers);
        Arc::clone(issuers.entry(issuer_id.to_owned()).or_default())
    }

    /// Whether one of these is a compromised key of this issuer. Reads the store the first time.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn has(
        &self,
        store: &dyn Store,
        issuer_id: &str,
        keys: &[&PublicKey],
    ) -> store::Result<bool> {
        let of_issuer = self.of(issuer_id);
        let mut known = lock(&of_issuer);
        let digests = match &mut *known {
            Some(digests) => digests,
            // Read under the lock: what is revoked meanwhile is noted afterwards.
            unread => unread.insert(read(store, issuer_id)?),
        };
        Ok(!digests.is_empty()
            && keys
                .iter()
                .any(|key| digests.contains(&pki::sha256(key.spki_der()))))
    }

    /// Notes that this certificate was revoked. To be called when that is durable.
    pub(crate) fn revoked(&self, record: &CertificateRecord, reason: RevocationReason) {
        if reason != RevocationReason::KeyCompromise {
            return;
        }
        let of_issuer = self.of(&record.issuer_id);
        if let Some(digests) = &mut *lock(&of_issuer) {
            digests.extend(digest(record));
        }
    }
}

fn read(store: &dyn Store, issuer_id: &str) -> store::Result<HashSet<[u8; 32]>> {
    let mut digests = HashSet::new();
    for revoked in store.revoked(issuer_id)? {
        if revoked.revocation.reason == RevocationReason::KeyCompromise as u8
            && let Some(record) = store.certificate(issuer_id, &revoked.serial)?
        {
            digests.extend(digest(&record));
        }
    }
    Ok(digests)
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
