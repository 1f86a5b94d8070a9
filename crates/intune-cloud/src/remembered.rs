//! What Graph last said of whoever enrolled, for the time when it does not answer. In memory alone: after a restart nothing
//! is known.

use crate::graph::Standing;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Of so many it is remembered.
const MOST: usize = 50_000;

/// A device and a user, and the grace that the answer was given with.
pub(crate) type Key = [u8; 32];

#[derive(Clone, Copy)]
enum Said {
    Good,
    New,
    /// Something spoke against it.
    Bad,
}

/// What Graph last said.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<HashMap<Key, (Said, Instant)>>);

impl Remembered {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, (Said, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an answer of now.
    pub(crate) fn note(&self, key: Key, standing: &Standing, now: Instant) {
        let said = match standing {
            Standing::Good => Said::Good,
            Standing::New => Said::New,
            Standing::Bad(_) => Said::Bad,
            Standing::Nameless => return,
        };
        let mut all = self.all();
        if all.len() >= MOST && !all.contains_key(&key) {
            // Half of them go, the older ones.
            let mut times: Vec<Instant> = all.values().map(|(_, at)| *at).collect();
            times.sort_unstable();
            let middle = times.get(times.len() / 2).copied();
            all.retain(|_, (_, at)| middle.is_some_and(|middle| *at > middle));
        }
        all.insert(key, (said, now));
    }

    /// How it stood when Graph last answered, if that is at most `longest` ago.
    pub(crate) fn recall(&self, key: &Key, now: Instant, longest: Duration) -> Recalled {
        let all = self.all();
        let Some((said, at)) = all.get(key) else {
            return Recalled::Nothing;
        };
        let age = now.saturating_duration_since(*at);
        match said {
            _ if age > longest => Recalled::Nothing,
            Said::Good => Recalled::Good(Standing::Good, age),
            Said::New => Recalled::Good(Standing::New, age),
            Said::Bad => Recalled::Bad,
        }
    }
}

/// What is remembered of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recalled {
    /// Nothing spoke against it so long ago.
    Good(Standing, Duration),
    /// Something did.
    Bad,
    /// Graph was not asked, or too long ago.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "where the times of tests begin")]
    fn begin() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_last_answer_counts_for_a_time() {
        let (remembered, begin) = (Remembered::default(), begin());
        let after = |seconds| begin + Duration::from_secs(seconds);
        let recall = |seconds| remembered.recall(&[1; 32], after(seconds), Duration::from_secs(60));
        assert_eq!(recall(0), Recalled::Nothing);
        remembered.note([1; 32], &Standing::Good, begin);
        let age = Duration::from_secs(60);
        assert_eq!(recall(60), Recalled::Good(Standing::Good, age));
        assert_eq!(recall(61), Recalled::Nothing);
        remembered.note([1; 32], &Standing::Nameless, after(50));
        assert_eq!(recall(61), Recalled::Nothing);
        remembered.note([1; 32], &Standing::New, after(50));
        let age = Duration::from_secs(11);
        assert_eq!(recall(61), Recalled::Good(Standing::New, age));
        remembered.note([1; 32], &Standing::Bad("gone".to_owned()), after(61));
        assert_eq!(recall(61), Recalled::Bad);
    }

    #[test]
    fn where_there_are_too_many_the_older_ones_go() {
        let (remembered, begin) = (Remembered::default(), begin());
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        };
        for number in 0..=MOST {
            let at = begin + Duration::from_millis(number as u64);
            remembered.note(key(number), &Standing::Good, at);
        }
        assert!(remembered.all().len() <= MOST / 2 + 1);
        let (now, longest) = (begin, Duration::from_secs(3600));
        assert_eq!(remembered.recall(&key(0), now, longest), Recalled::Nothing);
        assert!(matches!(
            remembered.recall(&key(MOST), now, longest),
            Recalled::Good(..)
        ));
    }
}
