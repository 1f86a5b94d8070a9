//! Signed challenges as one of a profile's validators.

use super::gates::{IntuneSettings, looks_like_challenge};
use super::keys::{DeviceKey, ReplayKey};
use super::verify::verify;
use crate::TrustAnchors;
use crate::validator::{Check, Grounds, Proven, Request, Reservation, Validator};
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;

/// Challenges that a connector's key signs.
#[derive(Debug, Clone)]
pub struct SignedChallenges {
    /// Audience, validity, skew, limits.
    pub settings: IntuneSettings,
    /// The connector certificates that are trusted.
    pub anchors: Arc<TrustAnchors>,
}

impl SignedChallenges {
    /// For how long an enrollment counts for its device (gate 8).
    pub const RATE_WINDOW: TimeDelta = TimeDelta::hours(24);
}

impl Validator for SignedChallenges {
    fn id(&self) -> &str {
        "intune"
    }

    fn recognises(&self, challenge: Option<&str>) -> bool {
        challenge.is_some_and(looks_like_challenge)
    }

    fn is_counted(&self) -> bool {
        true
    }

    fn check(&self, request: &Request<'_>, now: DateTime<Utc>) -> Check {
        let challenge = request.challenge.unwrap_or_default();
        match verify(challenge, &self.anchors, &self.settings, request.names, now) {
            Ok(verified) => {
                let ReplayKey(replay) = verified.replay_key;
                let DeviceKey(device) = verified.device_key;
                let reservations = vec![
                    Reservation::Once {
                        key: replay,
                        until: verified.remember_until,
                    },
                    Reservation::Quota {
                        key: device,
                        limit: self.settings.per_device_limit_24h,
                        window: Self::RATE_WINDOW,
                    },
                ];
                let note = verified.tenant.as_ref().map(|tenant| {
                    format!(
                        "the tenant {tenant} vouched, by {} (SHA-256 {})",
                        verified.anchor.subject(),
                        hex::encode(verified.anchor.fingerprint())
                    )
                });
                let device = Some(verified.claim.sub.clone()).filter(|device| !device.is_empty());
                let grounds = Grounds {
                    device,
                    sid: verified.vouched_sid,
                    claim: Some(verified.claim),
                    note,
                    ..Grounds::default()
                };
                Check::Proven(Box::new(Proven {
                    grounds,
                    reservations,
                }))
            }
            Err(refused) => Check::Refused(Box::new(refused.into())),
        }
    }
}
