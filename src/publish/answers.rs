//! Signed OCSP answers that are good for more than one request.
//!
//! By certificate, and for each certificate by the CertID that was asked with: an answer repeats it octet for octet. When
//! there are as many as are kept, those that nobody has asked for since half as many came are forgotten.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pki::Serial;
use store::CaId;

use super::meters::Said;

/// Parts with a lock of their own.
const SHARDS: usize = 16;
/// Certificates in each half of a shard: 65,536 answers in all, about as many KiB.
const HALF: usize = 2048;
/// Ways to ask about one certificate: four digests, with parameters and without.
const WAYS: usize = 8;

/// A signed answer.
#[derive(Debug)]
pub struct Signed {
    /// The OCSPResponse, DER.
    pub body: Bytes,
    /// Names the octets: hex.
    pub etag: String,
    /// When it was made.
    pub made: DateTime<Utc>,
    /// Its thisUpdate.
    pub this_update: DateTime<Utc>,
    /// Its nextUpdate.
    pub next_update: DateTime<Utc>,
    /// From then on a new one is made.
    pub refresh: DateTime<Utc>,
    /// What it says.
    pub(super) said: Said,
}

impl Signed {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.made <= now && now < self.refresh
    }
}

type Ways = Vec<(Box<[u8]>, Arc<Signed>)>;
type Half = HashMap<Box<[u8]>, Ways>;

#[derive(Default)]
struct Shard {
    young: Half,
    old: Half,
}

/// The answers of all CAs.
#[derive(Default)]
pub(super) struct Answers {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// How often anything was [removed](Self::remove).
    removals: AtomicU64,
}

/// What had been removed when the making of an answer began.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen(u64);

impl Answers {
    /// To be asked for before a status is looked up.
    pub(super) fn seen(&self) -> Seen {
        Seen(self.removals.load(Ordering::SeqCst))
    }

    /// The answer to this CertID, if a fresh one is kept.
    pub(super) fn find(
        &self,
        ca: &CaId,
        serial: &Serial,
        id: &[u8],
        now: DateTime<Utc>,
    ) -> Option<Arc<Signed>> {
        let key = key(ca, serial);
        let mut shard = self.shard(&key);
        if let Some(ways) = shard.young.get(&key) {
            return fresh(ways, id, now);
        }
        let ways = shard.old.remove(&key)?;
        let found = fresh(&ways, id, now);
        put(&mut shard, key, ways);
        found
    }

    /// Keeps an answer, unless something was removed since `seen`: it may say what is not true any more.
    pub(super) fn keep(
        &self,
        (ca, serial): (&CaId, &Serial),
        id: &[u8],
        signed: &Arc<Signed>,
        seen: Seen,
    ) {
        let key = key(ca, serial);
        let mut shard = self.shard(&key);
        if self.seen() != seen {
            return;
        }
        let known = match shard.young.remove(&key) {
            Some(ways) => Some(ways),
            None => shard.old.remove(&key),
        };
        let mut ways = known.unwrap_or_default();
        ways.retain(|(way, _)| **way != *id);
        if ways.len() >= WAYS {
            ways.remove(0);
        }
        ways.push((id.into(), Arc::clone(signed)));
        put(&mut shard, key, ways);
    }

    /// Forgets what is kept of these certificates.
    pub(super) fn remove(&self, ca: &CaId, serials: &[&[u8]]) {
        // First: who looked before, and has not kept it yet, keeps nothing.
        self.removals.fetch_add(1, Ordering::SeqCst);
        for serial in serials {
            let key = key(ca, &Serial::new(*serial));
            let mut shard = self.shard(&key);
            shard.young.remove(&key);
            shard.old.remove(&key);
        }
    }

    /// A number below `stripes` that is the same for the same certificate.
    pub(super) fn stripe(&self, ca: &CaId, serial: &Serial, stripes: usize) -> usize {
        self.place(&key(ca, serial), stripes)
    }

