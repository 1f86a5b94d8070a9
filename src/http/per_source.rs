//! How many connections each source address has open.

use actors::network_of;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often it is logged that a source has its share.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// The open connections by source. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct PerSourceLimit(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    by_source: HashMap<IpAddr, usize>,
    said: Option<Instant>,
    /// Connections that were turned away and not logged.
    unsaid: u64,
}

/// One connection's part of its source's share; given back when dropped.
pub(super) struct Share(Option<(PerSourceLimit, IpAddr)>);

impl PerSourceLimit {
    /// One more connection from `source`, unless it has `limit` of them; 0 = no limit. IPv6 sources
    /// count by their /64.
    pub(super) fn enter(&self, source: IpAddr, limit: usize) -> Option<Share> {
        if limit == 0 {
            return Some(Share(None));
        }
        let source = network_of(source);
        let mut open = self.lock();
        let count = open.by_source.entry(source).or_default();
        if *count >= limit {
            drop(open);
            self.turned_away(source, limit);
            return None;
        }
        *count += 1;
        Some(Share(Some((self.clone(), source))))
    }

    /// Says so, but not for each connection of a flood.
    fn turned_away(&self, source: IpAddr, limit: usize) {
        let mut open = self.lock();
        if open.said.is_some_and(|said| said.elapsed() < SAY_EVERY) {
            open.unsaid = open.unsaid.saturating_add(1);
            return;
        }
        open.said = Some(Instant::now());
        let more = std::mem::take(&mut open.unsaid);
        drop(open);
        tracing::warn!(
            %source,
            limit,
            turned_away_before = more,
            "a source has all the connections that one may have; more are closed"
        );
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((sources, source)) = self.0.take() else {
            return;
        };
        let mut open = sources.lock();
        if let Some(count) = open.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                open.by_source.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_source_has_its_limit_and_gets_it_back() {
        let sources = PerSourceLimit::default();
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = sources.enter(a, 2).unwrap();
        let second = sources.enter(a, 2).unwrap();
        assert!(sources.enter(a, 2).is_none());
        assert!(sources.enter(b, 2).is_some());
        drop(first);
        assert!(sources.enter(a, 2).is_some());
        drop(second);
        assert!(sources.lock().by_source.is_empty());
        assert!(sources.enter(a, 0).is_some());
        let host = |n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        let held = sources.enter(host(1), 1).unwrap();
        assert!(sources.enter(host(2), 1).is_none(), "the same /64");
        drop(held);
        assert!(sources.lock().by_source.is_empty());
    }
}
