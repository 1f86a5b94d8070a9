//! Replay and rate marks, by the page.
//!
//! A mark is small and there may be a million of them, while sled keeps at most 16 records on a
//! page and spends a good deal of memory on each page. So marks are kept in pages of a few, one
//! record each, numbered from 1 for every profile; a new mark goes on the newest page.

use chrono::{DateTime, TimeDelta, Utc};
use sled::IVec;

use super::engine::Engine;
use super::keys::Kind;
use super::tables::Digest;
use super::wire::{self, corrupt};
use crate::{Conflict, Result};

/// Marks on a page.
pub(super) const PAGE_MARKS: usize = 16;

/// The longest profile name that fits a page's key, in octets.
const PROFILE_MAX: usize = 255;

/// Whose marks: the first part of a page's key.
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

    /// The owner and the number of the page with this key.
    pub(super) fn of_page(key: &[u8]) -> Option<(Self, u64)> {
        let length = usize::from(*key.get(1)?);
        let (prefix, number) = key.split_at_checked(2 + length)?;
        Some((
            Self {
                prefix: prefix.to_vec(),
            },
            u64::from_be_bytes(number.try_into().ok()?),
        ))
    }

    /// Whose they are; `None` when the name is no text.
    pub(super) fn profile(&self) -> Option<&str> {
        std::str::from_utf8(self.prefix.get(2..)?).ok()
    }

    /// What the keys of all its pages begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    pub(super) fn page(&self, number: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + 8);
        key.extend_from_slice(&self.prefix);
        key.extend_from_slice(&number.to_be_bytes());
        key
    }

    pub(super) fn is_rate(&self) -> bool {
        self.prefix.first() == Some(&Kind::Rate.letter())
    }
}

/// A mark on a page. Times are microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageMark {
    pub(super) digest: [u8; 16],
    /// From then on it is void.
    pub(super) until: i64,
    /// When the enrollment was; kept of rate marks only.
    pub(super) at: i64,
}

/// The marks on a page of this kind.
pub(super) fn read_page(rate: bool, octets: &[u8]) -> Result<Vec<PageMark>> {
    let mut marks = Vec::with_capacity(PAGE_MARKS);
    let mut rest = octets;
    while !rest.is_empty() {
        let (mark, after) =
            take(rate, rest).ok_or_else(|| corrupt("a page of marks", "it is cut short"))?;
        marks.push(mark);
        rest = after;
    }
    Ok(marks)
}

fn take(rate: bool, octets: &[u8]) -> Option<(PageMark, &[u8])> {
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
        PageMark {
            digest: *digest,
            until: i64::from_be_bytes(*until),
            at,
        },
        rest,
    ))
}

fn write_page(rate: bool, marks: &[PageMark]) -> Vec<u8> {
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

/// The newest page with one more mark on it, or a new page: its number and octets. `last` is
/// the newest page's number, 0 when there is none.
pub(super) fn added(
    owner: &Owner,
    last: u64,
    page: Option<&[u8]>,
    mark: PageMark,
) -> Result<(u64, Vec<u8>)> {
    let rate = owner.is_rate();
    let mut marks = read_page(rate, page.unwrap_or_default())?;
    if last == 0 || marks.len() >= PAGE_MARKS {
        return Ok((last.saturating_add(1), write_page(rate, &[mark])));
    }
    marks.push(mark);
    Ok((last, write_page(rate, &marks)))
}

/// Whether one more may be taken `at` a time, given the times (microseconds since 1970) at which it was
/// taken. One of the future counts: a clock was set back.
pub(super) fn has_room(
    scope: &str,
    key: &Digest,
    taken: impl Iterator<Item = i64>,
    at: DateTime<Utc>,
    limit: u32,
    window: TimeDelta,
) -> std::result::Result<(), Conflict> {
    let from = at
        .checked_sub_signed(window)
        .map_or(i64::MIN, |from| from.timestamp_millis());
    // In milliseconds, as the profile's actor counts them.
    let counts = |micros: &i64| micros.div_euclid(1000) > from;
    let mut taken: Vec<i64> = taken.filter(counts).collect();
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    if taken.len() < most {
        return Ok(());
    }
    taken.sort_unstable();
    let blocking = taken.get(taken.len() - most).copied().unwrap_or_default();
    let blocking = wire::time("a rate mark", blocking).unwrap_or(at);
    Err(Conflict::Limited {
        scope: scope.to_owned(),
        key: *key,
        limit,
        used: taken.len(),
        frees_at: blocking.checked_add_signed(window).unwrap_or(at),
    })
}

/// Every mark of an owner that is live at `now` (microseconds since 1970), oldest first.
pub(super) fn each_live(
    engine: &Engine,
    owner: &Owner,
    now: i64,
    visit: &mut dyn FnMut(PageMark) -> Result<()>,
) -> Result<()> {
    engine.scan(owner.prefix(), |_: &IVec, octets| {
        for mark in read_page(owner.is_rate(), octets)? {
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
        fn pages_come_back(marks in prop::collection::vec(any::<([u8; 16], i64, i64)>(), 0..20), rate: bool) {
            let marks: Vec<PageMark> = marks.into_iter()
                .map(|(digest, until, at)| PageMark { digest, until, at: if rate { at } else { 0 } })
                .collect();
            prop_assert_eq!(read_page(rate, &write_page(rate, &marks)).unwrap(), marks);
        }

        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>, rate: bool) {
            let each = if rate { 32 } else { 24 };
            prop_assert_eq!(read_page(rate, &octets).is_ok(), octets.len().is_multiple_of(each));
            let _ = Owner::of_page(&octets);
        }

        #[test]
        fn keys_come_back(profile in "[a-z0-9-]{0,40}", number: u64, rate: bool) {
            let kind = if rate { Kind::Rate } else { Kind::Replay };
            let owner = Owner::new(kind, &profile).unwrap();
            prop_assert_eq!(Owner::of_page(&owner.page(number)), Some((owner, number)));
        }
    }

    #[test]
    fn a_page_takes_so_many_marks_and_then_a_new_one_begins() {
        let owner = Owner::new(Kind::Replay, "corp").unwrap();
        let mark = |n: u8| PageMark {
            digest: [n; 16],
            until: 9,
            at: 0,
        };
        let (mut last, mut page) = added(&owner, 0, None, mark(0)).unwrap();
        for n in 1..=PAGE_MARKS as u8 {
            assert_eq!(last, 1);
            (last, page) = added(&owner, last, Some(&page), mark(n)).unwrap();
        }
        assert_eq!((last, read_page(false, &page).unwrap().len()), (2, 1));
    }

    #[test]
    fn a_profile_name_that_does_not_fit_is_refused() {
        assert!(Owner::new(Kind::Replay, &"p".repeat(PROFILE_MAX)).is_ok());
        assert!(Owner::new(Kind::Replay, &"p".repeat(PROFILE_MAX + 1)).is_err());
    }
}
