//! What a profile sets for its challenges.

use chrono::Duration;

/// Settings of one profile's Intune connector mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntuneSettings {
    /// What the claim `aud` must equal; `None` = not checked.
    pub audience: Option<String>,
    /// How old a challenge may be, whatever its `exp` says; `None` = no matter.
    pub challenge_validity: Option<Duration>,
    /// How far the connector's clock may be off, either way: 0 to
    /// [`IntuneSettings::LARGEST_CLOCK_SKEW`].
    pub clock_skew: Duration,
    /// Enrollments a device may have in 24 hours; 0 = any number. Enforced by the owner of a
    /// [`crate::RateWindow`], not by [`crate::verify`].
    pub per_device_limit_24h: u32,
    /// Bind only the SAN dimensions that the claim has. Off: what the claim leaves out must be
    /// empty in the CSR.
    pub pinned_only: bool,
    /// Names without a claim of their own that the certificate policy allows.
    pub extra_names: ExtraNames,
}

/// Kinds of names that no claim speaks of. Each is refused at gate 6 unless allowed here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtraNames {
    /// IP addresses.
    pub ip: bool,
    /// URIs, except a SID URI, which the challenge itself must vouch for.
    pub uri: bool,
    /// Any other kind.
    pub other: bool,
}

impl IntuneSettings {
    /// The largest clock skew that may be set. Used challenges are remembered for longer than
    /// that, so that a reload which raises the skew lets none of them pass again.
    pub const LARGEST_CLOCK_SKEW: Duration = Duration::hours(1);
}

impl Default for IntuneSettings {
    /// 60 minutes of validity, 60 seconds of skew, 3 enrollments a day, exact binding.
    fn default() -> Self {
        Self {
            audience: None,
            challenge_validity: Some(Duration::minutes(60)),
            clock_skew: Duration::seconds(60),
            per_device_limit_24h: 3,
            pinned_only: false,
            extra_names: ExtraNames::default(),
        }
    }
}
