//! The store on sled.
//!
//! | module | holds |
//! |---|---|
//! | `engine` | sled behind typed errors |
//! | `absent` | whether a store that is not there was there once |
//! | `keys`, `wire` | the layout of keys and values |
//! | `compression` | values that are kept compressed |
//! | `chain` | the audit chain |
//! | `stage`, `staged`, `commit` | the way of changes to disk |
//! | `migrate` | from earlier layouts to this one |
//! | `prune` | letting audit events go, and the events that say so |
//! | `marks`, `mark_pages` | replay and rate marks, and where they are |
//! | `challenges` | which challenges are open, and searches in them |
//! | `clock` | how much time has passed |
//! | `state`, `classes`, `tables`, `digest_map`, `hash`, `index` | what is held in memory to find things |
//! | `load` | the way from disk to memory at the start |
//! | `records`, `query`, `thumbprints` | what is looked at, and searches |
//! | `verify`, `backup` | reading all of it |
//! | `high_water_mark` | what shows that the newest of it is gone |

mod absent;
#[cfg(test)]
mod arbitrary;
mod backup;
mod chain;
mod challenges;
mod classes;
mod clock;
mod commit;
mod compression;
mod digest_map;
mod engine;
mod hash;
mod high_water_mark;
mod index;
mod keys;
mod load;
mod mark_pages;
mod marks;
mod migrate;
mod prune;
mod query;
mod records;
mod retention;
mod stage;
mod staged;
mod state;
mod tables;
#[cfg(test)]
mod tests;
mod thumbprints;
mod verify;
mod wire;

pub use backup::BackupSummary;
pub use migrate::Migration;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use chrono::{DateTime, Utc};

use clock::Clock;
use commit::Writer;
use compression::Compression;
use engine::Engine;
use high_water_mark::HighWaterMark;
use index::Shelf;
use keys::Kind;
use marks::{Owner, PageMark};
use state::State;
use tables::enrollment_digest;
use thumbprints::Thumbprints;
use wire::CertificateFacts;

use crate::{
    CertificateRecord, ChallengeRecord, Change, ClockReading, Committed, Conflict,
    EnrollmentRecord, Error, Fault, Ledger, Mark, ProfileState, Result, SCHEMA_VERSION, StoreTime,
    StoredNotice,
};

/// How to open the store.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// Octets of pages to keep in memory, roughly; 32 MiB by default.
    pub cache_bytes: u64,
    /// Whether to make a store where there is none; true by default.
    pub create: bool,
    /// Whether a commit survives a power cut and not only the end of the process; true by default.
    pub sync: bool,
    /// Whether to open a store with records that cannot be read, to look at the rest of it; false
    /// by default.
    pub lenient: bool,
    /// Whether to migrate a store of an earlier version, after a backup was put beside it; true by
    /// default. Without it such a store is refused.
    pub migrate: bool,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            create: true,
            sync: true,
            lenient: false,
            migrate: true,
        }
    }
}

/// The store on a sled database. One process at a time can have it open.
pub struct SledStore {
    engine: Engine,
    state: RwLock<State>,
    writer: Mutex<Writer>,
    clock: Clock,
    /// Set when a write failed: memory and disk may differ from then on.
    stopped: AtomicBool,
    /// Held by what must not run while events are pruned.
    pruning: Mutex<()>,
    /// Records that could not be read when the store was opened leniently.
    faults: Vec<Fault>,
    migration: Option<Migration>,
    thumbprints: Thumbprints,
}

impl SledStore {
    /// Opens the store in `dir`, making it where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another process has it, [`Error::Missing`] when there is none and
    /// none is to be made, [`Error::HalfRestored`] and [`Error::Gone`] when there was one and making a new one would
    /// forget that, [`Error::SchemaTooNew`], [`Error::SchemaTooOld`], [`Error::Foreign`], [`Error::Damaged`],
    /// [`Error::Lost`], [`Error::Corrupt`], [`Error::Io`], [`Error::Engine`].
    pub fn open(dir: impl AsRef<Path>, options: &SledOptions) -> Result<Self> {
        absent::is_none_lost(dir.as_ref())?;
        let engine = Engine::open(dir.as_ref(), options)?;
        let migration = migrate::bring_up(&engine, options)?;
        let chain_schema = load::chain_schema(&engine)?;
        // What only looks at a store looks at the database itself.
        let shelf = match options.lenient || chain_schema < SCHEMA_VERSION {
            true => None,
            false => Shelf::of(engine.dir()),
        };
        let thumbprints = Thumbprints::new(shelf.clone());
        let loaded = load::load(&engine, chain_schema, shelf)?;
        if let (false, Some(Fault { record, problem })) = (options.lenient, loaded.faults.first()) {
            return Err(Error::Corrupt {
                what: format!("{record}: {problem}"),
            });
        }
        let mark = match options.lenient {
            true => None,
            false => Some(HighWaterMark::of(engine.dir(), &loaded.next.head)?),
        };
        // A store that is only looked at stays as it is.
        if !options.lenient && options.migrate && !engine.compression().is_begun() {
            let (since, octets) = Compression::beginning(&loaded.next);
            let mut batch = sled::Batch::default();
            batch.insert(Compression::key(), octets);
            engine.write(batch, 1)?;
            engine.compression().begun(since);
        }
        let noted = clock::read(&engine, &loaded.next.head)?;
        let writer = Writer {
            next: loaded.next,
            mark,
            noted,
            pages: loaded.pages,
            chain_schema,
            chain_start: loaded.chain_start,
        };
        Ok(Self {
            engine,
            state: RwLock::new(loaded.state),
            writer: Mutex::new(writer),
            clock: Clock::new(noted),
            stopped: AtomicBool::new(false),
            pruning: Mutex::new(()),
            faults: loaded.faults,
            migration,
            thumbprints,
        })
    }

