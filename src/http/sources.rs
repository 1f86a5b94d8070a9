//! How many connections each source address has open.

use actors::network_of;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The open connections by source. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sources {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's share of its source's limit; given back when dropped.
pub(super) struct Share(Option<(Sources, IpAddr)>);

impl Sources {
    /// One more connection from `source`, unless it has `limit` of them; 0 = no limit. IPv6 sources
    /// count by their /64.
    pub(super) fn enter(&self, source: IpAddr, limit: usize) -> Option<Share> {
        if limit == 0 {
            return Some(Share(None));
        }
        let source = network_of(source);
        let mut open = self.lock();
        let count = open.entry(source).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Share(Some((self.clone(), source))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((sources, source)) = self.0.take() else {
            return;
        };
        let mut open = sources.lock();
        if let Some(count) = open.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                open.remove(&source);
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
        let sources = Sources::default();
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = sources.enter(a, 2).unwrap();
        let second = sources.enter(a, 2).unwrap();
        assert!(sources.enter(a, 2).is_none());
        assert!(sources.enter(b, 2).is_some());
        drop(first);
        assert!(sources.enter(a, 2).is_some());
        drop(second);
        assert!(sources.lock().is_empty());
        assert!(sources.enter(a, 0).is_some());
        let host = |n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        let held = sources.enter(host(1), 1).unwrap();
        assert!(sources.enter(host(2), 1).is_none(), "the same /64");
        drop(held);
        assert!(sources.lock().is_empty());
    }
}
