//! What a CA says of itself: read, put in order, exchanged when it has changed.

use issuer::Authority;
use pki::Certificate;
use std::sync::{Arc, PoisonError, RwLock};

/// The issuing CA first, each followed by the one that signed it, as far as `pool` has them.
///
/// # Errors
/// In words: the first is no CA certificate.
pub(crate) fn ordered(
    first: Certificate,
    pool: &[Certificate],
) -> Result<Vec<Certificate>, String> {
    if !first.is_ca() {
        return Err(format!(
            "what it gives as its CA certificate, {}, is none",
            crate::words::quoted(&first.subject().to_string())
        ));
    }
    let mut chain = vec![first];
    while let Some(last) = chain.last().filter(|last| !last.is_self_issued()) {
        let signs = |ca: &&Certificate| {
            ca.is_ca()
                && last.issuer().matches(ca.subject())
                && last.verify_signature_by(ca.public_key()).is_ok()
        };
        match pool.iter().find(signs) {
            Some(next) if !chain.contains(next) => chain.push(next.clone()),
            _ => break,
        }
    }
    Ok(chain)
}

/// The one that none of the others was signed by.
pub(crate) fn lowest(shown: &[Certificate]) -> Option<&Certificate> {
    let signs_another = |one: &Certificate| {
        shown
            .iter()
            .any(|other| other != one && other.issuer().matches(one.subject()))
    };
    shown
        .iter()
        .find(|one| !signs_another(one))
        .or_else(|| shown.first())
}

/// The authority in force, and those before it.
pub(crate) struct Kept {
    authority: RwLock<Arc<Authority>>,
}

impl Kept {
    /// `chain` is not empty: [`ordered`] made it.
    pub(crate) fn new(chain: &[Certificate], previous: &[Certificate]) -> Option<Self> {
        Some(Self {
            authority: RwLock::new(Arc::new(authority(chain, previous.to_vec())?)),
        })
    }

    pub(crate) fn now(&self) -> Arc<Authority> {
        let authority = self.authority.read();
        Arc::clone(&authority.unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what was read, if it is another chain: the CA of before then is one of the past. Whether it was another.
    pub(crate) fn exchange(&self, chain: &[Certificate]) -> bool {
        let before = self.now();
        if before.chain() == chain {
            return false;
        }
        let mut previous: Vec<Certificate> = before
            .certificates()
            .filter(|ca| chain.first() != Some(*ca))
            .cloned()
            .collect();
        previous.dedup();
        let Some(next) = authority(chain, previous) else {
            return false;
        };
        let mut slot = self
            .authority
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Arc::new(next);
        true
    }
}

fn authority(chain: &[Certificate], previous: Vec<Certificate>) -> Option<Authority> {
    let (first, above) = chain.split_first()?;
    Some(Authority::new(first.clone(), above.iter().cloned()).with_previous(previous))
}
