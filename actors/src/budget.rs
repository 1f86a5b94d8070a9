//! How many refusals of verified requests the audit takes from one source. The rest is counted, and said in one event.

use crate::bucket::Bucket;
use crate::network::network_of;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Sources that have a budget each. Those that come when there are so many share one.
const SOURCES: usize = 50_000;

/// One profile's budget.
pub(crate) struct Budget {
    /// Events a minute from one source, which may come at once; 0 = no bound.
    per_minute: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sources: HashMap<IpAddr, Source>,
    /// For sources without a budget of their own.
    others: Bucket,
    /// What was left out, by reason.
    reasons: BTreeMap<&'static str, u64>,
}

#[derive(Default)]
struct Source {
    bucket: Bucket,
    suppressed: u64,
}

/// What was left out of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suppressed {
    /// How many by the refusals' reason.
    reasons: BTreeMap<&'static str, u64>,
    /// How many sources they came from, of those that are told apart.
    sources: usize,
    /// The source of the most of them, and how many those are.
    pub(crate) worst: Option<(IpAddr, u64)>,
}

impl Budget {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            per_minute: AtomicU32::new(per_minute),
            state: Mutex::default(),
        }
    }

    pub(crate) fn set_limit(&self, per_minute: u32) {
        self.per_minute.store(per_minute, Ordering::Relaxed);
    }

    /// Whether a refusal with this reason is written; else it has been counted.
    pub(crate) fn admits(&self, source: IpAddr, reason: &'static str, now: Instant) -> bool {
        let per_minute = self.per_minute.load(Ordering::Relaxed);
        if per_minute == 0 {
            return true;
        }
        let mut state = self.lock();
        let source = network_of(source);
        let known = state.sources.len() < SOURCES || state.sources.contains_key(&source);
        let admitted = if known {
            let source = state.sources.entry(source).or_default();
            let admitted = source.bucket.take(per_minute, MINUTE, now);
            source.suppressed += u64::from(!admitted);
            admitted
        } else {
            state.others.take(per_minute, MINUTE, now)
        };
        if !admitted {
            *state.reasons.entry(reason).or_default() += 1;
        }
        admitted
    }

    /// What was left out since this was last asked, if anything. Lets go of sources that were quiet.
    pub(crate) fn suppressed(&self, now: Instant) -> Option<Suppressed> {
        let mut state = self.lock();
        let reasons = std::mem::take(&mut state.reasons);
        let mut suppressed = Suppressed {
            reasons,
            sources: 0,
            worst: None,
        };
        state.sources.retain(|source, of_source| {
            let count = std::mem::take(&mut of_source.suppressed);
            if count > 0 {
                suppressed.sources += 1;
                if suppressed.worst.is_none_or(|(_, most)| count > most) {
                    suppressed.worst = Some((*source, count));
                }
            }
            !of_source.bucket.is_full(now)
        });
        let room = state.sources.len() * 2;
        state.sources.shrink_to(room);
        (!suppressed.reasons.is_empty()).then_some(suppressed)
    }

    /// Counts again what could not be told.
    pub(crate) fn put_back(&self, suppressed: Suppressed) {
        let mut state = self.lock();
        for (reason, count) in suppressed.reasons {
            *state.reasons.entry(reason).or_default() += count;
        }
        if let Some((source, count)) = suppressed.worst {
            state.sources.entry(source).or_default().suppressed += count;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.reasons.values().sum();
        write!(
            f,
            "{all} more refusals were counted and not written one by one:"
        )?;
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (n, (reason, count)) in reasons.into_iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma} {reason} {count}")?;
        }
        match self.worst {
            Some((source, _)) if self.sources == 1 => write!(f, "; from {source}"),
            Some((source, count)) => write!(
                f,
                "; from {} sources, {count} of them from {source}",
                self.sources
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::Ipv4Addr;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn one_source_uses_up_its_own_budget_and_the_rest_is_told_once() {
        let budget = Budget::new(2);
        let now = Instant::now();
        let admitted = (0..5).filter(|_| budget.admits(A, "policy_san", now));
        assert_eq!(admitted.count(), 2);
        assert!(budget.admits(B, "replay", now) && budget.admits(B, "replay", now));
        assert!(!budget.admits(B, "replay", now));
        let suppressed = budget.suppressed(now).unwrap();
        assert_eq!(
            suppressed.to_string(),
            "4 more refusals were counted and not written one by one: policy_san 3, replay 1; \
             from 2 sources, 3 of them from 192.0.2.1"
        );
        assert_eq!(budget.suppressed(now), None);
        budget.put_back(suppressed);
        assert!(budget.suppressed(now).is_some());
        assert!(budget.admits(A, "policy_san", now + MINUTE));
        budget.suppressed(now + MINUTE * 3);
        assert!(budget.lock().sources.is_empty(), "quiet ones are let go");
    }

    #[test]
    fn without_a_bound_everything_is_written() {
        let budget = Budget::new(0);
        let now = Instant::now();
        assert!((0..1000).all(|_| budget.admits(A, "replay", now)));
        budget.set_limit(1);
        assert!(budget.admits(A, "replay", now));
        assert!(!budget.admits(A, "replay", now));
    }
}
