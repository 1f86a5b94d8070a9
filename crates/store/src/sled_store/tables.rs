//! Who is where: from digests to record numbers, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hashbrown::HashTable;

use super::hash::Folding;
use super::wire::{self, EnrollmentView};
use crate::{CaId, EnrollmentRecord};

/// A digest by which records are found.
pub(super) type Digest = [u8; 16];

/// From digests to record numbers, of which the first is 1. A digest that comes again names the
/// newer record from then on.
pub(super) struct DigestMap {
    /// By number, less one.
    digests: Vec<Digest>,
    rows: HashTable<u32>,
    hasher: Folding,
}

impl DigestMap {
    pub(super) fn new() -> Self {
        Self {
            digests: Vec::new(),
            rows: HashTable::new(),
            hasher: Folding::default(),
        }
    }

    /// The newest record with this digest.
    pub(super) fn find(&self, digest: &Digest) -> Option<u64> {
        let hash = self.hasher.digest(digest);
        let same = |&row: &u32| self.digests.get(row as usize) == Some(digest);
        self.rows.find(hash, same).map(|&row| u64::from(row) + 1)
    }

    /// Adds the next record and returns its number.
    pub(super) fn push(&mut self, digest: Digest) -> u64 {
        let row = u32::try_from(self.digests.len()).unwrap_or(u32::MAX);
        self.digests.push(digest);
        self.point(row, digest);
        u64::from(row) + 1
    }

    /// Gives a record another digest; the old one then names none. Says whether it is another.
    pub(super) fn replace(&mut self, number: u64, digest: Digest) -> bool {
        let Some(row) = number
            .checked_sub(1)
            .and_then(|row| u32::try_from(row).ok())
        else {
            return false;
        };
        let Some(slot) = self.digests.get_mut(row as usize) else {
            return false;
        };
        let old = std::mem::replace(slot, digest);
        if old != digest {
            let hash = self.hasher.digest(&old);
            if let Ok(entry) = self.rows.find_entry(hash, |&other| other == row) {
                entry.remove();
            }
            self.point(row, digest);
        }
        old != digest
    }

    fn point(&mut self, row: u32, digest: Digest) {
        let Self {
            digests,
            rows,
            hasher,
        } = self;
        let hash = hasher.digest(&digest);
        let of = |row: &u32| digests.get(*row as usize).copied().unwrap_or_default();
        match rows.find_mut(hash, |other| of(other) == digest) {
            Some(newest) => *newest = row,
            None => {
                rows.insert_unique(hash, row, |row| hasher.digest(&of(row)));
            }
        }
    }

    /// Makes room for so many records in all.
    pub(super) fn make_room(&mut self, records: usize) {
        let Self {
            digests,
            rows,
            hasher,
        } = self;
        let more = records.saturating_sub(digests.len());
        digests.reserve_exact(more);
        let of = |row: &u32| digests.get(*row as usize).copied().unwrap_or_default();
        rows.reserve(more, |row| hasher.digest(&of(row)));
    }

    /// The digests of so many records, the first of which has this number.
    pub(super) fn some(&self, first: u64, records: usize) -> &[Digest] {
        let from = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
        let end = from.saturating_add(records);
        self.digests.get(from..end).unwrap_or_default()
    }

    /// How many records there are.
    pub(super) fn len(&self) -> u64 {
        self.digests.len() as u64
    }

    /// Approximate octets of memory.
    pub(super) fn bytes(&self) -> u64 {
        (self.digests.capacity() * size_of::<Digest>() + self.rows.allocation_size()) as u64
    }
}

/// What a certificate is found by.
pub(super) fn certificate_digest(ca: &CaId, serial: &[u8]) -> Digest {
    let zeros = serial.iter().take_while(|&&octet| octet == 0).count();
    digest_of(ca.as_bytes(), serial.get(zeros..).unwrap_or_default())
}

/// What an enrollment is found by, of one of its two keys.
pub(super) fn enrollment_digest(profile: &str, key: &Digest) -> Digest {
    digest_of(profile.as_bytes(), key)
}

/// Another digest of an owner and a name of its own.
pub(super) fn digest_of(owner: &[u8], name: &[u8]) -> Digest {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(&(owner.len() as u64).to_be_bytes());
    context.update(owner);
    context.update(name);
    let mut digest = [0; 16];
    for (to, from) in digest.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    digest
}

/// Enrollments by both their keys, and those that are open.
pub(super) struct Enrollments {
    pub(super) by_key: DigestMap,
    pub(super) by_poll: DigestMap,
    /// The open ones by number.
    pub(super) open: BTreeMap<u64, Open>,
    due: Due,
}

/// What is known in memory of an open enrollment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) profile: String,
    pub(super) awaits_approval: bool,
    /// Microseconds since 1970.
    pub(super) due: Option<i64>,
}

