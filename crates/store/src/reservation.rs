//! What a change takes that only so many may have.

use chrono::{DateTime, TimeDelta, Utc};

/// Something to be had once, or so many times within a while. It carries the condition under which
/// the store lets it be taken: a change whose reservation cannot be had is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// To be taken once until `until`, such as a challenge that is used.
    Once {
        /// Whose: a SCEP profile (path id), at most 255 octets.
        scope: String,
        /// What is taken: its digest.
        key: [u8; 16],
        /// From then on it is forgotten.
        until: DateTime<Utc>,
    },
    /// To be taken so many times within a window, such as the enrollments of a device.
    Quota {
        /// Whose: a SCEP profile (path id), at most 255 octets.
        scope: String,
        /// Whom it counts against: a digest.
        key: [u8; 16],
        /// When it is taken. Several may be taken at the same time.
        at: DateTime<Utc>,
        /// How many may be taken within the window, this one included; 0 = any number.
        limit: u32,
        /// How far back those before count. This one is forgotten so long after `at`.
        window: TimeDelta,
    },
}
