//! The requests of one profile that wait for an operator: in the order in which their time ends, by key, and by source.
//!
//! Of one key at most one request waits. Asked for again under another transactionID it joins the one that waits, if it
//! asks for the same, and takes its place else; so nobody decides twice on one device.

use crate::enrollment::{Key, Waiting};
use crate::spec::PendingLimits;
use chrono::{DateTime, Utc};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

struct Row {
    waiting: Arc<Waiting>,
    deadline: DateTime<Utc>,
    /// Whether it is in the store; else its enrollment is still under way.
    durable: bool,
}

/// Where a request that is to wait belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a row of its own.
    New,
    /// It joined this row before.
    Joined(Key),
    /// With this one, which asks for the same.
    With(Key),
    /// In the place of this one, which asks for something else.
    InsteadOf(Key),
    /// This one is still being written: come again.
    Unsettled,
    /// Nowhere: as many wait as may.
    Full(Bound),
}

/// What bounds requests that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Profile,
    Source,
}

impl Bound {
    /// The metric's label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Source => "source",
        }
    }
}

/// What waits, and until when.
#[derive(Default)]
pub(crate) struct Pending {
    rows: HashMap<Key, Row>,
    ends: BTreeSet<(DateTime<Utc>, Key)>,
    by_spki: HashMap<Key, Key>,
    /// The row that a transaction joined, by what the transaction is known by, and by what it is polled by.
    joined: HashMap<Key, Key>,
    sources: HashMap<IpAddr, usize>,
}

impl Pending {
    /// Where the request `key` belongs.
    pub(crate) fn place(&self, key: &Key, waiting: &Waiting, limits: PendingLimits) -> Place {
        if let Some(row) = self.joined.get(key) {
            return Place::Joined(*row);
        }
        if let Some((other, row)) = self
            .by_spki
            .get(&waiting.spki)
            .and_then(|other| Some((other, self.rows.get(other)?)))
            .filter(|(other, _)| *other != key)
        {
            return match row.durable {
                false => Place::Unsettled,
                true if row.waiting.content == waiting.content => Place::With(*other),
                true => Place::InsteadOf(*other),
            };
        }
        let full = |limit: usize, count: usize| limit > 0 && count >= limit;
        if full(limits.per_profile, self.rows.len()) {
            return Place::Full(Bound::Profile);
        }
        let of_source = waiting.source.and_then(|source| self.sources.get(&source));
        if full(limits.per_source, of_source.copied().unwrap_or_default()) {
            return Place::Full(Bound::Source);
        }
        Place::New
    }

    /// Keeps room for a request whose enrollment is under way.
    pub(crate) fn reserve(&mut self, key: Key, waiting: Arc<Waiting>) {
        self.put(key, waiting, DateTime::<Utc>::MAX_UTC, false);
    }

    /// Gives the room back, unless the request waits.
    pub(crate) fn release(&mut self, key: &Key) {
        if self.rows.get(key).is_some_and(|row| !row.durable) {
            self.remove(key);
        }
    }

    /// `None`: it waits for ever.
    pub(crate) fn insert(
        &mut self,
        key: Key,
        waiting: Arc<Waiting>,
        deadline: Option<DateTime<Utc>>,
    ) {
        let deadline = deadline.unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.put(key, waiting, deadline, true);
    }

    fn put(&mut self, key: Key, waiting: Arc<Waiting>, deadline: DateTime<Utc>, durable: bool) {
        self.remove(&key);
        if durable {
            self.ends.insert((deadline, key));
        }
        self.by_spki.insert(waiting.spki, key);
        for (joined, poll) in &waiting.joined {
            self.joined.insert(*joined, key);
            self.joined.insert(*poll, key);
        }
        if let Some(source) = waiting.source {
            *self.sources.entry(source).or_default() += 1;
        }
        let row = Row {
            waiting,
            deadline,
            durable,
        };
        self.rows.insert(key, row);
    }

