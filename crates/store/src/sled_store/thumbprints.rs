//! Certificates by the digest of their DER, which many tools show instead of a serial number.
//!
//! Held are the beginnings of both digests, by number: 16 octets a certificate, looked through in milliseconds for a
//! million. They are made when a thumbprint is first asked for, and after that of new certificates only. What is found
//! is held against the whole digest.

use std::sync::{Mutex, PoisonError};

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::engine::Engine;
use super::keys::Kind;
use crate::Result;

/// The first octets of a digest.
type Beginning = [u8; 8];

/// The digests that thumbprints are made with. SHA-1 proves nothing here: it is a name.
static DIGESTS: [&Algorithm; 2] = [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256];

/// What is known of the certificates so far, by number from 1 on.
#[derive(Default)]
pub(super) struct Thumbprints(Mutex<Vec<[Beginning; 2]>>);

impl Thumbprints {
    /// The number of the certificate with this SHA-1 or SHA-256, which of the two its length says.
    pub(super) fn find(&self, engine: &Engine, thumbprint: &[u8]) -> Result<Option<u64>> {
        let of_its_length = |algorithm: &&&Algorithm| algorithm.output_len() == thumbprint.len();
        let Some(&algorithm) = DIGESTS.iter().find(of_its_length) else {
            return Ok(None);
        };
        let wanted = beginning(thumbprint);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = known.len() as u64 + 1;
        engine.numbered(Kind::Der, next, |number, der| {
            let digests = DIGESTS.map(|algorithm| beginning(digest(algorithm, der).as_ref()));
            // Numbers that are missing stand for nothing.
            let place = usize::try_from(number).unwrap_or_default();
            known.resize(place.saturating_sub(1), [Beginning::default(); 2]);
            known.push(digests);
            Ok(true)
        })?;
        for (place, digests) in known.iter().enumerate() {
            if !digests.contains(&wanted) {
                continue;
            }
            let number = place as u64 + 1;
            let der = engine.get(&Kind::Der.id(number))?;
            if der.is_some_and(|der| digest(algorithm, &der).as_ref() == thumbprint) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }
}

fn beginning(digest: &[u8]) -> Beginning {
    digest.first_chunk().copied().unwrap_or_default()
}
