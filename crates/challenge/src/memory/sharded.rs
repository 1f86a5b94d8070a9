//! A map in many small sorted pieces: it takes little more memory than its entries, and growing never copies more than
//! one piece at a time.

use std::hash::{BuildHasher, RandomState};

/// A power of two. At a million entries a piece holds some 240.
const PIECES: usize = 4096;

/// Room that a piece gets at once, besides an eighth of what it holds.
const ROOM: usize = 4;

/// The keys are digests.
pub(super) type Key = [u8; 16];

/// What a list may hold of a key: enough to find it again, together with the few that begin alike.
pub(super) type Beginning = [u8; 8];

/// A key's beginning.
pub(super) fn beginning(key: &Key) -> Beginning {
    let [a, b, c, d, e, f, g, h, ..] = *key;
    [a, b, c, d, e, f, g, h]
}

/// As a map from keys to values. The piece is chosen by a hash with a secret of this process, so that nobody outside can
/// fill a single one.
#[derive(Debug, Clone)]
pub(super) struct Sharded<V> {
    /// Each sorted by key.
    pieces: Vec<Vec<(Key, V)>>,
    hasher: RandomState,
    len: usize,
}

impl<V> Sharded<V> {
    pub(super) fn new() -> Self {
        Self {
            pieces: (0..PIECES).map(|_| Vec::new()).collect(),
            hasher: RandomState::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: &Key) -> Option<&V> {
        let piece = self.pieces.get(self.piece_of(beginning(key)))?;
        let place = place(piece, key).ok()?;
        piece.get(place).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut V> {
        let number = self.piece_of(beginning(key));
        let piece = self.pieces.get_mut(number)?;
        let place = place(piece, key).ok()?;
        piece.get_mut(place).map(|(_, value)| value)
    }

    /// Puts a value in and returns the one that was there.
    pub(super) fn insert(&mut self, key: Key, value: V) -> Option<V> {
        if let Some(held) = self.get_mut(&key) {
            return Some(std::mem::replace(held, value));
        }
        self.insert_new(key, value);
        None
    }

    /// Puts a value in where there is none yet; `false`, and nothing changes, where there is.
    pub(super) fn insert_new(&mut self, key: Key, value: V) -> bool {
        let number = self.piece_of(beginning(&key));
        let Some(piece) = self.pieces.get_mut(number) else {
            return false;
        };
        let Err(place) = place(piece, &key) else {
            return false;
        };
        if piece.len() == piece.capacity() {
            piece.reserve_exact(piece.len() / 8 + ROOM);
        }
        piece.insert(place, (key, value));
        self.len += 1;
        true
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<V> {
        self.remove_if(key, |_| true)
    }

    /// Takes out the value that `gone` says yes to.
    pub(super) fn remove_if(&mut self, key: &Key, gone: impl FnOnce(&V) -> bool) -> Option<V> {
        let number = self.piece_of(beginning(key));
        let piece = self.pieces.get_mut(number)?;
        let place = place(piece, key).ok()?;
        piece.get(place).filter(|(_, value)| gone(value))?;
        let (_, removed) = piece.remove(place);
        self.len -= 1;
        // After a peak the memory goes back, one piece at a time.
        if piece.capacity() > 4 * ROOM && piece.len() < piece.capacity() / 2 {
            piece.shrink_to(piece.len() + piece.len() / 8 + ROOM);
        }
        Some(removed)
    }

    /// The keys that begin so.
    pub(super) fn keys_with(&self, wanted: Beginning) -> Vec<Key> {
        let piece = self.pieces.get(self.piece_of(wanted));
        let piece = piece.map(Vec::as_slice).unwrap_or_default();
        let from = piece.partition_point(|(key, _)| beginning(key) < wanted);
        let rest = piece.get(from..).unwrap_or_default();
        let keys = rest.iter().map(|(key, _)| *key);
        keys.take_while(|key| beginning(key) == wanted).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &V)> {
        let entries = self.pieces.iter().flatten();
        entries.map(|(key, value)| (key, value))
    }

    fn piece_of(&self, beginning: Beginning) -> usize {
        self.hasher.hash_one(beginning) as usize % PIECES
    }
}

/// Where the key is in its piece, or belongs.
fn place<V>(piece: &[(Key, V)], key: &Key) -> Result<usize, usize> {
    piece.binary_search_by(|(held, _)| held.cmp(key))
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
        let peak: usize = map.pieces.iter().map(Vec::capacity).sum();
        assert!(peak < 200_000 * 5 / 4 + PIECES * ROOM, "{peak}");
        for n in 0..200_000 {
            map.remove(&key(n));
        }
        let after: usize = map.pieces.iter().map(Vec::capacity).sum();
        assert!(after < peak / 2, "{after} of {peak}");
    }

    #[test]
    fn keys_that_begin_alike_are_found_together() {
        let mut map = Sharded::new();
        let alike = |n: u8| {
            let mut key = key(5);
            key[15] = n;
            key
        };
        for n in [3, 1, 2] {
            assert!(map.insert_new(alike(n), n));
        }
        assert!(map.insert_new(key(6), 0));
        assert_eq!(
            map.keys_with(beginning(&key(5))),
            [alike(1), alike(2), alike(3)]
        );
        assert_eq!(map.remove(&alike(2)), Some(2));
        assert_eq!(map.keys_with(beginning(&key(5))), [alike(1), alike(3)]);
        assert!(map.keys_with(beginning(&key(7))).is_empty());
    }
}
