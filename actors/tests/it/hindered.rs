//! A store and an issuer that a test can hold up or break.

use chrono::{DateTime, TimeDelta, Utc};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use store::{
    Accounts, AuditCheck, AuditQuery, CaId, CertificateQuery, CertificateRecord, Change,
    ClockReading, Committed, Conflict, CrlRecord, EnrollmentRecord, Error, Ledger, Mark, Page,
    ProfileState, Records, Result, RevokedCertificate, Sizes, SledStore, Standing, StoreTime,
    StoredEvent, StoredNotice, TokenRecord, VerifyReport,
};

/// Lets threads through, or holds them until it is opened again.
#[derive(Default)]
pub struct Door {
    state: Mutex<Passage>,
    opened: Condvar,
}

#[derive(Default)]
struct Passage {
    closed: bool,
    waiting: usize,
}

impl Door {
    pub fn close(&self) {
        self.state.lock().unwrap().closed = true;
    }

    pub fn open(&self) {
        self.state.lock().unwrap().closed = false;
        self.opened.notify_all();
    }

    /// Blocks while it is closed.
    pub fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        while state.closed {
            state = self.opened.wait(state).unwrap();
        }
        state.waiting -= 1;
    }

    /// Until somebody stands before it.
    pub async fn reached(&self) {
        while self.state.lock().unwrap().waiting == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// What a test turns on a [`HinderedStore`].
#[derive(Default)]
pub struct Hindrance {
    /// Before each look at a request by its key.
    pub transactions: Door,
    /// Each write fails, and the store is stopped from then on.
    pub full: AtomicBool,
    stopped: AtomicBool,
}

impl Hindrance {
    /// Writes work again, as in a new process.
    pub fn mend(&self) {
        self.full.store(false, Ordering::SeqCst);
        self.stopped.store(false, Ordering::SeqCst);
    }
}

pub struct HinderedStore {
    pub store: SledStore,
    pub hindrance: Arc<Hindrance>,
}

impl Ledger for HinderedStore {
    fn time(&self, reading: ClockReading) -> StoreTime {
        self.store.time(reading)
    }
    fn keep_time(&self) -> Result<()> {
        if !self.writable() {
            return Err(Error::Stopped);
        }
        self.store.keep_time()
    }
    fn commit(
        &self,
        changes: &[Change],
        time: StoreTime,
    ) -> Result<Vec<std::result::Result<Committed, Conflict>>> {
        if !self.writable() {
            return Err(Error::Stopped);
        }
        if self.hindrance.full.load(Ordering::SeqCst) {
            self.hindrance.stopped.store(true, Ordering::SeqCst);
            return Err(Error::Io {
                doing: "write",
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        self.store.commit(changes, time)
    }
    fn writable(&self) -> bool {
        !self.hindrance.stopped.load(Ordering::SeqCst) && self.store.writable()
    }
    fn enrollment(&self, profile: &str, key: &[u8; 16]) -> Result<Option<EnrollmentRecord>> {
        self.hindrance.transactions.pass();
        self.store.enrollment(profile, key)
    }
    fn enrollment_by_poll(
        &self,
        profile: &str,
        poll_key: &[u8; 16],
    ) -> Result<Option<EnrollmentRecord>> {
        self.store.enrollment_by_poll(profile, poll_key)
    }
    fn pending(&self, profile: Option<&str>) -> Result<Vec<EnrollmentRecord>> {
        self.store.pending(profile)
    }
    fn open(&self, profile: &str, limit: usize) -> Result<Vec<EnrollmentRecord>> {
        self.store.open(profile, limit)
    }
    fn due(
        &self,
        time: StoreTime,
        node: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EnrollmentRecord>> {
        self.store.due(time, node, limit)
    }
    fn due_notices(&self, time: StoreTime, limit: usize) -> Result<Vec<StoredNotice>> {
        self.store.due_notices(time, limit)
    }

    fn notices_of(&self, notifier: &str) -> Result<Vec<StoredNotice>> {
        self.store.notices_of(notifier)
    }
    fn challenge(&self, digest: &[u8; 16]) -> Result<Option<store::ChallengeRecord>> {
        self.store.challenge(digest)
    }
    fn profile_state(&self, profile: &str, time: StoreTime) -> Result<ProfileState> {
        self.store.profile_state(profile, time)
    }
    fn live_profiles(&self, now: DateTime<Utc>) -> Result<std::collections::BTreeSet<String>> {
        self.store.live_profiles(now)
    }
    fn replay_marks(
        &self,
        profile: &str,
        time: StoreTime,
        visit: &mut dyn FnMut(Mark),
    ) -> Result<()> {
        self.store.replay_marks(profile, time, visit)
    }
}

impl Records for HinderedStore {
    fn certificate(&self, ca: &CaId, serial: &[u8]) -> Result<Option<CertificateRecord>> {
        self.store.certificate(ca, serial)
    }
    fn certificate_by_thumbprint(&self, thumbprint: &[u8]) -> Result<Option<CertificateRecord>> {
        self.store.certificate_by_thumbprint(thumbprint)
    }
    fn certificates_with_serial(&self, serial: &[u8]) -> Result<Vec<CertificateRecord>> {
        self.store.certificates_with_serial(serial)
    }
    fn certificates(
        &self,
        query: &CertificateQuery,
        now: DateTime<Utc>,
    ) -> Result<Page<CertificateRecord>> {
        self.store.certificates(query, now)
    }
    fn cas(&self) -> Vec<(String, CaId)> {
        self.store.cas()
    }
    fn standing(&self, ca: &CaId, serial: &[u8]) -> Result<Standing> {
        self.store.standing(ca, serial)
    }

    fn revoked(&self, ca: &CaId) -> Result<Vec<RevokedCertificate>> {
        self.store.revoked(ca)
    }
    fn crl(&self, ca: &CaId) -> Result<Option<CrlRecord>> {
        self.store.crl(ca)
    }
    fn crls(&self) -> Result<Vec<CrlRecord>> {
        self.store.crls()
    }
    fn audit(&self, query: &AuditQuery) -> Result<Page<StoredEvent>> {
        self.store.audit(query)
    }
    fn audit_each(
        &self,
        from_id: u64,
        visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<()> {
        self.store.audit_each(from_id, visit)
    }
    fn audit_verify(&self) -> Result<AuditCheck> {
        self.store.audit_verify()
    }
    fn audit_prune(&self, retention: TimeDelta, limit: usize, time: StoreTime) -> Result<u64> {
        self.store.audit_prune(retention, limit, time)
    }
    fn certificates_prune(
        &self,
        retention: TimeDelta,
        limit: usize,
        time: StoreTime,
    ) -> Result<u64> {
        self.store.certificates_prune(retention, limit, time)
    }

    fn challenges(
        &self,
        query: &store::ChallengeQuery,
        time: StoreTime,
    ) -> Result<store::Challenges> {
        self.store.challenges(query, time)
    }
    fn challenge_counts(&self, profile: &str, time: StoreTime) -> Result<store::ChallengeCounts> {
        self.store.challenge_counts(profile, time)
    }
    fn sizes(&self) -> Result<Sizes> {
        self.store.sizes()
    }
    fn verify(&self) -> Result<VerifyReport> {
        self.store.verify()
    }
}

impl Accounts for HinderedStore {
    fn tokens(&self) -> Vec<TokenRecord> {
        self.store.tokens()
    }
    fn token_by_hash(&self, hash: &[u8; 32]) -> Option<TokenRecord> {
        self.store.token_by_hash(hash)
    }
    fn setting(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.store.setting(key)
    }
    fn settings(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        self.store.settings(prefix)
    }
}