impl Open {
    /// `None` for one that is at its end.
    pub(super) fn of(record: &EnrollmentRecord) -> Option<Self> {
        record.stage.is_open().then(|| Self {
            profile: record.profile.clone(),
            awaits_approval: record.stage.awaits_approval(),
            due: record.due.map(wire::micros),
        })
    }

    /// As [`of`](Self::of).
    pub(super) fn of_view(view: &EnrollmentView<'_>) -> Option<Self> {
        view.is_open().then(|| Self {
            profile: view.profile.to_owned(),
            awaits_approval: view.awaits_approval(),
            due: view.due,
        })
    }
}

/// An enrollment to be entered.
pub(super) struct EnrollmentEntry {
    pub(super) number: u64,
    pub(super) key: Digest,
    pub(super) poll: Digest,
    pub(super) open: Option<Open>,
}

impl Enrollments {
    pub(super) fn new() -> Self {
        Self {
            by_key: DigestMap::new(),
            by_poll: DigestMap::new(),
            open: BTreeMap::new(),
            due: Due::default(),
        }
    }

    /// Enters a new enrollment or a known one's new state. Says whether a known one has other keys now.
    pub(super) fn put(&mut self, entry: EnrollmentEntry) -> bool {
        let mut changed = false;
        if entry.number > self.by_key.len() {
            self.by_key.push(entry.key);
            self.by_poll.push(entry.poll);
        } else {
            changed |= self.by_key.replace(entry.number, entry.key);
            changed |= self.by_poll.replace(entry.number, entry.poll);
        }
        let due = entry.open.as_ref().and_then(|open| open.due);
        self.due.put(entry.number, due);
        match entry.open {
            Some(open) => self.open.insert(entry.number, open),
            None => self.open.remove(&entry.number),
        };
        changed
    }

    /// The numbers of those that are due at `now` (microseconds since 1970), the longest due first.
    pub(super) fn due(&self, now: i64) -> impl Iterator<Item = u64> {
        self.due.at(now)
    }
}

/// What is due when: record numbers by time.
#[derive(Debug, Default)]
pub(super) struct Due {
    by_time: BTreeSet<(i64, u64)>,
    times: HashMap<u64, i64>,
}

impl Due {
    /// `None`: it is not due at any time.
    pub(super) fn put(&mut self, number: u64, due: Option<i64>) {
        if let Some(before) = self.times.remove(&number) {
            self.by_time.remove(&(before, number));
        }
        if let Some(due) = due {
            self.times.insert(number, due);
            self.by_time.insert((due, number));
        }
    }

    /// Those due at `now`, the longest due first.
    pub(super) fn at(&self, now: i64) -> impl Iterator<Item = u64> {
        let due = self.by_time.range(..=(now, u64::MAX));
        due.map(|(_, number)| *number)
    }

    pub(super) fn len(&self) -> u64 {
        self.times.len() as u64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn leading_zeros_of_a_serial_make_no_difference() {
        let (ca, other) = (CaId::from_bytes([1; 16]), CaId::from_bytes([2; 16]));
        assert_eq!(
            certificate_digest(&ca, &[0, 0x81]),
            certificate_digest(&ca, &[0x81])
        );
        assert_ne!(
            certificate_digest(&ca, &[0x81, 0]),
            certificate_digest(&ca, &[0x81])
        );
        assert_ne!(
            certificate_digest(&ca, &[0x81]),
            certificate_digest(&other, &[0x81])
        );
        assert_ne!(
            enrollment_digest("ca1", &[0x31; 16]),
            enrollment_digest("ca", &[0x31; 16])
        );
    }

    proptest! {
        #[test]
        fn finds_as_a_map_does(ops in prop::collection::vec((0_u8..12, prop::option::of(0_u64..30)), 0..80)) {
            let mut map = DigestMap::new();
            let mut model: Vec<u8> = Vec::new();
            let mut newest: HashMap<u8, u64> = HashMap::new();
            for (digest, replaced) in ops {
                match replaced.filter(|&number| number >= 1 && number <= model.len() as u64) {
                    None => {
                        let number = map.push([digest; 16]);
                        model.push(digest);
                        prop_assert_eq!(number, model.len() as u64);
                        newest.insert(digest, number);
                    }
                    Some(number) => {
                        map.replace(number, [digest; 16]);
                        let old = std::mem::replace(&mut model[number as usize - 1], digest);
                        if old != digest {
                            if newest.get(&old) == Some(&number) {
                                newest.remove(&old);
                            }
                            newest.insert(digest, number);
                        }
                    }
                }
                for digest in 0..12 {
                    prop_assert_eq!(map.find(&[digest; 16]), newest.get(&digest).copied());
                }
            }
        }
    }
}
