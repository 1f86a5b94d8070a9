//! Gate 7's memory: which challenges were used.

use super::deadlines::Deadlines;
use super::sharded::Sharded;
use crate::ReplayKey;
use chrono::{DateTime, Utc};

/// Challenges that were used and could still pass the time gate.
///
/// An entry is held at least until its own deadline, whatever the load, and forgotten within
/// about a minute after it. There is no cap and no eviction: an entry exists only for a
/// challenge that a trusted connector signed and that led to an enrollment. One entry takes
/// about 40 octets.
#[derive(Debug, Clone)]
pub struct ReplayMemory {
    /// The deadline in seconds since the epoch, rounded up and held within what fits.
    used: Sharded<u32>,
    deadlines: Deadlines,
}

impl Default for ReplayMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplayMemory {
    /// An empty memory.
    #[must_use]
    pub fn new() -> Self {
        Self {
            used: Sharded::new(),
            deadlines: Deadlines::default(),
        }
    }

    /// Remembers `key` until `until` at least. `false`, and nothing changes, when it is
    /// remembered already: the challenge is a replay.
    pub fn insert(&mut self, key: ReplayKey, until: DateTime<Utc>) -> bool {
        if !self.used.insert_new(key.0, seconds_up(until)) {
            return false;
        }
        self.deadlines.push(until, key.0);
        true
    }

    /// Forgets `key`, so that the challenge can be used again: for an enrollment that failed
    /// after it was taken. `false` when it was not remembered.
    pub fn remove(&mut self, key: &ReplayKey) -> bool {
        let removed = self.used.remove(&key.0).is_some();
        if removed && self.deadlines.is_bloated(self.used.len()) {
            self.relist();
        }
        removed
    }

    /// Whether `key` is remembered.
    #[must_use]
    pub fn contains(&self, key: &ReplayKey) -> bool {
        self.used.get(&key.0).is_some()
    }

    /// Drops entries that are past their deadline, a bounded number a call. To be called with
    /// every request, or by a timer; over time it costs a constant amount an entry. `now` must not
    /// be ahead of the time that really passed: a wall clock may jump and be put right.
    pub fn expire(&mut self, now: DateTime<Utc>) {
        for beginning in self.deadlines.take_due(now) {
            for key in self.used.keys_with(beginning) {
                // Given back and taken again since: then another slot lists it as well.
                self.used.remove_if(&key, |until| has_passed(*until, now));
            }
        }
    }

    /// How many challenges are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every remembered key with its deadline, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (ReplayKey, DateTime<Utc>)> + '_ {
        self.used.iter().filter_map(|(key, until)| {
            Some((
                ReplayKey(*key),
                DateTime::from_timestamp(i64::from(*until), 0)?,
            ))
        })
    }

    fn relist(&mut self) {
        let mut deadlines = Deadlines::default();
        for (key, until) in self.used.iter() {
            if let Some(until) = DateTime::from_timestamp(i64::from(*until), 0) {
                deadlines.push(until, *key);
            }
        }
        self.deadlines = deadlines;
    }

    /// Octets of the list of deadlines, for tests of its bounds.
    #[doc(hidden)]
    #[must_use]
    pub fn listed_octets(&self) -> usize {
        self.deadlines.capacity_octets()
    }
}

