//! The requests of one profile that wait for an operator, in the order in which their time ends.

use crate::transactions::Key;
use chrono::{DateTime, Utc};
use std::collections::{BTreeSet, HashMap};

/// What waits, and until when.
#[derive(Default)]
pub(crate) struct Pending {
    deadlines: HashMap<Key, DateTime<Utc>>,
    ends: BTreeSet<(DateTime<Utc>, Key)>,
}

impl Pending {
    /// `None`: it waits for ever.
    pub(crate) fn insert(&mut self, key: Key, deadline: Option<DateTime<Utc>>) {
        self.remove(&key);
        let deadline = deadline.unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.deadlines.insert(key, deadline);
        self.ends.insert((deadline, key));
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        if let Some(deadline) = self.deadlines.remove(key) {
            self.ends.remove(&(deadline, *key));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Those whose time is over, the longest overdue first.
    pub(crate) fn overdue(&self, now: DateTime<Utc>) -> Vec<Key> {
        self.ends
            .iter()
            .take_while(|(deadline, _)| *deadline < now)
            .map(|(_, key)| *key)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_overdue_comes_in_order_and_what_was_decided_does_not() {
        let at = |second| DateTime::from_timestamp(second, 0);
        let mut pending = Pending::default();
        pending.insert([1; 16], at(30));
        pending.insert([2; 16], at(10));
        pending.insert([3; 16], at(20));
        pending.insert([4; 16], None);
        pending.remove(&[3; 16]);
        let now = at(30).unwrap_or_default();
        assert_eq!(
            pending.overdue(now),
            [[2; 16]],
            "a deadline is still in time"
        );
        pending.insert([2; 16], at(40));
        assert!(pending.overdue(now).is_empty(), "it waits longer now");
        assert_eq!(pending.len(), 3);
    }
}
