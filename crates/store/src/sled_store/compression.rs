//! Values that are kept compressed: of certificates, enrollments and audit events most octets are those of the one before.
//!
//! Each kind has dictionaries, values that were once stored, and LZ4 refers to the newest of them. A dictionary is kept
//! for ever, in the same batch as the first value that refers to it. Where values become unlike it (another issuer,
//! other claims) a new one is made, after twice as many such values each time, so that there are never many.
//!
//! From the number on that a record of the store notes for each kind, a value begins with an octet: 0, and the value
//! follows as it is; or the number of its dictionary, then its length (LEB128) and an LZ4 block. Earlier values have
//! none: a scepd of schema version 3 wrote them.
//!
//! Nobody outside can read how long a value is, and no secret is in one: what lengths of compressed text give away is
//! of no use to anybody.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use lz4_flex::block::{compress_with_dict, decompress_into_with_dict};
use sled::IVec;

use super::keys::{Kind, id_of};
use super::staged::Next;
use super::wire;
use crate::{Error, Result};

/// The kinds whose values are compressed. Only ever appended to: the note has their numbers in this order.
const KINDS: [Kind; 4] = [Kind::Audit, Kind::Certificate, Kind::Der, Kind::Enrollment];

/// The largest dictionary, in octets: some values of each kind. What is compressed is compared with all of it.
const DICTIONARY_MAX: usize = 3072;

/// As many dictionaries as a kind can have.
const DICTIONARIES_MAX: usize = 255;

/// No value is longer.
const VALUE_MAX: usize = 64 << 20;

/// What stands before a value that is kept as it is.
const PLAIN: u8 = 0;

/// How values are compressed in a store.
#[derive(Default)]
pub(super) struct Compression {
    /// The first number of each kind whose values begin with an octet that says how they are kept. Not set: there is none.
    since: OnceLock<[u64; KINDS.len()]>,
    kinds: [Dictionaries; KINDS.len()],
}

#[derive(Default)]
struct Dictionaries {
    /// By number from 1 on.
    known: RwLock<Vec<Arc<[u8]>>>,
    /// How many values were unlike the newest.
    unlike: AtomicU32,
}

impl Compression {
    /// Where the first numbers are kept.
    pub(super) fn key() -> Vec<u8> {
        Kind::Meta.name("compressed since")
    }

    /// What the store notes, and its dictionaries.
    pub(super) fn load(db: &sled::Db) -> sled::Result<Result<Self>> {
        let compression = Self::default();
        if let Some(octets) = db.get(Self::key())? {
            match wire::decode("since when values are compressed", &octets) {
                Ok(since) => drop(compression.since.set(since)),
                Err(error) => return Ok(Err(error)),
            }
        }
        for record in db.scan_prefix([Kind::Dictionary.letter()]) {
            let (key, octets) = record?;
            if let Some((place, number)) = dictionary_of(&key)
                && let Some(kind) = compression.kinds.get(place)
            {
                let mut known = kind.known.write().unwrap_or_else(PoisonError::into_inner);
                // One that is missing leaves its place.
                let last = known.len().max(number.into());
                known.resize(last, Arc::from([]));
                if let Some(known) = known.get_mut(usize::from(number) - 1) {
                    *known = Arc::from(octets.as_ref());
                }
            }
        }
        Ok(Ok(compression))
    }

    /// Whether values are compressed from some number on.
    pub(super) fn is_begun(&self) -> bool {
        self.since.get().is_some()
    }

    /// From these numbers on values are compressed, once the record that this gives is on disk and
    /// [`begun`](Self::begun) was called.
    pub(super) fn beginning(next: &Next) -> ([u64; KINDS.len()], Vec<u8>) {
        let since = [
            next.event,
            next.certificate,
            next.certificate,
            next.enrollment,
        ];
        let octets = wire::encode("since when values are compressed", &since);
        (since, octets.unwrap_or_default())
    }

    pub(super) fn begun(&self, since: [u64; KINDS.len()]) {
        let _ = self.since.set(since);
    }

    /// The place of this key's kind, when its value begins with an octet that says how it is kept.
    fn place(&self, key: &[u8]) -> Option<usize> {
        let since = self.since.get()?;
        let letter = *key.first()?;
        let place = KINDS.iter().position(|kind| kind.letter() == letter)?;
        (id_of(key)? >= *since.get(place)?).then_some(place)
    }

