//! From digests to record numbers, in memory.
//!
//! Of records in full blocks, whose digests are in files beside the database, only eight octets each are held: half a
//! hash and the number, all in one sorted row. What is found there is held against the record itself.

use hashbrown::HashTable;

use super::hash::Folding;
use super::tables::Digest;

/// How far from where an entry should be it is looked for first.
const FIRST_STEP: usize = 64;

/// Reads a record's digest from disk, by the record's number; `None` when it cannot be read.
pub(super) type Reread = Box<dyn Fn(u64) -> Option<Digest> + Send + Sync>;

/// From digests to record numbers, of which the first is 1. A digest that comes again names the
/// newer record from then on.
pub(super) struct DigestMap {
    /// Of each settled record the upper half of its digest's hash, then its number less one; sorted.
    settled: Vec<u64>,
    /// How many records are settled: the first ones.
    settled_count: usize,
    /// Of the records after those, by number.
    digests: Vec<Digest>,
    /// Numbers of the records after the settled ones, less one.
    rows: HashTable<u32>,
    hasher: Folding,
    reread: Reread,
}

impl DigestMap {
    /// An empty map; `reread` is asked about settled records alone.
    pub(super) fn new(reread: Reread) -> Self {
        Self {
            settled: Vec::new(),
            settled_count: 0,
            digests: Vec::new(),
            rows: HashTable::new(),
            hasher: Folding::default(),
            reread,
        }
    }

    /// The newest record with this digest. One that cannot be read counts as the one that is looked for:
    /// whoever reads it finds out.
    pub(super) fn find(&self, digest: &Digest) -> Option<u64> {
        let hash = self.hasher.digest(digest);
        let same = |&row: &u32| self.recent(row) == Some(digest);
        if let Some(&row) = self.rows.find(hash, same) {
            return Some(u64::from(row) + 1);
        }
        let half = upper(hash);
        let end = place_behind(&self.settled, half);
        let candidates = self.settled.get(..end)?.iter().rev();
        candidates
            .take_while(|&&entry| upper(entry) == half)
            .map(|&entry| u64::from(lower(entry)) + 1)
            .find(|&number| (self.reread)(number).is_none_or(|found| found == *digest))
    }

    /// Adds the next record and returns its number.
    pub(super) fn push(&mut self, digest: Digest) -> u64 {
        let row = u32::try_from(self.settled_count + self.digests.len()).unwrap_or(u32::MAX);
        self.digests.push(digest);
        self.point(row, digest);
        u64::from(row) + 1
    }

    /// Gives a record another digest; the old one then does not name it any more. Says whether it is another.
    pub(super) fn replace(&mut self, number: u64, digest: Digest) -> bool {
        let row = number.checked_sub(1).map(u32::try_from);
        let Some(Ok(row)) = row else {
            return false;
        };
        if (row as usize) < self.settled_count {
            return self.replace_settled(row, &digest);
        }
        let Some(slot) = self.digests.get_mut(row as usize - self.settled_count) else {
            return false;
        };
        let old = std::mem::replace(slot, digest);
        if old != digest {
            let hash = self.hasher.digest(&old);
            if let Ok(entry) = self.rows.find_entry(hash, |&other| other == row) {
                entry.remove();
            }
            self.point(row, digest);
        }
        old != digest
    }

    /// Whether this record is held by eight octets, and its digest elsewhere.
    pub(super) fn is_settled(&self, number: u64) -> bool {
        number <= self.settled_count as u64
    }

    fn replace_settled(&mut self, row: u32, digest: &Digest) -> bool {
        let entry = joined(self.hasher.digest(digest), row);
        let Err(_) = self.settled.binary_search(&entry) else {
            return false;
        };
        // Rare: the digests by which a record is found hardly ever change.
        self.settled.retain(|&other| lower(other) != row);
        let place = self.settled.partition_point(|&other| other < entry);
        self.settled.insert(place, entry);
        true
    }

    fn recent(&self, row: u32) -> Option<&Digest> {
        let place = (row as usize).checked_sub(self.settled_count)?;
        self.digests.get(place)
    }