    /// What became of a store of an earlier version when it was opened.
    #[must_use]
    pub fn migration(&self) -> Option<&Migration> {
        self.migration.as_ref()
    }

    /// The store's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.engine.dir()
    }

    /// The indexes. They change in one step each, so even a panic elsewhere leaves them usable.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to write, while writing is possible.
    fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer.lock().map_err(|_| Error::Stopped)?;
        if self.stopped.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        Ok(writer)
    }

    fn enrollment_by_number(&self, number: u64) -> Result<EnrollmentRecord> {
        match self.engine.get(&Kind::Enrollment.id(number))? {
            Some(octets) => wire::decode_enrollment(&octets),
            None => Err(Error::Corrupt {
                what: format!("enrollment {number} is missing"),
            }),
        }
    }

    /// As [`certificate_by_number`](Self::certificate_by_number); `None` when it was let go since it was found.
    fn certificate_if_kept(&self, number: u64) -> Result<Option<CertificateRecord>> {
        match self.certificate_by_number(number) {
            Err(_) if self.engine.get(&Kind::Gone.id(number))?.is_some() => Ok(None),
            read => read.map(Some),
        }
    }

    fn certificate_by_number(&self, number: u64) -> Result<CertificateRecord> {
        let missing = |what: &str| Error::Corrupt {
            what: format!("{what} {number} is missing"),
        };
        let octets = self.engine.get(&Kind::Certificate.id(number))?;
        let octets = octets.ok_or_else(|| missing("certificate"))?;
        let der = self.engine.get(&Kind::Der.id(number))?;
        let der = der.ok_or_else(|| missing("the DER of certificate"))?;
        if der.is_empty() {
            return Err(compression::unreadable("the DER of certificate", number));
        }
        let revocation = self.engine.get(&Kind::Revocation.id(number))?;
        let revocation = revocation
            .map(|octets| wire::decode_revocation(&octets))
            .transpose()?;
        CertificateFacts::decode(&octets)?.record(der.to_vec(), revocation)
    }

    fn marks(
        &self,
        kind: Kind,
        profile: &str,
        time: StoreTime,
        visit: &mut dyn FnMut(PageMark) -> Result<()>,
    ) -> Result<()> {
        // A name that is too long for a key was refused when marks were put.
        let Ok(owner) = Owner::new(kind, profile) else {
            return Ok(());
        };
        marks::each_live(&self.engine, &owner, wire::micros(time.passed()), visit)
    }
}

impl Ledger for SledStore {
    fn time(&self, reading: ClockReading) -> StoreTime {
        self.clock.look(reading)
    }

    fn keep_time(&self) -> Result<()> {
        self.note_time()
    }

    fn commit(
        &self,
        changes: &[Change],
        time: StoreTime,
    ) -> Result<Vec<std::result::Result<Committed, Conflict>>> {
        self.commit_changes(changes, time)
    }

    fn writable(&self) -> bool {
        // A writer that panicked left half of its work behind.
        !self.stopped.load(Ordering::Acquire) && !self.writer.is_poisoned()
    }

    fn enrollment(&self, profile: &str, key: &[u8; 16]) -> Result<Option<EnrollmentRecord>> {
        let number = self
            .state()
            .enrollments
            .by_key
            .find(&enrollment_digest(profile, key));
        number
            .map(|number| self.enrollment_by_number(number))
            .transpose()
    }

    fn enrollment_by_poll(
        &self,
        profile: &str,
        poll_key: &[u8; 16],
    ) -> Result<Option<EnrollmentRecord>> {
        let number = self
            .state()
            .enrollments
            .by_poll
            .find(&enrollment_digest(profile, poll_key));
        number
            .map(|number| self.enrollment_by_number(number))
            .transpose()
    }

    fn pending(&self, profile: Option<&str>) -> Result<Vec<EnrollmentRecord>> {
        let numbers: Vec<u64> = {
            let state = self.state();
            let open = state.enrollments.open.iter();
            open.filter(|(_, open)| open.awaits_approval)
                .filter(|(_, open)| profile.is_none_or(|profile| profile == open.profile))
                .map(|(number, _)| *number)
                .collect()
        };
        let records = numbers
            .into_iter()
            .map(|number| self.enrollment_by_number(number));
        // Decided since the numbers were taken: not waiting any more.
        records
            .filter(|record| {
                record
                    .as_ref()
                    .map_or(true, |record| record.stage.awaits_approval())
            })
            .collect()
    }

