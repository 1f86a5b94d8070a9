//! Who is where: what records are found by, and what is due when.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::digest_map::{DigestMap, Reread};
use super::wire::{self, EnrollmentView};
use crate::{CaId, EnrollmentRecord};

/// A digest by which records are found.
pub(super) type Digest = [u8; 16];

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

/// A digest that no look-up has, for a record that is not there.
pub(super) fn nobody(number: u64) -> Digest {
    digest_of(b"no owner has this name\0", &number.to_be_bytes())
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
    /// `by_key` and `by_poll` read again what enrollments are found by.
    pub(super) fn new(by_key: Reread, by_poll: Reread) -> Self {
        Self {
            by_key: DigestMap::new(by_key),
            by_poll: DigestMap::new(by_poll),
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
}