    /// The value as it is kept. A dictionary that is new is handed to `put` under its key, to be written with the value.
    /// To be called by who may write, and by nobody else.
    pub(super) fn kept(
        &self,
        key: &[u8],
        value: Vec<u8>,
        put: impl FnOnce(Vec<u8>, Vec<u8>),
    ) -> Vec<u8> {
        let Some((place, kind)) = self
            .place(key)
            .and_then(|place| Some((place, self.kinds.get(place)?)))
        else {
            return value;
        };
        let (count, newest) = kind.newest();
        let compressed = newest
            .as_ref()
            .and_then(|newest| compressed(count, newest, &value));
        let is_like = |kept: &Vec<u8>| kept.len() <= value.len() / 4 * 3;
        if let Some(kept) = compressed.as_ref().filter(|kept| is_like(kept)) {
            return kept.clone();
        }
        if kind.is_time_for_another(count) {
            let dictionary = joined(newest.as_deref().unwrap_or_default(), &value);
            let number = kind.add(Arc::from(dictionary.as_slice()));
            let with_it = compressed_by(number, &dictionary, &value);
            put(dictionary_key(place, number), dictionary);
            return with_it.unwrap_or_else(|| plain(&value));
        }
        compressed.unwrap_or_else(|| plain(&value))
    }

    /// The value of which this is kept; an empty one when that cannot be read, which no record of these kinds is.
    pub(super) fn value(&self, key: &[u8], kept: IVec) -> IVec {
        let Some(kind) = self.place(key).and_then(|place| self.kinds.get(place)) else {
            return kept;
        };
        match kept.first() {
            Some(&PLAIN) => kept.subslice(1, kept.len() - 1),
            Some(&number) => {
                let rest = kept.get(1..).unwrap_or_default();
                let value = kind.dictionary(number);
                let value = value.and_then(|dictionary| uncompressed(rest, &dictionary));
                IVec::from(value.unwrap_or_default())
            }
            None => kept,
        }
    }

    /// As [`kept`](Self::kept), without compression.
    #[cfg(test)]
    pub(super) fn kept_plainly(&self, key: &[u8], value: Vec<u8>) -> Vec<u8> {
        match self.place(key) {
            Some(_) => plain(&value),
            None => value,
        }
    }
}

impl Dictionaries {
    /// How many there are, and the newest.
    fn newest(&self) -> (usize, Option<Arc<[u8]>>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.len(), known.last().cloned())
    }

    fn dictionary(&self, number: u8) -> Option<Arc<[u8]>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(usize::from(number).checked_sub(1)?).cloned()
    }

    /// Notes that a value was unlike the newest of so many dictionaries; says whether there were enough of them.
    fn is_time_for_another(&self, count: usize) -> bool {
        let unlike = self.unlike.fetch_add(1, Ordering::Relaxed);
        let enough = 1_u32.checked_shl(u32::try_from(count).unwrap_or(u32::MAX));
        count < DICTIONARIES_MAX && enough.is_some_and(|enough| unlike.saturating_add(1) >= enough)
    }

    /// Adds one; gives its number.
    fn add(&self, dictionary: Arc<[u8]>) -> u8 {
        self.unlike.store(0, Ordering::Relaxed);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.push(dictionary);
        u8::try_from(known.len()).unwrap_or(u8::MAX)
    }
}

/// Where a dictionary is kept: behind the letter that of its kind, then its number.
fn dictionary_key(place: usize, number: u8) -> Vec<u8> {
    let letter = KINDS.get(place).map_or(0, |kind| kind.letter());
    vec![Kind::Dictionary.letter(), letter, number]
}

/// The place of the kind and the number of the dictionary with this key.
pub(super) fn dictionary_of(key: &[u8]) -> Option<(usize, u8)> {
    let &[_, letter, number] = key else {
        return None;
    };
    let place = KINDS.iter().position(|kind| kind.letter() == letter)?;
    (number > 0).then_some((place, number))
}

/// The end of the newest dictionary and the value, which comes last.
fn joined(newest: &[u8], value: &[u8]) -> Vec<u8> {
    let value = value.get(..DICTIONARY_MAX).unwrap_or(value);
    let from = newest.len().saturating_sub(DICTIONARY_MAX - value.len());
    [newest.get(from..).unwrap_or_default(), value].concat()
}

fn plain(value: &[u8]) -> Vec<u8> {
    [&[PLAIN], value].concat()
}

fn compressed(number: usize, dictionary: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    compressed_by(u8::try_from(number).ok()?, dictionary, value)
}

