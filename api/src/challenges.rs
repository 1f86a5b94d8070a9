//! Challenges that are made for one device.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A challenge to be made. What is given of subject, sans, device and certificate_profile must all hold of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChallenge {
    /// The SCEP profile that it is for.
    pub profile: String,
    /// For how many seconds it is good; as long as the profile says when absent, and no longer.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::whole_number::u32"
    )]
    #[schema(minimum = 1)]
    pub lifetime_seconds: Option<u32>,
    /// How many certificates it is good for; 1 when absent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::whole_number::u32"
    )]
    #[schema(minimum = 1, maximum = 1000)]
    pub uses: Option<u32>,
    /// The whole subject that the CSR must have, as RFC 4514 writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// All alternative names that the CSR must have, and no other (`dns:a.example,email:b@example`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sans: Option<String>,
    /// The device that the CSR must name: a common name, a serialNumber in the subject, or an alternative name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The certificate profile that the SCEP profile must use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_profile: Option<String>,
    /// Why, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// Where a challenge stands. `open`: it can be used; `used`: as often as it may be; `expired`; `withdrawn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
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

/// One challenge, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Challenge {
    /// Names it in the audit and in the withdraw route.
    pub id: String,
    /// The SCEP profile that it is for.
    pub profile: String,
    /// Where it stands.
    pub state: ChallengeState,
    /// By which way it was made: `api`, `cli`, `page`, `jamf` or `ndes`.
    pub interface: String,
    /// Who had it made.
    pub created_by: String,
    /// When it was made.
    #[serde(with = "crate::time")]
    pub created_at: DateTime<Utc>,
    /// When it is over.
    #[serde(with = "crate::time")]
    pub expires_at: DateTime<Utc>,
    /// How many certificates it is good for.
    pub uses: u32,
    /// How many it was used for.
    pub used: u32,
    /// When it was last used. Omitted when never.
    #[serde(
        default,
        with = "crate::time::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was withdrawn. Omitted unless it was.
    #[serde(
        default,
        with = "crate::time::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// What it is bound to, in words. Omitted when it is good for any request of its profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<String>,
}

/// A challenge that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChallengeCreated {
    /// The challenge, shown this once.
    pub challenge: String,
    /// What is kept of it.
    pub details: Challenge,
}

/// How many challenges of a profile there are, and were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChallengeCounts {
    /// The SCEP profile.
    pub profile: String,
    /// That can be used now.
    pub open: u64,
    /// How many may be open at once.
    pub max_open: u64,
    /// That were ever made.
    pub made: u64,
    /// Certificates that were issued to one.
    pub used: u64,
    /// That ended unused.
    pub expired: u64,
    /// That were withdrawn.
    pub withdrawn: u64,
    /// Challenges that devices came with and that were refused, since the server started.
    pub refused: u64,
}

/// Challenges that match, and how many each profile has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Challenges {
    /// Newest first; they are kept for a week after their end.
    pub challenges: Vec<Challenge>,
    /// What to give as `before` for more. Omitted when there are none; a page may be short, or empty, and have more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// One entry for each profile that has challenges made for one device.
    pub profiles: Vec<ChallengeCounts>,
}

/// Query of `GET /api/v1/challenges`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct ChallengeQuery {
    /// Exact path id of a profile. Given and empty, the root profile; absent, all.
    #[param(example = "corp")]
    pub profile: Option<String>,
    /// Only those in this state.
    pub state: Option<ChallengeState>,
    /// Only those before this number, which the page before gave as `next`.
    #[param(minimum = 1)]
    pub before: Option<u64>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<u32>,
}
