//! Challenges that were made for one device, or a few uses.

use chrono::{DateTime, TimeDelta, Utc};

/// For how long a challenge is kept after its end, to say what became of it.
pub const CHALLENGES_KEPT: TimeDelta = TimeDelta::days(7);

/// A challenge that was made. The challenge itself is never stored, only a keyed digest of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeRecord {
    /// What it is found by: a keyed digest of the challenge.
    pub digest: [u8; 16],
    /// Its number, in the order in which they were made; 0 until it is stored.
    pub number: u64,
    /// The SCEP profile (path id) that it is for.
    pub profile: String,
    /// Who asked for it: the name of a token or of a person.
    pub by: String,
    /// By which way: `api`, `cli`, `jamf`, ...
    pub interface: String,
    /// What it is bound to, opaque to the store.
    pub bound: Vec<u8>,
    /// How many certificates it is good for; at least 1.
    pub uses: u32,
    /// How many it was used for.
    pub used: u32,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it is over, as it was told to who asked for it.
    pub expires: DateTime<Utc>,
    /// The time that has to pass ([`StoreTime::passed`](crate::StoreTime::passed)) before it ends by itself.
    pub until: DateTime<Utc>,
    /// When it was last used.
    pub last_used: Option<DateTime<Utc>>,
    /// When somebody withdrew it.
    pub withdrawn: Option<DateTime<Utc>>,
}

/// Where a challenge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChallengeState {
    /// It can be used.
    Open,
    /// It was used as often as it may be.
    Used,
    /// Its time is over.
    Expired,
    /// Somebody withdrew it.
    Withdrawn,
}

impl ChallengeState {
    /// The word used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state that a word of the API names.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Used, Self::Expired, Self::Withdrawn]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

impl ChallengeRecord {
    /// Where it stands when the wall clock says `wall` and `passed` has surely passed: it is over by whichever comes
    /// first. A wall clock that is ahead ends nothing for good, since it may be put right.
    #[must_use]
    pub fn state(&self, wall: DateTime<Utc>, passed: DateTime<Utc>) -> ChallengeState {
        if self.withdrawn.is_some() {
            ChallengeState::Withdrawn
        } else if self.used >= self.uses {
            ChallengeState::Used
        } else if self.expires <= wall || self.until <= passed {
            ChallengeState::Expired
        } else {
            ChallengeState::Open
        }
    }
}

/// A search for challenges, newest first.
#[derive(Clone, Debug, Default)]
pub struct ChallengeQuery {
    /// The SCEP profile, exactly.
    pub profile: Option<String>,
    /// Only those in this state.
    pub state: Option<ChallengeState>,
    /// Only those made before the one of this number.
    pub before: Option<u64>,
    /// How many at most, 1 to 1000; 0 counts as 50.
    pub limit: usize,
}

/// What a search for challenges found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenges {
    /// The challenges.
    pub found: Vec<ChallengeRecord>,
    /// What to give as [`ChallengeQuery::before`] for more; `None` when there are none. A page may be shorter than its limit
    /// and have a next one: of very many, a part is looked at in one go.
    pub next: Option<u64>,
}

/// How many challenges of a profile there are, and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChallengeCounts {
    /// That can be used now.
    pub open: u64,
    /// That were ever made.
    pub made: u64,
    /// Uses.
    pub used: u64,
    /// That ended unused, or not used as often as they might have been.
    pub expired: u64,
    /// That were withdrawn.
    pub withdrawn: u64,
}
