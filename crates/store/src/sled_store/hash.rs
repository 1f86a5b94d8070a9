//! Hashing of what is a digest already, for tables in memory.

use std::hash::{BuildHasher, RandomState};

/// Folds 16 octets to a hash by a multiplication with secret numbers of this process, so that nobody
/// outside can choose what falls together, and mixes it by another, so that its low bits differ whatever the numbers
/// are. Several times as quick as the standard library's hasher.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folding {
    secrets: [u64; 2],
}

impl Default for Folding {
    fn default() -> Self {
        let random = RandomState::new();
        // Odd, so that no multiplication is by zero.
        Self {
            secrets: [random.hash_one(0) | 1, random.hash_one(1) | 1],
        }
    }
}

impl Folding {
    /// The hash of a digest.
    pub(super) fn digest(&self, digest: &[u8; 16]) -> u64 {
        let both = u128::from_le_bytes(*digest);
        self.fold(both as u64, (both >> 64) as u64)
    }

    /// The hash of a digest's beginning.
    pub(super) fn beginning(&self, beginning: [u8; 4]) -> u64 {
        self.fold(u64::from(u32::from_le_bytes(beginning)), 0)
    }

    fn fold(&self, low: u64, high: u64) -> u64 {
        let [first, second] = self.secrets;
        let product = u128::from(low ^ first).wrapping_mul(u128::from(high ^ second));
        let folded = (product as u64) ^ (product >> 64) as u64;
        let mixed = (folded ^ folded >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn digests_that_are_alike_are_spread() {
        let odd = |number: u64| number.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
        // Small secrets and those with long runs of bits, too: none may be worse than others.
        let pairs = (0..24).map(|n| [odd(n), odd(n + 99)]);
        let runs = (1..64)
            .step_by(9)
            .map(|n| [(1 << n) + 1, u64::MAX >> n | 1]);
        for secrets in pairs.chain(runs) {
            let folding = Folding { secrets };
            let (mut whole, mut low, mut prefixes) =
                (HashSet::new(), HashSet::new(), HashSet::new());
            for n in 0..4096_u32 {
                let mut digest = [0; 16];
                digest[12..].copy_from_slice(&n.to_be_bytes());
                let hash = folding.digest(&digest);
                whole.insert(hash);
                low.insert(hash & 0xffff);
                prefixes.insert(folding.beginning(n.to_be_bytes()) & 0xffff);
            }
            assert_eq!(whole.len(), 4096, "{secrets:?}");
            // Of 65,536 places random ones would take some 3,970.
            assert!(low.len() > 3800, "{secrets:?}: {}", low.len());
            assert!(prefixes.len() > 3800, "{secrets:?}: {}", prefixes.len());
        }
    }
}
