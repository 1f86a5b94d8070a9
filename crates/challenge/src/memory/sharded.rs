//! A hash map in pieces, so that growing never copies more than one piece at a time.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};

/// A power of two. At a million entries a piece holds 16,000 and grows within a millisecond,
/// where one big map would stop its owner for a tenth of a second.
const PIECES: usize = 64;

/// The keys are digests: any of their bytes spreads them evenly.
pub(super) type Key = [u8; 16];

/// `HashMap<Key, V>`, split by the key's first byte.
#[derive(Debug, Clone)]
pub(super) struct Sharded<V> {
    pieces: Vec<HashMap<Key, V>>,
    len: usize,
}

impl<V> Sharded<V> {
    pub(super) fn new() -> Self {
        let hasher = RandomState::new();
        let pieces = (0..PIECES)
            .map(|_| HashMap::with_hasher(hasher.clone()))
            .collect();
        Self { pieces, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: &Key) -> Option<&V> {
        self.pieces.get(piece_of(key))?.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut V> {
        self.pieces.get_mut(piece_of(key))?.get_mut(key)
    }

    /// Puts a value in and returns the one that was there.
    pub(super) fn insert(&mut self, key: Key, value: V) -> Option<V> {
        let before = self.pieces.get_mut(piece_of(&key))?.insert(key, value);
        self.len += usize::from(before.is_none());
        before
    }

    /// Puts a value in where there is none yet; `false`, and nothing changes, where there is.
    pub(super) fn insert_new(&mut self, key: Key, value: V) -> bool {
        let Some(Entry::Vacant(place)) = self
            .pieces
            .get_mut(piece_of(&key))
            .map(|piece| piece.entry(key))
        else {
            return false;
        };
        place.insert(value);
        self.len += 1;
        true
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<V> {
        self.remove_if(key, |_| true)
    }

    /// Takes out the value that `gone` says yes to.
    pub(super) fn remove_if(&mut self, key: &Key, gone: impl FnOnce(&V) -> bool) -> Option<V> {
        let piece = self.pieces.get_mut(piece_of(key))?;
        let removed = match piece.entry(*key) {
            Entry::Occupied(place) if gone(place.get()) => place.remove(),
            _ => return None,
        };
        self.len -= 1;
        // After a peak the memory goes back, one piece at a time.
        if piece.capacity() > 1024 && piece.len() < piece.capacity() / 8 {
            piece.shrink_to(piece.len() * 2);
        }
        Some(removed)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &V)> {
        self.pieces.iter().flatten()
    }
}

fn piece_of(key: &Key) -> usize {
    usize::from(key[0]) % PIECES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        let mut key = [0; 16];
        key[0] = (n % 251) as u8;
        key[4..8].copy_from_slice(&n.to_be_bytes());
        key
    }

    #[test]
    fn behaves_as_one_map() {
        let mut map = Sharded::new();
        for n in 0..10_000 {
            assert_eq!(map.insert(key(n), n), None);
        }
        assert_eq!(map.len(), 10_000);
        assert_eq!(map.insert(key(7), 70), Some(7));
        assert_eq!(map.len(), 10_000);
        assert_eq!(map.get(&key(7)), Some(&70));
        assert_eq!(map.iter().count(), 10_000);
        for n in 0..10_000 {
            assert!(map.remove(&key(n)).is_some());
            assert_eq!(map.remove(&key(n)), None);
        }
        assert_eq!(map.len(), 0);
    }

    #[test]
    fn memory_goes_back_after_a_peak() {
        let mut map = Sharded::new();
        for n in 0..200_000 {
            map.insert(key(n), ());
        }
        let peak: usize = map.pieces.iter().map(HashMap::capacity).sum();
        for n in 0..200_000 {
            map.remove(&key(n));
        }
        let after: usize = map.pieces.iter().map(HashMap::capacity).sum();
        assert!(after < peak / 2, "{after} of {peak}");
    }
}