    /// Lets go of a request; says which transactions had joined it.
    pub(crate) fn remove(&mut self, key: &Key) -> Vec<Key> {
        let Some(row) = self.rows.remove(key) else {
            return Vec::new();
        };
        self.ends.remove(&(row.deadline, *key));
        let waiting = &row.waiting;
        if self.by_spki.get(&waiting.spki) == Some(key) {
            self.by_spki.remove(&waiting.spki);
        }
        for (joined, poll) in &waiting.joined {
            self.joined.remove(joined);
            self.joined.remove(poll);
        }
        if let Some(source) = waiting.source
            && let Some(count) = self.sources.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
        waiting.joined.iter().map(|(joined, _)| *joined).collect()
    }

    /// Whether a transaction with this poll key joined one that waits.
    pub(crate) fn is_joined(&self, poll_key: &Key) -> bool {
        self.joined.contains_key(poll_key)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Those whose time is over once so much has passed, the longest overdue first.
    pub(crate) fn overdue(&self, passed: DateTime<Utc>) -> Vec<Key> {
        self.ends
            .iter()
            .take_while(|(deadline, _)| *deadline < passed)
            .map(|(_, key)| *key)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn waiting(spki: u8, content: u8, source: IpAddr) -> Arc<Waiting> {
        Arc::new(Waiting {
            spki: [spki; 16],
            content: [content; 16],
            source: Some(source),
            joined: Vec::new(),
        })
    }

    fn insert(pending: &mut Pending, key: u8, deadline: Option<DateTime<Utc>>) {
        pending.insert([key; 16], waiting(key, key, A), deadline);
    }

    #[test]
    fn what_is_overdue_comes_in_order_and_what_was_decided_does_not() {
        let at = |second| DateTime::from_timestamp(second, 0);
        let mut pending = Pending::default();
        insert(&mut pending, 1, at(30));
        insert(&mut pending, 2, at(10));
        insert(&mut pending, 3, at(20));
        insert(&mut pending, 4, None);
        pending.remove(&[3; 16]);
        let now = at(30).unwrap_or_default();
        assert_eq!(
            pending.overdue(now),
            [[2; 16]],
            "a deadline is still in time"
        );
        insert(&mut pending, 2, at(40));
        assert!(pending.overdue(now).is_empty(), "it waits longer now");
        assert_eq!(pending.len(), 3);
    }

    #[test]
    fn room_is_bounded_by_profile_and_by_source_and_comes_back() {
        let limits = PendingLimits {
            per_profile: 3,
            per_source: 2,
        };
        let mut pending = Pending::default();
        let place = |pending: &Pending, key: u8, source| {
            pending.place(&[key; 16], &waiting(key, key, source), limits)
        };
        pending.reserve([1; 16], waiting(1, 1, A));
        insert(&mut pending, 2, None);
        assert_eq!(place(&pending, 3, A), Place::Full(Bound::Source));
        assert_eq!(place(&pending, 3, B), Place::New);
        pending.insert([3; 16], waiting(3, 3, B), None);
        assert_eq!(place(&pending, 4, B), Place::Full(Bound::Profile));
        pending.release(&[2; 16]);
        assert_eq!(pending.len(), 3, "it waits, and is not under way");
        pending.release(&[1; 16]);
        assert_eq!(place(&pending, 4, A), Place::New);
        pending.remove(&[2; 16]);
        assert!(!pending.sources.contains_key(&A));
    }

    #[test]
    fn of_one_key_one_request_waits() {
        let mut pending = Pending::default();
        let limits = PendingLimits {
            per_profile: 1,
            per_source: 1,
        };
        let place = |pending: &Pending, key: u8, content| {
            pending.place(&[key; 16], &waiting(1, content, B), limits)
        };
        pending.reserve([1; 16], waiting(1, 1, A));
        assert_eq!(place(&pending, 2, 1), Place::Unsettled);
        pending.insert([1; 16], waiting(1, 1, A), None);
        assert_eq!(place(&pending, 2, 1), Place::With([1; 16]));
        assert_eq!(place(&pending, 2, 2), Place::InsteadOf([1; 16]));
        let mut joined = Waiting::clone(&waiting(1, 1, A));
        joined.joined.push(([2; 16], [9; 16]));
        pending.insert([1; 16], Arc::new(joined), None);
        assert_eq!(place(&pending, 2, 1), Place::Joined([1; 16]));
        assert!(pending.is_joined(&[9; 16]));
        assert_eq!(pending.remove(&[1; 16]), [[2; 16]]);
        assert!(!pending.is_joined(&[9; 16]));
    }
}
