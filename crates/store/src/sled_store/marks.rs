//! Replay and rate marks, by the sheet.
//!
//! A mark is small and there may be a million of them, while sled keeps at most 16 records on a
//! page and spends a good deal of memory on each page. So marks are kept in sheets of a few, one
//! record each, numbered from 1 for every profile; a new mark goes on the newest sheet.
//!
//! Sheets whose marks have all passed their time are removed on the way: every commit looks at a
//! few sheets, always going on where it stopped.

use std::collections::{BTreeMap, BTreeSet};

use sled::IVec;

use super::engine::Engine;
use super::keys::Kind;
use super::stage::Staged;
use super::wire::corrupt;
use crate::{Conflict, Result};

/// Marks on a sheet.
const SHEET_MARKS: usize = 16;

/// Sheets looked at for each profile with every commit, besides one for each [`SHEET_MARKS`] / 2
/// marks that the commit puts, so that removing keeps up with putting.
const SWEPT_SHEETS: usize = 4;

/// The longest profile name that fits a sheet's key, in octets.
const PROFILE_MAX: usize = 255;

/// Whose marks: the first part of a sheet's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    prefix: Vec<u8>,
}

impl Owner {
    /// The marks of this kind and profile.
    pub(super) fn new(kind: Kind, profile: &str) -> std::result::Result<Self, Conflict> {
        let length = u8::try_from(profile.len()).map_err(|_| Conflict::Unstorable {
            what: "a mark",
            why: format!("its profile's name is longer than {PROFILE_MAX} octets"),
        })?;
        let mut prefix = Vec::with_capacity(2 + profile.len());
        prefix.push(kind.letter());
        prefix.push(length);
        prefix.extend_from_slice(profile.as_bytes());
        Ok(Self { prefix })
    }

    /// The owner and the number of the sheet with this key.
    pub(super) fn of_sheet(key: &[u8]) -> Option<(Self, u64)> {
        let length = usize::from(*key.get(1)?);
        let (prefix, number) = key.split_at_checked(2 + length)?;
        Some((
            Self {
                prefix: prefix.to_vec(),
            },
            u64::from_be_bytes(number.try_into().ok()?),
        ))
    }

    /// What the keys of all its sheets begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    pub(super) fn sheet(&self, number: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + 8);
        key.extend_from_slice(&self.prefix);
        key.extend_from_slice(&number.to_be_bytes());
        key
    }

    /// Above the keys of all its sheets.
    fn end(&self) -> Vec<u8> {
        let mut key = self.sheet(u64::MAX);
        key.push(0);
        key
    }

    fn is_rate(&self) -> bool {
        self.prefix.first() == Some(&Kind::Rate.letter())
    }
}

/// A mark on a sheet. Times are microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SheetMark {
    pub(super) digest: [u8; 16],
    /// From then on it is void.
    pub(super) until: i64,
    /// When the enrollment was; kept of rate marks only.
    pub(super) at: i64,
}

/// The marks on a sheet of this kind.
pub(super) fn read_sheet(rate: bool, octets: &[u8]) -> Result<Vec<SheetMark>> {
    let mut marks = Vec::with_capacity(SHEET_MARKS);
    let mut rest = octets;
    while !rest.is_empty() {
        let (mark, after) =
            take(rate, rest).ok_or_else(|| corrupt("a sheet of marks", "it is cut short"))?;
        marks.push(mark);
        rest = after;
    }
    Ok(marks)
}

fn take(rate: bool, octets: &[u8]) -> Option<(SheetMark, &[u8])> {
    let (digest, rest) = octets.split_first_chunk::<16>()?;
    let (until, rest) = rest.split_first_chunk::<8>()?;
    let (at, rest) = match rate {
        false => (0, rest),
        true => {
            let (at, rest) = rest.split_first_chunk::<8>()?;
            (i64::from_be_bytes(*at), rest)
        }
    };
    Some((
        SheetMark {
            digest: *digest,
            until: i64::from_be_bytes(*until),
            at,
        },
        rest,
    ))
}

fn write_sheet(rate: bool, marks: &[SheetMark]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(marks.len() * 32);
    for mark in marks {
        octets.extend_from_slice(&mark.digest);
        octets.extend_from_slice(&mark.until.to_be_bytes());
        if rate {
            octets.extend_from_slice(&mark.at.to_be_bytes());
        }
    }
    octets
}

/// The newest sheet with one more mark on it, or a new sheet: its number and octets. `last` is
/// the newest sheet's number, 0 when there is none.
pub(super) fn added(
    owner: &Owner,
    last: u64,
    sheet: Option<&[u8]>,
    mark: SheetMark,
) -> Result<(u64, Vec<u8>)> {
    let rate = owner.is_rate();
    let mut marks = read_sheet(rate, sheet.unwrap_or_default())?;
    if last == 0 || marks.len() >= SHEET_MARKS {
        return Ok((last.saturating_add(1), write_sheet(rate, &[mark])));
    }
    marks.push(mark);
    Ok((last, write_sheet(rate, &marks)))
}