    fn open(&self, profile: &str, limit: usize) -> Result<Vec<EnrollmentRecord>> {
        let numbers: Vec<u64> = {
            let state = self.state();
            let open = state.enrollments.open.iter();
            open.filter(|(_, open)| profile == open.profile)
                .map(|(number, _)| *number)
                .take(limit)
                .collect()
        };
        let records = numbers
            .into_iter()
            .map(|number| self.enrollment_by_number(number));
        // Ended since the numbers were taken: not open any more.
        records
            .filter(|record| {
                record
                    .as_ref()
                    .map_or(true, |record| record.stage.is_open())
            })
            .collect()
    }

    fn due(
        &self,
        time: StoreTime,
        node: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EnrollmentRecord>> {
        let now = time.passed();
        let numbers: Vec<u64> = self.state().enrollments.due(wire::micros(now)).collect();
        let mut due = Vec::new();
        for number in numbers {
            if due.len() >= limit {
                break;
            }
            let record = self.enrollment_by_number(number)?;
            let held = node.is_some_and(|node| record.is_held_by_another(node, now));
            // It may have moved on since the numbers were taken.
            if !held && record.stage.is_open() && record.due.is_some_and(|due| due <= now) {
                due.push(record);
            }
        }
        Ok(due)
    }

    fn due_notices(&self, time: StoreTime, limit: usize) -> Result<Vec<StoredNotice>> {
        let now = time.passed();
        let numbers: Vec<u64> = {
            let state = self.state();
            state.notices.at(wire::micros(now)).take(limit).collect()
        };
        let mut due = Vec::with_capacity(numbers.len());
        for id in numbers {
            // One that is gone was delivered since the numbers were taken.
            if let Some(octets) = self.engine.get(&Kind::Notice.id(id))? {
                let notice = wire::decode_notice(&octets)?;
                due.push(StoredNotice { id, notice });
            }
        }
        Ok(due)
    }

    fn notices_of(&self, notifier: &str) -> Result<Vec<StoredNotice>> {
        let mut numbers: Vec<u64> = self.state().notices.at(i64::MAX).collect();
        numbers.sort_unstable();
        let mut found = Vec::new();
        for id in numbers {
            if let Some(octets) = self.engine.get(&Kind::Notice.id(id))? {
                let notice = wire::decode_notice(&octets)?;
                if notice.notifier == notifier {
                    found.push(StoredNotice { id, notice });
                }
            }
        }
        Ok(found)
    }

    fn challenge(&self, digest: &[u8; 16]) -> Result<Option<ChallengeRecord>> {
        self.find_challenge(digest)
    }

    fn profile_state(&self, profile: &str, time: StoreTime) -> Result<ProfileState> {
        let mut replay = Vec::new();
        self.replay_marks(profile, time, &mut |mark| replay.push(mark))?;
        let mut rate = Vec::new();
        self.marks(Kind::Rate, profile, time, &mut |mark| {
            let at = wire::time("a rate mark", mark.at)?;
            rate.push(Mark {
                key: mark.digest,
                at,
            });
            Ok(())
        })?;
        rate.sort_by_key(|mark| mark.at);
        let counters: BTreeMap<String, u64> =
            match self.engine.get(&Kind::Counters.name(profile))? {
                Some(octets) => wire::decode("counters", &octets)?,
                None => BTreeMap::new(),
            };
        let pending = self.pending(Some(profile))?;
        Ok(ProfileState {
            replay,
            rate,
            counters,
            pending,
        })
    }

    fn replay_marks(
        &self,
        profile: &str,
        time: StoreTime,
        visit: &mut dyn FnMut(Mark),
    ) -> Result<()> {
        self.marks(Kind::Replay, profile, time, &mut |mark| {
            let at = wire::time("a replay mark", mark.until)?;
            visit(Mark {
                key: mark.digest,
                at,
            });
            Ok(())
        })
    }

    fn live_profiles(&self, now: DateTime<Utc>) -> Result<BTreeSet<String>> {
        let waiting = self.pending(None)?.into_iter();
        let mut live: BTreeSet<String> = waiting.map(|record| record.profile).collect();
        let now = wire::micros(now);
        for kind in [Kind::Replay, Kind::Rate] {
            self.engine.scan(&[kind.letter()], |key, octets| {
                if let Some((owner, _)) = Owner::of_page(key)
                    && let Some(profile) = owner.profile()
                    && !live.contains(profile)
                    && marks::read_page(kind == Kind::Rate, octets)?
                        .iter()
                        .any(|mark| mark.until > now)
                {
                    live.insert(profile.to_owned());
                }
                Ok(true)
            })?;
        }
        Ok(live)
    }
}
