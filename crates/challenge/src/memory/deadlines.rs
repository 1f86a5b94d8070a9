//! Which key is to be looked at when: the list behind cheap expiry.

use super::sharded::{Beginning, Key, beginning};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Keys, by their beginnings, in slots of a minute. Adding is one push; taking what is due touches only what is due.
///
/// A key given back by its owner stays listed until its slot comes, and is skipped then. So that
/// giving back in a loop cannot grow the list, the owner asks [`Deadlines::is_bloated`] and
/// rebuilds it; this costs no more than the calls that made it necessary.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadlines {
    slots: BTreeMap<i64, Vec<Beginning>>,
    listed: usize,
}

/// How many keys one call of [`Deadlines::take_due`] hands out at most, so that one request
/// never pays for a whole minute of others.
pub(super) const BATCH: usize = 2048;

const SLOT_SECONDS: i64 = 60;

impl Deadlines {
    /// Lists `key` for the first whole minute at or after `at`.
    pub(super) fn push(&mut self, at: DateTime<Utc>, key: Key) {
        self.slots
            .entry(slot_of(at))
            .or_default()
            .push(beginning(&key));
        self.listed += 1;
    }

    /// Takes the beginnings of up to [`BATCH`] keys whose minute has come.
    pub(super) fn take_due(&mut self, now: DateTime<Utc>) -> Vec<Beginning> {
        let mut due = Vec::new();
        while due.len() < BATCH {
            let Some(mut slot) = self.slots.first_entry() else {
                break;
            };
            // A slot holds what was due up to its minute's end.
            if slot.key().saturating_mul(SLOT_SECONDS) > now.timestamp() {
                break;
            }
            let keys = slot.get_mut();
            let rest = keys.len().saturating_sub(BATCH - due.len());
            due.extend(keys.drain(rest..));
            if keys.is_empty() {
                slot.remove();
            }
        }
        self.listed -= due.len();
        due
    }

    /// Whether most of the list is keys that are no longer held. `held` is how many are.
    pub(super) fn is_bloated(&self, held: usize) -> bool {
        self.listed > held.saturating_mul(2).saturating_add(1024)
    }

    /// Octets that the list may hold at most for what it has now.
    pub(super) fn capacity_octets(&self) -> usize {
        self.slots
            .values()
            .map(|keys| keys.capacity() * size_of::<Beginning>() + 64)
            .sum()
    }
}

fn slot_of(at: DateTime<Utc>) -> i64 {
    let minute = at.timestamp().div_euclid(SLOT_SECONDS);
    minute.saturating_add(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn nothing_is_due_early_and_all_is_due_within_a_minute() {
        let mut deadlines = Deadlines::default();
        for second in [0, 1, 59, 60, 61, 119] {
            deadlines.push(at(second), [second as u8; 16]);
        }
        assert!(deadlines.take_due(at(59)).is_empty());
        assert_eq!(deadlines.take_due(at(60)).len(), 3);
        assert!(deadlines.take_due(at(119)).is_empty());
        assert_eq!(deadlines.take_due(at(179)).len(), 3);
        assert_eq!(deadlines.listed, 0);
    }

    #[test]
    fn one_call_takes_one_batch_at_most() {
        let mut deadlines = Deadlines::default();
        for n in 0..5_000_u32 {
            let mut key = [0; 16];
            key[..4].copy_from_slice(&n.to_be_bytes());
            deadlines.push(at(i64::from(n % 90)), key);
        }
        let mut taken = std::collections::HashSet::new();
        for expected in [BATCH, BATCH, 5_000 - 2 * BATCH, 0] {
            let due = deadlines.take_due(at(1000));
            assert_eq!(due.len(), expected);
            taken.extend(due);
        }
        assert_eq!(taken.len(), 5_000);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let mut deadlines = Deadlines::default();
        deadlines.push(DateTime::<Utc>::MAX_UTC, [1; 16]);
        deadlines.push(DateTime::<Utc>::MIN_UTC, [2; 16]);
        assert_eq!(deadlines.take_due(at(0)), [[2; 8]]);
        assert!(deadlines.take_due(at(i64::from(u32::MAX))).is_empty());
    }
}
