//! The newest CRL of each CA, in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::KeptCrl;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use store::CaId;

/// A file as it is sent.
#[derive(Debug, Clone)]
pub struct File {
    /// Its octets.
    pub body: Bytes,
    /// Names the octets: hex.
    pub etag: String,
    /// Since when it is so.
    pub since: DateTime<Utc>,
    /// When there is a newer one at the latest, if there will be.
    pub until: Option<DateTime<Utc>>,
}

/// Names octets in an ETag.
pub(super) fn etag(octets: &[u8]) -> String {
    let digest = pki::sha256(octets);
    hex::encode(digest.get(..16).unwrap_or(&digest))
}

/// The CRLs.
#[derive(Default)]
pub(super) struct Board(Mutex<HashMap<CaId, Arc<File>>>);

impl Board {
    /// The CA's newest CRL, whether it has ended or not.
    pub(super) fn of(&self, ca: &CaId) -> Option<Arc<File>> {
        self.lock().get(ca).cloned()
    }

    /// Shows this one from now on. Says whether it is another.
    pub(super) fn put(&self, ca: CaId, crl: &KeptCrl) -> bool {
        let etag = etag(&crl.der);
        if self.of(&ca).is_some_and(|shown| shown.etag == etag) {
            return false;
        }
        let file = File {
            body: Bytes::copy_from_slice(&crl.der),
            etag,
            since: crl.this_update,
            until: Some(crl.next_update),
        };
        self.lock().insert(ca, Arc::new(file));
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CaId, Arc<File>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