    fn point(&mut self, row: u32, digest: Digest) {
        let Self {
            settled_count,
            digests,
            rows,
            hasher,
            ..
        } = self;
        let hash = hasher.digest(&digest);
        let of = |row: &u32| {
            let place = (*row as usize).checked_sub(*settled_count);
            place
                .and_then(|place| digests.get(place))
                .copied()
                .unwrap_or_default()
        };
        match rows.find_mut(hash, |other| of(other) == digest) {
            Some(newest) => *newest = row,
            None => {
                rows.insert_unique(hash, row, |row| hasher.digest(&of(row)));
            }
        }
    }

    /// The digests of so many records that are not settled, the first of which has this number.
    pub(super) fn some(&self, first: u64, records: usize) -> &[Digest] {
        let from = usize::try_from(first).ok();
        let from = from.and_then(|first| first.checked_sub(self.settled_count + 1));
        let from = from.unwrap_or(usize::MAX);
        let end = from.saturating_add(records);
        self.digests.get(from..end).unwrap_or_default()
    }

    /// Holds the records up to this number by eight octets each from now on.
    pub(super) fn settle(&mut self, last: u64) {
        let last = usize::try_from(last).unwrap_or(usize::MAX);
        let count = last.saturating_sub(self.settled_count);
        let digests: Vec<Digest> = self
            .digests
            .drain(..count.min(self.digests.len()))
            .collect();
        self.rows.clear();
        self.extend(&digests);
        self.sort();
        let rest = std::mem::take(&mut self.digests);
        for digest in rest {
            self.push(digest);
        }
    }

    /// Adds the next records, as settled ones, while there are no others; [`sort`](Self::sort) ends it.
    pub(super) fn extend(&mut self, digests: &[Digest]) {
        self.settled.reserve_exact(digests.len());
        for digest in digests {
            let row = u32::try_from(self.settled_count).unwrap_or(u32::MAX);
            self.settled.push(joined(self.hasher.digest(digest), row));
            self.settled_count += 1;
        }
    }

    /// Makes records that were added by [`extend`](Self::extend) ones that are found.
    pub(super) fn sort(&mut self) {
        // What was sorted before is one run: merged, not sorted again.
        self.settled.sort();
    }

    /// Makes room for so many settled records in all.
    pub(super) fn make_room(&mut self, records: usize) {
        let more = records.saturating_sub(self.settled.len());
        self.settled.reserve_exact(more);
    }

    /// How many records there are.
    pub(super) fn len(&self) -> u64 {
        (self.settled_count + self.digests.len()) as u64
    }

    /// Approximate octets of memory.
    pub(super) fn bytes(&self) -> u64 {
        let settled = self.settled.capacity() * size_of::<u64>();
        let recent = self.digests.capacity() * size_of::<Digest>();
        (settled + recent + self.rows.allocation_size()) as u64
    }
}

/// How many of the sorted entries have a half up to this one. Halves of hashes are spread evenly, so the place is nearly known
/// beforehand: of a million entries some hundreds are looked among, which lie beside each other in memory.
fn place_behind(entries: &[u64], half: u32) -> usize {
    let is_before = |place: usize| {
        entries
            .get(place)
            .is_some_and(|&entry| upper(entry) <= half)
    };
    let guess = (u128::from(half) * entries.len() as u128) >> 32;
    let guess = usize::try_from(guess).unwrap_or(entries.len());
    let (mut low, mut high) = (guess, guess);
    let mut step = FIRST_STEP;
    while low > 0 && !is_before(low - 1) {
        low = low.saturating_sub(step);
        step *= 2;
    }
    step = FIRST_STEP;
    while is_before(high) {
        high = high.saturating_add(step).min(entries.len());
        step *= 2;
    }
    let among = entries.get(low..high).unwrap_or_default();
    low + among.partition_point(|&entry| upper(entry) <= half)
}

const fn joined(hash: u64, row: u32) -> u64 {
    (hash & !0xffff_ffff) | row as u64
}

const fn upper(entry: u64) -> u32 {
    (entry >> 32) as u32
}