    fn place(&self, key: &[u8], places: usize) -> usize {
        let places = places.max(1) as u64;
        usize::try_from(self.hasher.hash_one(key) % places).unwrap_or_default()
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.shards;
        let shard = self.shards.get(self.place(key, SHARDS)).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(shard: &mut Shard, key: Box<[u8]>, ways: Ways) {
    if shard.young.len() >= HALF {
        shard.old = std::mem::take(&mut shard.young);
    }
    shard.young.insert(key, ways);
}

fn fresh(ways: &Ways, id: &[u8], now: DateTime<Utc>) -> Option<Arc<Signed>> {
    let (_, signed) = ways.iter().find(|(way, _)| **way == *id)?;
    signed.is_fresh(now).then(|| Arc::clone(signed))
}

fn key(ca: &CaId, serial: &Serial) -> Box<[u8]> {
    // As the store finds them: leading zeros make no difference, however many.
    let octets = serial.as_bytes();
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let number = octets.get(zeros..).unwrap_or_default();
    [ca.as_bytes().as_slice(), number].concat().into()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const CA: CaId = CaId::from_bytes([1; 16]);

    fn signed(name: &'static [u8]) -> Arc<Signed> {
        let now = DateTime::UNIX_EPOCH;
        Arc::new(Signed {
            body: Bytes::from_static(name),
            etag: String::new(),
            made: now,
            this_update: now,
            next_update: now + TimeDelta::hours(2),
            refresh: now + TimeDelta::hours(1),
            said: Said::Good,
        })
    }

    fn at(answers: &Answers, serial: &[u8], id: &[u8], hours: i64) -> Option<Bytes> {
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
        let found = answers.find(&CA, &Serial::new(serial), id, now)?;
        Some(found.body.clone())
    }

    #[test]
    fn an_answer_is_found_by_its_own_cert_id_until_its_half_life() {
        let answers = Answers::default();
        let serial = Serial::new([0, 0x81]);
        answers.keep((&CA, &serial), b"sha1", &signed(b"one"), answers.seen());
        answers.keep((&CA, &serial), b"sha256", &signed(b"two"), answers.seen());
        assert_eq!(
            at(&answers, &[0x81], b"sha1", 0).as_deref(),
            Some(&b"one"[..])
        );
        assert_eq!(
            at(&answers, &[0, 0, 0x81], b"sha256", 0).as_deref(),
            Some(&b"two"[..])
        );
        assert_eq!(at(&answers, &[0x81], b"sha512", 0), None);
        assert_eq!(at(&answers, &[0x81], b"sha1", 1), None);
        // A clock that was set back.
        assert_eq!(at(&answers, &[0x81], b"sha1", -1), None);
    }

    #[test]
    fn what_was_looked_up_before_a_revocation_is_not_kept_after_it() {
        let answers = Answers::default();
        let serial = Serial::new([5]);
        let before = answers.seen();
        answers.keep((&CA, &serial), b"id", &signed(b"good"), before);
        answers.remove(&CA, &[&[5]]);
        assert_eq!(at(&answers, &[5], b"id", 0), None);
        answers.keep((&CA, &serial), b"id", &signed(b"good"), before);
        assert_eq!(at(&answers, &[5], b"id", 0), None);
        answers.keep((&CA, &serial), b"id", &signed(b"revoked"), answers.seen());
        assert!(at(&answers, &[5], b"id", 0).is_some());
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_makes_room() {
        let answers = Answers::default();
        let good = signed(b"good");
        let asked = Serial::new([0x7f, 1]);
        answers.keep((&CA, &asked), b"id", &good, answers.seen());
        for number in 0..(4 * HALF * SHARDS) as u32 {
            let serial = Serial::new(number.to_be_bytes());
            answers.keep((&CA, &serial), b"id", &good, answers.seen());
            assert!(at(&answers, asked.as_bytes(), b"id", 0).is_some());
        }
        let kept: usize = answers
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.young.len() + shard.old.len()
            })
            .sum();
        assert!(kept <= 2 * HALF * SHARDS, "{kept}");
        assert!(at(&answers, &0_u32.to_be_bytes(), b"id", 0).is_none());
    }
}
