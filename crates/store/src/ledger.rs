//! What decides: conditions and what they are judged by.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::{
    ChallengeRecord, Change, ClockReading, Committed, Conflict, EnrollmentRecord, Mark,
    ProfileState, Result, StoreTime, StoredNotice,
};

/// The face of the store that decides. Every method blocks on memory or disk: call it off the async
/// threads.
///
/// # Errors
///
/// Every method that returns [`Result`] fails when the disk does ([`Error::Io`](crate::Error::Io),
/// [`Error::Engine`](crate::Error::Engine)) or when a stored record cannot be read
/// ([`Error::Corrupt`](crate::Error::Corrupt)); only further causes are named at a method.
pub trait Ledger: Send + Sync + 'static {
    /// The time, from what the machine's clocks say now. Only such a time can be given to the store.
    ///
    /// The store goes on from the time that it has noted, with this process or an earlier one, and
    /// counts what the monotonic clock counts from one reading to the next: see [`StoreTime`].
    fn time(&self, reading: ClockReading) -> StoreTime;

    /// Notes how much time has passed. Every commit does; this is for when nothing else is written.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    fn keep_time(&self) -> Result<()>;

    /// Makes the changes durable with one flush, each of them whole or not at all, in their order.
    ///
    /// The answers stand in the order of the changes. A change that conflicts with what is stored
    /// (or with an earlier one of the slice) is refused alone. `time` decides which marks have
    /// passed their time; some of them are swept on the way.
    ///
    /// # Errors
    ///
    /// When writing fails nothing can be said about any of the changes, and the store takes no
    /// more ([`Error::Stopped`](crate::Error::Stopped)).
    fn commit(
        &self,
        changes: &[Change],
        time: StoreTime,
    ) -> Result<Vec<std::result::Result<Committed, Conflict>>>;

    /// Whether changes are still taken: `false` once a write has failed, for as long as the process
    /// lives. Never waits.
    fn writable(&self) -> bool;

    /// The enrollment with this profile and key.
    fn enrollment(&self, profile: &str, key: &[u8; 16]) -> Result<Option<EnrollmentRecord>>;

    /// The newest enrollment with this profile and poll key.
    fn enrollment_by_poll(
        &self,
        profile: &str,
        poll_key: &[u8; 16],
    ) -> Result<Option<EnrollmentRecord>>;

    /// The enrollments of a profile or, without one, of all, that wait for an operator; oldest first.
    fn pending(&self, profile: Option<&str>) -> Result<Vec<EnrollmentRecord>>;

    /// Up to `limit` enrollments of a profile that are not at their end, oldest first.
    fn open(&self, profile: &str, limit: usize) -> Result<Vec<EnrollmentRecord>>;

    /// Up to `limit` open enrollments that are due at `time`, the longest due first. For a node: those that no other node
    /// holds a lease on then; for `None`: all.
    fn due(
        &self,
        time: StoreTime,
        node: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EnrollmentRecord>>;

    /// Up to `limit` notices that are due at `time`, the longest due first.
    fn due_notices(&self, time: StoreTime, limit: usize) -> Result<Vec<StoredNotice>>;

    /// Every notice of a notifier that is not yet delivered, due or not, the oldest first.
    fn notices_of(&self, notifier: &str) -> Result<Vec<StoredNotice>>;

    /// The challenge with this digest.
    fn challenge(&self, digest: &[u8; 16]) -> Result<Option<ChallengeRecord>>;

    /// What the profile's actor starts from: marks that are live at `time`, counters, requests that wait.
    fn profile_state(&self, profile: &str, time: StoreTime) -> Result<ProfileState>;

    /// The live replay marks of a profile one by one, for when there are too many to list.
    fn replay_marks(
        &self,
        profile: &str,
        time: StoreTime,
        visit: &mut dyn FnMut(Mark),
    ) -> Result<()>;

    /// The profiles of which something is kept that still decides: a mark that is live at `now`, or an
    /// enrollment that waits for an operator.
    fn live_profiles(&self, now: DateTime<Utc>) -> Result<BTreeSet<String>>;
}
