//! Wrong challenges, and messages that could not be opened, by source: who guesses too often is turned away before any
//! RSA is spent.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Sources that are remembered at most; beyond, the oldest minute is forgotten first.
const SOURCES: usize = 100_000;

struct Source {
    since: Instant,
    wrong: u32,
}

/// One profile's count of wrong challenges a minute by source.
pub(crate) struct Guesses {
    limit: u32,
    sources: HashMap<IpAddr, Source>,
}

impl Guesses {
    /// `limit` wrong challenges a minute; 0 = no limit.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            sources: HashMap::new(),
        }
    }

    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    pub(crate) fn note(&mut self, source: IpAddr, now: Instant) {
        if self.limit == 0 {
            return;
        }
        if self.sources.len() >= SOURCES {
            self.sweep(now);
            if self.sources.len() >= SOURCES {
                return;
            }
        }
        let entry = self.sources.entry(source).or_insert(Source {
            since: now,
            wrong: 0,
        });
        if now.saturating_duration_since(entry.since) >= MINUTE {
            *entry = Source {
                since: now,
                wrong: 0,
            };
        }
        entry.wrong = entry.wrong.saturating_add(1);
    }

    pub(crate) fn is_blocked(&self, source: IpAddr, now: Instant) -> bool {
        self.limit != 0
            && self.sources.get(&source).is_some_and(|entry| {
                entry.wrong >= self.limit && now.saturating_duration_since(entry.since) < MINUTE
            })
    }

    pub(crate) fn sweep(&mut self, now: Instant) {
        self.sources
            .retain(|_, entry| now.saturating_duration_since(entry.since) < MINUTE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_guesser_is_blocked_for_a_minute_and_others_are_not() {
        let mut guesses = Guesses::new(3);
        let now = Instant::now();
        for _ in 0..3 {
            assert!(!guesses.is_blocked(A, now));
            guesses.note(A, now);
        }
        assert!(guesses.is_blocked(A, now));
        assert!(!guesses.is_blocked(B, now));
        assert!(!guesses.is_blocked(A, now + MINUTE));
        guesses.sweep(now + MINUTE);
        assert!(guesses.sources.is_empty());
    }

    #[test]
    fn no_limit_blocks_nobody() {
        let mut guesses = Guesses::new(0);
        let now = Instant::now();
        guesses.note(A, now);
        assert!(!guesses.is_blocked(A, now));
    }
}