const fn lower(entry: u64) -> u32 {
    entry as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Push(u8),
        Replace(usize, u8),
        Settle(usize),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            4 => (0_u8..12).prop_map(Op::Push),
            1 => (0_usize..30, 0_u8..12).prop_map(|(number, digest)| Op::Replace(number, digest)),
            1 => (0_usize..30).prop_map(Op::Settle),
        ];
        prop::collection::vec(op, 0..80)
    }

    proptest! {
        #[test]
        fn finds_as_a_list_does(ops in ops()) {
            let model: Arc<Mutex<Vec<u8>>> = Arc::default();
            let disk = Arc::clone(&model);
            let mut map = DigestMap::new(Box::new(move |number| {
                Some([disk.lock().unwrap()[number as usize - 1]; 16])
            }));
            // Digests that records had or got by being replaced: of those any record with them may be found.
            let mut moved: HashSet<u8> = HashSet::new();
            for op in ops {
                match op {
                    Op::Push(digest) => {
                        model.lock().unwrap().push(digest);
                        let count = model.lock().unwrap().len() as u64;
                        prop_assert_eq!(map.push([digest; 16]), count);
                        moved.remove(&digest);
                    }
                    Op::Replace(number, digest) => {
                        let known = model.lock().unwrap().get(number).copied();
                        let Some(old) = known else { continue };
                        model.lock().unwrap()[number] = digest;
                        prop_assert_eq!(map.replace(number as u64 + 1, [digest; 16]), old != digest);
                        if old != digest {
                            moved.extend([old, digest]);
                        }
                    }
                    Op::Settle(last) => {
                        let last = last.min(model.lock().unwrap().len());
                        map.settle(last as u64);
                    }
                }
                let model = model.lock().unwrap().clone();
                prop_assert_eq!(map.len(), model.len() as u64);
                for digest in 0..12 {
                    let newest = model.iter().rposition(|&other| other == digest);
                    let newest = newest.map(|row| row as u64 + 1);
                    let found = map.find(&[digest; 16]);
                    match moved.contains(&digest) {
                        false => prop_assert_eq!(found, newest),
                        true => prop_assert!(found.is_none_or(|number| model[number as usize - 1] == digest)),
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_place_of_a_half_is_the_one_that_halving_finds(
            mut entries in prop::collection::vec(any::<u64>(), 0..600),
            crowded in prop::collection::vec(0_u64..400 << 24, 0..600),
            half: u32,
            near in 0_u32..500,
        ) {
            entries.extend(crowded.iter().map(|low| low << 8));
            entries.sort_unstable();
            for half in [half, near, 0, u32::MAX] {
                let expected = entries.partition_point(|&entry| upper(entry) <= half);
                prop_assert_eq!(place_behind(&entries, half), expected);
            }
        }
    }

    #[test]
    fn of_records_that_look_alike_the_one_on_disk_is_found() {
        let mut map = DigestMap::new(Box::new(|number| Some([number as u8; 16])));
        map.extend(&[[1; 16], [2; 16], [3; 16]]);
        map.sort();
        // As if the hashes of all three began alike.
        let hash = map.hasher.digest(&[2; 16]);
        map.settled = (0..3).map(|row| joined(hash, row)).collect();
        assert_eq!(map.find(&[2; 16]), Some(2));
        map.reread = Box::new(|_| Some([9; 16]));
        assert_eq!(map.find(&[2; 16]), None);
        map.reread = Box::new(|_| None);
        assert_eq!(map.find(&[2; 16]), Some(3), "whoever reads it finds out");
    }

    #[test]
    fn a_settled_record_takes_eight_octets() {
        let mut map = DigestMap::new(Box::new(|_| None));
        let digests: Vec<Digest> = (0..50_000_u32)
            .map(|n| {
                let mut digest = [0; 16];
                digest[..4].copy_from_slice(&n.to_be_bytes());
                digest
            })
            .collect();
        map.extend(&digests);
        map.sort();
        assert_eq!(map.bytes(), 400_000);
        assert_eq!(map.len(), 50_000);
    }
}
