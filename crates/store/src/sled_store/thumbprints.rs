//! Certificates by the digest of their DER, which many tools show instead of a serial number.
//!
//! Held are the beginnings of both digests, by number: 16 octets a certificate, looked through in milliseconds for a
//! million. They are made when a thumbprint is first asked for, and after that of new certificates only; those of full
//! blocks are kept in files, so that the first search after a start need not read every certificate again. What is found
//! is held against the whole digest.

use std::sync::{Mutex, PoisonError};

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::engine::Engine;
use super::index::{BLOCK_ROWS, Head, Shelf, Shelved};
use super::keys::Kind;
use crate::Result;

/// The first octets of a digest.
type Prefix = [u8; 8];

/// Of both digests, one after the other.
type Beginnings = [u8; 16];

/// The digests that thumbprints are made with. SHA-1 proves nothing here: it is a name.
static DIGESTS: [&Algorithm; 2] = [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256];

/// What is known of the certificates so far.
pub(super) struct Thumbprints {
    /// By number from 1 on; zeros stand for numbers that are missing.
    known: Mutex<Vec<Beginnings>>,
    shelf: Option<Shelf>,
}

impl Thumbprints {
    /// Nothing is known yet; what is in files is on the `shelf`.
    pub(super) fn new(shelf: Option<Shelf>) -> Self {
        Self {
            known: Mutex::default(),
            shelf,
        }
    }

    /// The number of the certificate with this SHA-1 or SHA-256, which of the two its length says.
    pub(super) fn find(&self, engine: &Engine, thumbprint: &[u8]) -> Result<Option<u64>> {
        let of_its_length = |algorithm: &Algorithm| algorithm.output_len() == thumbprint.len();
        let Some(which) = DIGESTS
            .iter()
            .position(|algorithm| of_its_length(algorithm))
        else {
            return Ok(None);
        };
        let algorithm = DIGESTS[which];
        let wanted = prefix_of(thumbprint);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.learn(engine, &mut known)?;
        for (place, beginnings) in known.iter().enumerate() {
            let mut halves = beginnings.chunks_exact(wanted.len());
            if halves.nth(which) != Some(&wanted[..]) {
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

    /// Goes on with the certificates that are not known yet.
    fn learn(&self, engine: &Engine, known: &mut Vec<Beginnings>) -> Result<()> {
        if let Some(shelf) = &self.shelf {
            while known.len().is_multiple_of(BLOCK_ROWS)
                && let Some(block) = unshelved(shelf, engine, known.len() as u64 + 1)
            {
                known.extend(block);
            }
        }
        let next = known.len() as u64 + 1;
        engine.numbered(Kind::Der, next, |number, der| {
            let place = usize::try_from(number).unwrap_or_default();
            known.resize(place.saturating_sub(1), Beginnings::default());
            known.push(beginnings(der));
            if let (Some(shelf), true) = (&self.shelf, known.len().is_multiple_of(BLOCK_ROWS)) {
                shelve(shelf, known);
            }
            Ok(true)
        })
    }
}

/// The block whose first certificate has this number, from its file, if the last of it is still the same.
fn unshelved(shelf: &Shelf, engine: &Engine, first: u64) -> Option<Vec<Beginnings>> {
    let (head, _) = shelf.read::<()>(Shelved::Thumbprints, first)?;
    let [block] = <[Vec<Beginnings>; 1]>::try_from(head.digests).ok()?;
    let last = Kind::Der.id(first + BLOCK_ROWS as u64 - 1);
    let last = engine.get(&last).ok()??;
    (block.len() == BLOCK_ROWS && block.last() == Some(&beginnings(&last))).then_some(block)
}

/// Puts the last block, which is full, in its file. One that cannot be written is made again after the next start.
fn shelve(shelf: &Shelf, known: &[Beginnings]) {
    let from = known.len().saturating_sub(BLOCK_ROWS);
    let mut head: Head<()> = Head::new(from as u64 + 1, None);
    head.digests = vec![known.get(from..).unwrap_or_default().to_vec()];
    shelf.put(Shelved::Thumbprints, head, &[]);
}

fn beginnings(der: &[u8]) -> Beginnings {
    let mut both = Beginnings::default();
    let halves = both.chunks_exact_mut(size_of::<Prefix>());
    for (half, algorithm) in halves.zip(DIGESTS) {
        half.copy_from_slice(&prefix_of(digest(algorithm, der).as_ref()));
    }
    both
}

fn prefix_of(digest: &[u8]) -> Prefix {
    digest.first_chunk().copied().unwrap_or_default()
}
