//! How often a modulus is looked at for being a prime.

use pki::{KeyKind, PublicKey};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time after which one test of a modulus of 2048 bits, about a millisecond of work, is afforded again: at most 1% of
/// one processor.
const A_TEST: Duration = Duration::from_millis(125);

/// How many such tests may be made at once.
const BURST: u32 = 16;

/// Looking whether a modulus is a prime costs about as much as the whole enrollment, and only whoever makes such a key is
/// harmed by it: every key is looked at while few come, and some of them when many do. All profiles share the account.
#[derive(Default)]
pub(crate) struct Primality {
    /// When the account will be full again; none: it is.
    full_at: Mutex<Option<Instant>>,
}

impl Primality {
    /// Whether the modulus of this key is to be tested now; then that is paid.
    pub(crate) fn affords(&self, key: &PublicKey, now: Instant) -> bool {
        let KeyKind::Rsa { bits } = key.kind() else {
            return false;
        };
        // Three quarters more bits are five times the work.
        let size = bits.div_ceil(1024).clamp(2, 16);
        let price = A_TEST * size.pow(3) / 8;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let then = full_at.map_or(now, |full_at| full_at.max(now)) + price;
        // What costs more than there can be is paid from a full account.
        if then.saturating_duration_since(now) > (A_TEST * BURST).max(price) {
            return false;
        }
        *full_at = Some(then);
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use pki::{Curve, PrivateKey};

    #[test]
    fn moduli_are_looked_at_as_far_as_one_per_cent_of_a_processor_goes() {
        let key = |kind| PrivateKey::generate(kind).unwrap().public_key().clone();
        let (rsa, ec) = (
            key(KeyKind::Rsa { bits: 2048 }),
            key(KeyKind::Ec(Curve::P256)),
        );
        let (account, now) = (Primality::default(), Instant::now());
        let afforded = |at| (0..1000).filter(|_| account.affords(&rsa, at)).count();
        assert_eq!(afforded(now), 16);
        assert_eq!(afforded(now + Duration::from_secs(1)), 8);
        assert!(!account.affords(&ec, now + Duration::from_secs(60)));
        let longer = key(KeyKind::Rsa { bits: 3072 });
        let later = now + Duration::from_secs(60);
        let afforded = (0..1000)
            .filter(|_| account.affords(&longer, later))
            .count();
        assert_eq!(afforded, 4);
    }
}
