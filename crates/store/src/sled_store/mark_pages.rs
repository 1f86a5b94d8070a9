//! Where marks are, and their sweeping.
//!
//! On which pages a digest may be is known in memory by eight octets a mark, so that a reservation
//! reads only pages that hold it, or hold something that begins with the same 32 bits.
//!
//! Pages whose marks have all passed their time are removed on the way: every commit looks at some
//! pages, always going on where it stopped, and removes a few. When a page's last mark passes its
//! time is known in memory too: a page that stays is not read again.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;

use super::engine::Engine;
use super::hash::Folding;
use super::keys::Kind;
use super::marks::{Owner, PAGE_MARKS, read_page};
use super::staged::{StagedMark, StagedWrites};
use super::tables::Digest;
use crate::Result;

/// Pages removed at most for each profile with every commit, besides one for each [`PAGE_MARKS`] / 2
/// marks that the commit puts, so that removing keeps up with putting.
const SWEPT_PAGES: usize = 4;

/// Pages looked at for each that may be removed.
const LOOKED_AT: usize = 16;

/// The newest page of every owner, and how far sweeping has come.
#[derive(Debug, Default)]
pub(super) struct MarkPages {
    owners: BTreeMap<Owner, Place>,
    turn: Option<Owner>,
}

#[derive(Debug, Default)]
struct Place {
    last: u64,
    /// The next page to look at.
    sweep: u64,
    /// From when on (microseconds since 1970) all marks of a page are void, by its number.
    void_from: BTreeMap<u64, i64>,
    where_marks_are: Whereabouts,
}

/// On which pages a digest may be.
#[derive(Debug, Default)]
struct Whereabouts {
    rows: HashTable<Row>,
    hasher: Folding,
}

/// The beginning of a mark's digest, and its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    beginning: [u8; 4],
    page: u32,
}

impl Row {
    fn of(digest: &Digest, page: u64) -> Self {
        let [a, b, c, d, ..] = *digest;
        Self {
            beginning: [a, b, c, d],
            page: u32::try_from(page).unwrap_or(u32::MAX),
        }
    }
}

impl Whereabouts {
    fn insert(&mut self, digest: &Digest, page: u64) {
        let row = Row::of(digest, page);
        let Self { rows, hasher } = self;
        let hash = hasher.beginning(row.beginning);
        rows.insert_unique(hash, row, |row| hasher.beginning(row.beginning));
    }

    fn remove(&mut self, digest: &Digest, page: u64) {
        let row = Row::of(digest, page);
        let hash = self.hasher.beginning(row.beginning);
        if let Ok(entry) = self.rows.find_entry(hash, |other| *other == row) {
            entry.remove();
        }
        let Self { rows, hasher } = self;
        if rows.len() < rows.capacity() / 8 {
            rows.shrink_to(rows.len() * 2, |row| hasher.beginning(row.beginning));
        }
    }

    fn pages(&self, digest: &Digest) -> impl Iterator<Item = u64> {
        let wanted = Row::of(digest, 0).beginning;
        let rows = self.rows.iter_hash(self.hasher.beginning(wanted));
        rows.filter(move |row| row.beginning == wanted)
            .map(|row| u64::from(row.page))
    }
}

impl Place {
    fn put(&mut self, digest: &Digest, page: u64, until: i64) {
        let void_from = self.void_from.entry(page).or_insert(until);
        *void_from = until.max(*void_from);
        self.where_marks_are.insert(digest, page);
    }

    /// Up to `most` pages that are void at `now`, of those whose turn it is to be looked at.
    fn void(&mut self, now: i64, most: usize) -> Vec<u64> {
        let mut void = Vec::new();
        // Round again once the end is reached.
        let from = std::mem::take(&mut self.sweep);
        for (looked_at, (number, void_from)) in self.void_from.range(from..).enumerate() {
            if looked_at == most * LOOKED_AT || void.len() == most {
                self.sweep = *number;
                break;
            }
            if *void_from <= now {
                void.push(*number);
            }
        }
        void
    }
}

impl MarkPages {
    /// Reads every page once. What cannot be read holds no mark, and stays; the check of the store names it.
    pub(super) fn load(engine: &Engine) -> Result<Self> {
        let mut pages = Self::default();
        for kind in [Kind::Replay, Kind::Rate] {
            engine.scan(&[kind.letter()], |key, octets| {
                if let Some((owner, number)) = Owner::of_page(key) {
                    let marks = read_page(owner.is_rate(), octets);
                    let place = pages.owners.entry(owner).or_default();
                    place.last = number;
                    if let Ok(marks) = marks {
                        place.void_from.insert(number, i64::MIN);
                        for mark in marks {
                            place.put(&mark.digest, number, mark.until);
                        }
                    }
                }
                Ok(true)
            })?;
        }
        Ok(pages)
    }

    /// The pages on disk that may hold this digest. One may come twice.
    pub(super) fn with(&self, owner: &Owner, digest: &Digest) -> impl Iterator<Item = u64> {
        let place = self.owners.get(owner).into_iter();
        place.flat_map(|place| place.where_marks_are.pages(digest))
    }

    /// The number of the owner's newest page; 0 when there is none.
    pub(super) fn last(&self, owner: &Owner) -> u64 {
        self.owners.get(owner).map_or(0, |place| place.last)
    }

    /// Takes over what was written: the newest pages, and the marks that are new on pages.
    pub(super) fn advance(&mut self, newest: &BTreeMap<Owner, u64>, marks: &[StagedMark]) {
        for (owner, last) in newest {
            self.owners.entry(owner.clone()).or_default().last = *last;
        }
        for mark in marks {
            if let Some(place) = self.owners.get_mut(&mark.owner) {
                place.put(&mark.digest, mark.page, mark.until);
            }
        }
    }

    /// Adds the removal of pages that are void at `now` (microseconds since 1970) to what is
    /// staged: of the owners that got marks, and of one more in turn.
    pub(super) fn sweep(
        &mut self,
        engine: &Engine,
        staged: &mut StagedWrites,
        now: i64,
    ) -> Result<()> {
        let mut whose: BTreeSet<Owner> = staged.pages.keys().cloned().collect();
        whose.extend(self.next_in_turn());
        let most = SWEPT_PAGES + staged.marks.len() / (PAGE_MARKS / 2);
        for owner in whose {
            let place = self.owners.entry(owner.clone()).or_default();
            for number in place.void(now, most) {
                let key = owner.page(number);
                let Entry::Vacant(write) = staged.writes.entry(key) else {
                    continue;
                };
                let marks = match engine.get(write.key())? {
                    Some(octets) => read_page(owner.is_rate(), &octets)?,
                    None => Vec::new(),
                };
                write.insert(None);
                place.void_from.remove(&number);
                for mark in &marks {
                    place.where_marks_are.remove(&mark.digest, number);
                }
            }
        }
        Ok(())
    }

    fn next_in_turn(&mut self) -> Option<Owner> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.turn.take().and_then(|last| {
            let mut later = self.owners.range((Excluded(last), Unbounded));
            later.next().map(|(owner, _)| owner.clone())
        });
        self.turn = after.or_else(|| {
            self.owners
                .first_key_value()
                .map(|(owner, _)| owner.clone())
        });
        self.turn.clone()
    }
}