/// The newest sheet of every owner, and how far sweeping has come.
#[derive(Debug, Default)]
pub(super) struct Sheets {
    owners: BTreeMap<Owner, Place>,
    turn: Option<Owner>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    last: u64,
    /// The next sheet to look at.
    sweep: u64,
}

impl Sheets {
    /// Finds them by skipping from one owner to the next.
    pub(super) fn load(engine: &Engine) -> Result<Self> {
        let mut sheets = Self::default();
        for kind in [Kind::Replay, Kind::Rate] {
            let end = [kind.letter() + 1];
            let mut from = vec![kind.letter()];
            while let Some((key, _)) = engine.first_in(&from, &end)? {
                let Some((owner, _)) = Owner::of_sheet(&key) else {
                    from = key.to_vec();
                    from.push(0);
                    continue;
                };
                from = owner.end();
                let last = engine.last_in(owner.prefix(), &from)?;
                let last = last.and_then(|(key, _)| Owner::of_sheet(&key));
                let last = last.map_or(0, |(_, number)| number);
                sheets.owners.insert(owner, Place { last, sweep: 0 });
            }
        }
        Ok(sheets)
    }

    /// The number of the owner's newest sheet; 0 when there is none.
    pub(super) fn last(&self, owner: &Owner) -> u64 {
        self.owners.get(owner).map_or(0, |place| place.last)
    }

    /// Takes over what was written.
    pub(super) fn advance(&mut self, newest: &BTreeMap<Owner, u64>) {
        for (owner, last) in newest {
            self.owners.entry(owner.clone()).or_default().last = *last;
        }
    }

    /// Adds the removal of sheets that are void at `now` (microseconds since 1970) to what is
    /// staged: of the owners that got marks, and of one more in turn.
    pub(super) fn sweep(&mut self, engine: &Engine, staged: &mut Staged, now: i64) -> Result<()> {
        let mut whose: BTreeSet<Owner> = staged.sheets.keys().cloned().collect();
        whose.extend(self.next_in_turn());
        let most = SWEPT_SHEETS + staged.marks_put / (SHEET_MARKS / 2);
        for owner in whose {
            let place = self.owners.entry(owner.clone()).or_default();
            let from = owner.sheet(place.sweep);
            let sheets = engine.some_in(&from, &owner.end(), most)?;
            // Round again once the end is reached.
            place.sweep = 0;
            if sheets.len() == most
                && let Some((_, number)) = sheets.last().and_then(|(key, _)| Owner::of_sheet(key))
            {
                place.sweep = number.saturating_add(1);
            }
            for (key, octets) in sheets {
                let marks = read_sheet(owner.is_rate(), &octets)?;
                if marks.iter().all(|mark| mark.until <= now) {
                    staged.writes.entry(key.to_vec()).or_insert(None);
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

/// Every mark of an owner that is live at `now` (microseconds since 1970), oldest first.
pub(super) fn each_live(
    engine: &Engine,
    owner: &Owner,
    now: i64,
    visit: &mut dyn FnMut(SheetMark) -> Result<()>,
) -> Result<()> {
    engine.scan(owner.prefix(), |_: &IVec, octets| {
        for mark in read_sheet(owner.is_rate(), octets)? {
            if mark.until > now {
                visit(mark)?;
            }
        }
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sheets_come_back(marks in prop::collection::vec(any::<([u8; 16], i64, i64)>(), 0..20), rate: bool) {
            let marks: Vec<SheetMark> = marks.into_iter()
                .map(|(digest, until, at)| SheetMark { digest, until, at: if rate { at } else { 0 } })
                .collect();
            prop_assert_eq!(read_sheet(rate, &write_sheet(rate, &marks)).unwrap(), marks);
        }

        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>, rate: bool) {
            let each = if rate { 32 } else { 24 };
            prop_assert_eq!(read_sheet(rate, &octets).is_ok(), octets.len().is_multiple_of(each));
            let _ = Owner::of_sheet(&octets);
        }

        #[test]
        fn keys_come_back(profile in "[a-z0-9-]{0,40}", number: u64, rate: bool) {
            let kind = if rate { Kind::Rate } else { Kind::Replay };
            let owner = Owner::new(kind, &profile).unwrap();
            prop_assert_eq!(Owner::of_sheet(&owner.sheet(number)), Some((owner, number)));
        }
    }

    #[test]
    fn a_sheet_takes_so_many_marks_and_then_a_new_one_begins() {
        let owner = Owner::new(Kind::Replay, "corp").unwrap();
        let mark = |n: u8| SheetMark {
            digest: [n; 16],
            until: 9,
            at: 0,
        };
        let (mut last, mut sheet) = added(&owner, 0, None, mark(0)).unwrap();
        for n in 1..=SHEET_MARKS as u8 {
            assert_eq!(last, 1);
            (last, sheet) = added(&owner, last, Some(&sheet), mark(n)).unwrap();
        }
        assert_eq!((last, read_sheet(false, &sheet).unwrap().len()), (2, 1));
    }

    #[test]
    fn a_profile_name_that_does_not_fit_is_refused() {
        assert!(Owner::new(Kind::Replay, &"p".repeat(PROFILE_MAX)).is_ok());
        assert!(Owner::new(Kind::Replay, &"p".repeat(PROFILE_MAX + 1)).is_err());
    }
}