fn seconds_up(at: DateTime<Utc>) -> u32 {
    let seconds = at
        .timestamp()
        .saturating_add(i64::from(at.timestamp_subsec_nanos() > 0));
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

/// Whether a deadline has passed; one after 2106 never does.
fn has_passed(until: u32, now: DateTime<Utc>) -> bool {
    until != u32::MAX && i64::from(until) <= now.timestamp()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn key(n: u32) -> ReplayKey {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&n.wrapping_mul(0x9E37_79B9).to_be_bytes());
        key[4..8].copy_from_slice(&n.to_be_bytes());
        ReplayKey(key)
    }

    #[test]
    fn the_second_use_is_seen() {
        let mut memory = ReplayMemory::new();
        assert!(memory.insert(key(1), at(600)));
        assert!(!memory.insert(key(1), at(900)));
        assert!(memory.insert(key(2), at(600)));
        assert_eq!(memory.len(), 2);
    }

    #[test]
    fn a_challenge_given_back_can_be_used_again() {
        let mut memory = ReplayMemory::new();
        memory.insert(key(1), at(600));
        assert!(memory.remove(&key(1)));
        assert!(!memory.remove(&key(1)));
        assert!(memory.is_empty());
        assert!(memory.insert(key(1), at(600)));
        // The first listing comes due as well, and must not drop the second use early.
        assert!(memory.contains(&key(1)));
    }

    #[test]
    fn held_to_its_deadline_and_forgotten_a_minute_after() {
        let mut memory = ReplayMemory::new();
        memory.insert(key(1), at(600));
        memory.expire(at(599));
        assert!(memory.contains(&key(1)));
        memory.expire(at(660));
        assert!(memory.is_empty());
        assert!(memory.insert(key(1), at(2000)), "free again once forgotten");
    }

    #[test]
    fn a_later_deadline_survives_an_earlier_listing() {
        let mut memory = ReplayMemory::new();
        memory.insert(key(1), at(600));
        memory.remove(&key(1));
        memory.insert(key(1), at(6000));
        memory.expire(at(700));
        assert!(memory.contains(&key(1)));
        memory.expire(at(6060));
        assert!(!memory.contains(&key(1)));
    }

    #[test]
    fn part_of_a_second_is_rounded_up() {
        let mut memory = ReplayMemory::new();
        let until = at(59) + chrono::Duration::milliseconds(500);
        memory.insert(key(1), until);
        assert_eq!(memory.iter().next().unwrap(), (key(1), at(60)));
    }

    #[test]
    fn giving_back_in_a_loop_does_not_grow() {
        let mut memory = ReplayMemory::new();
        for n in 0..100 {
            memory.insert(key(n), at(3600));
        }
        for _ in 0..200_000 {
            assert!(memory.insert(key(1000), at(3600)));
            assert!(memory.remove(&key(1000)));
        }
        assert_eq!(memory.len(), 100);
        assert!(
            memory.listed_octets() < 200_000,
            "{}",
            memory.listed_octets()
        );
        memory.expire(at(3660));
        assert!(memory.is_empty(), "rebuilding kept every deadline");
    }

    #[test]
    fn a_deadline_at_the_end_of_time_is_kept() {
        let mut memory = ReplayMemory::new();
        memory.insert(key(1), DateTime::<Utc>::MAX_UTC);
        memory.expire(at(253_402_300_799));
        assert!(memory.contains(&key(1)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u32, i64),
        Remove(u32),
        Advance(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..20_u32, 1..600_i64).prop_map(|(n, life)| Step::Insert(n, life)),
            (0..20_u32).prop_map(Step::Remove),
            (0..200_i64).prop_map(Step::Advance),
        ]
    }

    proptest! {
        /// Against a model that never forgets: live entries are always refused.
        #[test]
        fn live_entries_are_never_dropped(steps in proptest::collection::vec(step(), 1..200)) {
            let mut memory = ReplayMemory::new();
            let mut model: HashMap<u32, i64> = HashMap::new();
            let mut now = 1_000_000;
            for step in steps {
                match step {
                    Step::Insert(n, life) => {
                        let live = model.get(&n).is_some_and(|until| *until > now);
                        let inserted = memory.insert(key(n), at(now + life));
                        prop_assert!(!(live && inserted), "a live entry was dropped");
                        if inserted {
                            model.insert(n, now + life);
                        }
                    }
                    Step::Remove(n) => {
                        let live = model.get(&n).is_some_and(|until| *until > now);
                        prop_assert!(memory.remove(&key(n)) || !live);
                        model.remove(&n);
                    }
                    Step::Advance(seconds) => {
                        now += seconds;
                        memory.expire(at(now));
                        let within_a_minute = model.values().filter(|until| **until > now - 60).count();
                        let live = model.values().filter(|until| **until > now).count();
                        prop_assert!(memory.len() >= live);
                        prop_assert!(memory.len() <= within_a_minute);
                    }
                }
            }
        }
    }
}
