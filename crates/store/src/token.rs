use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What an API token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// Everything.
    Admin,
    /// Reading only.
    Viewer,
    /// Making challenges for one device.
    Challenge,
}

/// An API token. The token itself is never stored, only its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Names the token in lists and commands.
    pub id: String,
    /// The operator's name for it.
    pub name: String,
    /// What it allows.
    pub role: TokenRole,
    /// The SCEP profile that a token with the role [`TokenRole::Challenge`] is limited to.
    pub profile: Option<String>,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: String,
    /// From when on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last accepted, as far as was noted.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl TokenRecord {
    /// Whether it may be used at `now`.
    #[must_use]
    pub fn usable_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl std::fmt::Debug for TokenRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRecord")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