/// `None` when that takes more than the value does.
fn compressed_by(number: u8, dictionary: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let block = compress_with_dict(value, dictionary);
    let mut kept = Vec::with_capacity(block.len() + 4);
    kept.push(number);
    let mut length = value.len();
    while length >= 0x80 {
        kept.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    kept.push(length as u8);
    kept.extend_from_slice(&block);
    (kept.len() <= value.len()).then_some(kept)
}

/// The value of what stands behind the number of its dictionary.
fn uncompressed(kept: &[u8], dictionary: &[u8]) -> Option<Vec<u8>> {
    let (mut length, mut at) = (0_usize, 0);
    loop {
        let octet = *kept.get(at)?;
        // Four octets of seven bits are more than any value has.
        if at == 4 {
            return None;
        }
        length |= usize::from(octet & 0x7f) << (7 * at);
        at += 1;
        if octet < 0x80 {
            break;
        }
    }
    let block = kept.get(at..)?;
    if length > VALUE_MAX {
        return None;
    }
    let mut value = vec![0; length];
    let written = decompress_into_with_dict(block, &mut value, dictionary).ok()?;
    (written == length).then_some(value)
}

/// Why a certificate whose DER is empty cannot be shown.
pub(super) fn unreadable(what: &str, number: u64) -> Error {
    Error::Corrupt {
        what: format!("{what} {number} cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    fn begun(since: u64) -> Compression {
        let compression = Compression::default();
        compression.begun([since; KINDS.len()]);
        compression
    }

    fn event(n: usize) -> Vec<u8> {
        format!("device-{n:09} asked https://scep.example/corp for a certificate and got it, as always in profile corp").into_bytes()
    }

    #[test]
    fn values_like_those_before_take_little_and_come_back() {
        let compression = begun(1);
        let mut dictionaries = Vec::new();
        let mut octets = 0;
        for n in 1..=1000 {
            let key = Kind::Audit.id(n as u64);
            let kept = compression.kept(&key, event(n), |key, _| dictionaries.push(key));
            octets += kept.len();
            assert_eq!(compression.value(&key, kept.into()), event(n));
        }
        assert_eq!(dictionaries, [[b'b', b'a', 1]]);
        assert!(octets < 1000 * event(1).len() / 3, "{octets}");
    }

    #[test]
    fn for_values_that_are_like_no_other_few_dictionaries_are_made() {
        let compression = begun(1);
        let mut dictionaries = Vec::new();
        for n in 1..=1000_u64 {
            let key = Kind::Der.id(n);
            let value = ring::digest::digest(&ring::digest::SHA512, &n.to_be_bytes());
            let value = value.as_ref().to_vec();
            let kept = compression.kept(&key, value.clone(), |key, octets| {
                assert!(octets.len() <= DICTIONARY_MAX);
                dictionaries.push(key);
            });
            assert!(kept.len() <= value.len() + 1);
            assert_eq!(compression.value(&key, kept.into()), value);
        }
        // After 1, 2, 4, ... values, which are 511 in all.
        assert_eq!(dictionaries.len(), 9, "{dictionaries:?}");
    }

    #[test]
    fn values_of_before_and_of_other_kinds_are_left_alone() {
        let compression = begun(7);
        let none = |_: Vec<u8>, _: Vec<u8>| panic!("a dictionary");
        for key in [
            Kind::Audit.id(6),
            Kind::Revocation.id(7),
            Compression::key(),
        ] {
            assert_eq!(compression.kept(&key, event(1), none), event(1));
            assert_eq!(compression.value(&key, event(1).into()), event(1));
        }
        let key = Kind::Audit.id(7);
        let before = Compression::default();
        assert_eq!(before.kept(&key, event(1), none), event(1));
        assert_eq!(before.value(&key, event(1).into()), event(1));
    }

    #[test]
    fn what_cannot_be_read_is_empty() {
        let compression = begun(1);
        let key = Kind::Audit.id(1);
        compression.kept(&key, event(1), |_, _| ());
        let kept = compression.kept(&key, event(2), |_, _| ());
        assert_eq!(kept[0], 1);
        for damaged in [
            &kept[..kept.len() - 1],
            &[&kept[..], &[0]].concat(),
            &[&[2], &kept[1..]].concat(),
            &kept[..1],
            &[1, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
            &[1, 0xff, 0xff, 0xff, 0x7f],
            &[],
        ] {
            assert_eq!(compression.value(&key, damaged.into()), b"");
        }
    }

    proptest! {
        #[test]
        fn any_values_come_back(values in proptest::collection::vec(any::<Vec<u8>>(), 1..20)) {
            let compression = begun(1);
            for (n, value) in values.into_iter().enumerate() {
                let key = Kind::Enrollment.id(n as u64 + 1);
                let kept = compression.kept(&key, value.clone(), |_, _| ());
                prop_assert_eq!(compression.value(&key, kept.into()), value);
            }
        }

        #[test]
        fn any_octets_are_read_or_empty(kept: Vec<u8>) {
            let compression = begun(1);
            compression.kept(&Kind::Audit.id(1), event(1), |_, _| ());
            let _ = compression.value(&Kind::Audit.id(2), kept.into());
        }
    }
}
