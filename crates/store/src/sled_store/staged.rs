//! What changes write, before it is on disk.

use std::collections::{BTreeMap, HashMap};

use super::chain::Head;
use super::challenges::Open;
use super::marks::Owner;
use super::tables::{Digest, EnrollmentEntry};
use crate::{CaId, TokenRecord};

/// The numbers that the next records get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) head: Head,
    pub(super) event: u64,
    pub(super) certificate: u64,
    pub(super) enrollment: u64,
    pub(super) notice: u64,
    pub(super) challenge: u64,
}

/// A new mark, and on which page it is.
#[derive(Debug)]
pub(super) struct StagedMark {
    pub(super) owner: Owner,
    pub(super) digest: Digest,
    pub(super) page: u64,
    /// From then on it is void (microseconds since 1970).
    pub(super) until: i64,
}

/// What a number of changes write, and what the indexes must learn once that is on disk.
pub(super) struct StagedWrites {
    pub(super) next: Next,
    /// `None` = removed.
    pub(super) writes: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Octets of the new events, in order.
    pub(super) events: Vec<Vec<u8>>,
    /// Digest and facts of the new certificates, in order.
    pub(super) certificates: Vec<(Digest, Vec<u8>)>,
    /// Certificates by number that are revoked from now on, or (`false`) not any more, in order.
    pub(super) revoked: Vec<(CaId, u64, bool)>,
    pub(super) enrollments: Vec<EnrollmentEntry>,
    /// Notices by number: when they are due (microseconds since 1970), `None` = gone.
    pub(super) notices: Vec<(u64, Option<i64>)>,
    /// Challenges that are open now, or (`None`) are no longer; in order.
    pub(super) challenges: Vec<(Digest, Option<Open>)>,
    pub(super) tokens: Vec<TokenRecord>,
    /// The newest pages of those that got marks.
    pub(super) pages: BTreeMap<Owner, u64>,
    pub(super) marks: Vec<StagedMark>,
    pub(super) certificate_numbers: HashMap<Digest, u64>,
    /// Number and version.
    pub(super) enrollment_numbers: HashMap<Digest, (u64, u64)>,
}

impl StagedWrites {
    pub(super) fn new(next: Next) -> Self {
        Self {
            next,
            writes: HashMap::new(),
            events: Vec::new(),
            certificates: Vec::new(),
            revoked: Vec::new(),
            enrollments: Vec::new(),
            notices: Vec::new(),
            challenges: Vec::new(),
            tokens: Vec::new(),
            pages: BTreeMap::new(),
            marks: Vec::new(),
            certificate_numbers: HashMap::new(),
            enrollment_numbers: HashMap::new(),
        }
    }

    /// Takes over what a later one holds.
    pub(super) fn absorb(&mut self, later: Self) {
        self.next = later.next;
        self.writes.extend(later.writes);
        self.events.extend(later.events);
        self.certificates.extend(later.certificates);
        self.revoked.extend(later.revoked);
        self.enrollments.extend(later.enrollments);
        self.notices.extend(later.notices);
        self.challenges.extend(later.challenges);
        self.tokens.extend(later.tokens);
        self.pages.extend(later.pages);
        self.marks.extend(later.marks);
        self.certificate_numbers.extend(later.certificate_numbers);
        self.enrollment_numbers.extend(later.enrollment_numbers);
    }
}
