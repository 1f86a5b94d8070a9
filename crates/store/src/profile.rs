use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::EnrollmentRecord;

/// A replay mark (`at` = remembered until) or a rate mark (`at` = when the enrollment was).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The challenge's or the device's digest.
    pub key: [u8; 16],
    /// See the type.
    pub at: DateTime<Utc>,
}

/// What a profile's actor starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileState {
    /// Challenges that are still remembered; `at` is the end of that. As they came, nearly.
    pub replay: Vec<Mark>,
    /// Enrollments that still count for their device; `at` is when they were. Oldest first.
    pub rate: Vec<Mark>,
    /// Counters by name, as last committed.
    pub counters: BTreeMap<String, u64>,
    /// Enrollments that wait for an operator, oldest first.
    pub pending: Vec<EnrollmentRecord>,
}
