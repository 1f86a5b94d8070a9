//! [`Store`] on sled.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::{
    AuditCheck, AuditQuery, CertificateQuery, CertificateRecord, Change, Committed, Conflict,
    CrlRecord, Error, Mark, Page, ProfileState, Result, RevokedCertificate, SCHEMA_VERSION, Sizes,
    Store, StoredEvent, TokenRecord, TransactionRecord, VerifyReport,
};

/// How to open the store.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// Octets of pages to keep in memory, roughly; 32 MiB by default.
    pub cache_bytes: u64,
    /// Whether to make a store where there is none; true by default.
    pub create: bool,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            create: true,
        }
    }
}

/// The store on a sled database. One process at a time can have it open.
pub struct SledStore {
    dir: PathBuf,
}

impl SledStore {
    /// Opens the store in `dir`, making it where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another process has it, [`Error::Missing`] when there is none and
    /// none is to be made, [`Error::SchemaTooNew`], [`Error::Foreign`], [`Error::Corrupt`],
    /// [`Error::Io`].
    pub fn open(dir: impl AsRef<Path>, _options: &SledOptions) -> Result<Self> {
        Ok(Self {
            dir: dir.as_ref().to_owned(),
        })
    }

    /// The store's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

fn unbuilt<T>() -> Result<T> {
    Err(Error::Engine {
        doing: "answer",
        message: "this part is not built yet".to_owned(),
    })
}

impl Store for SledStore {
    fn commit(
        &self,
        _changes: &[Change],
        _now: DateTime<Utc>,
    ) -> Result<Vec<std::result::Result<Committed, Conflict>>> {
        unbuilt()
    }

    fn transaction(&self, _profile: &str, _key: &[u8; 16]) -> Result<Option<TransactionRecord>> {
        unbuilt()
    }

    fn transaction_by_poll(
        &self,
        _profile: &str,
        _poll_key: &[u8; 16],
    ) -> Result<Option<TransactionRecord>> {
        unbuilt()
    }

    fn pending(&self, _profile: Option<&str>) -> Result<Vec<TransactionRecord>> {
        unbuilt()
    }

    fn certificate(&self, _issuer_id: &str, _serial: &[u8]) -> Result<Option<CertificateRecord>> {
        unbuilt()
    }

    fn is_revoked(&self, _issuer_id: &str, _serial: &[u8]) -> Option<bool> {
        None
    }

    fn certificates(
        &self,
        _query: &CertificateQuery,
        _now: DateTime<Utc>,
    ) -> Result<Page<CertificateRecord>> {
        unbuilt()
    }

    fn revoked(&self, _issuer_id: &str) -> Result<Vec<RevokedCertificate>> {
        unbuilt()
    }

    fn crl(&self, _issuer_id: &str) -> Result<Option<CrlRecord>> {
        unbuilt()
    }

    fn profile_state(&self, _profile: &str, _now: DateTime<Utc>) -> Result<ProfileState> {
        unbuilt()
    }

    fn replay_marks(
        &self,
        _profile: &str,
        _now: DateTime<Utc>,
        _visit: &mut dyn FnMut(Mark),
    ) -> Result<()> {
        unbuilt()
    }

    fn audit(&self, _query: &AuditQuery) -> Result<Page<StoredEvent>> {
        unbuilt()
    }

    fn audit_event(&self, _id: u64) -> Result<Option<StoredEvent>> {
        unbuilt()
    }

    fn audit_each(
        &self,
        _from_id: u64,
        _visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<()> {
        unbuilt()
    }

    fn audit_verify(&self) -> Result<AuditCheck> {
        unbuilt()
    }

    fn audit_prune(
        &self,
        _before: DateTime<Utc>,
        _limit: usize,
        _now: DateTime<Utc>,
    ) -> Result<u64> {
        unbuilt()
    }

    fn tokens(&self) -> Vec<TokenRecord> {
        Vec::new()
    }

    fn token_by_hash(&self, _hash: &[u8; 32]) -> Option<TokenRecord> {
        None
    }

    fn setting(&self, _key: &str) -> Result<Option<Vec<u8>>> {
        unbuilt()
    }

    fn settings(&self, _prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        unbuilt()
    }

    fn schema_version(&self) -> u32 {
        SCHEMA_VERSION
    }

    fn sizes(&self) -> Result<Sizes> {
        unbuilt()
    }

    fn verify(&self) -> Result<VerifyReport> {
        unbuilt()
    }
}
