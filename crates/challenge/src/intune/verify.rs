//! Gates 1 to 6 in a row.

use super::binding;
use super::claim::Claim;
use super::csr_facts::CsrFacts;
use super::jws::Jws;
use super::keys::{DeviceKey, ReplayKey};
use super::refused::Refused;
use super::settings::IntuneSettings;
use super::{signature, time, version};
use crate::{Label, TrustAnchors};
use chrono::{DateTime, Duration, Utc};
use pki::Certificate;

/// A challenge that passed gates 1 to 6, and what gates 7 and 8 have to reserve for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What the connector vouches for.
    pub claim: Claim,
    /// Gate 7: by what the challenge is remembered.
    pub replay_key: ReplayKey,
    /// Gate 7: until when. Later than it could be used under any settings, so that neither a
    /// longer tolerance set by a reload nor a clock put right opens a gap.
    pub remember_until: DateTime<Utc>,
    /// Gate 8: whose enrollment it is.
    pub device_key: DeviceKey,
    /// The trust anchor that signed it.
    pub anchor: Certificate,
    /// The security identifier (SID) that the challenge vouches for. Version 1 has no claim for
    /// it, so none does yet.
    pub vouched_sid: Option<String>,
}

/// How much longer a challenge is remembered than any skew could let it pass.
const MARGIN: Duration = Duration::minutes(10);

/// Gate 1: longer than 200 characters, with exactly two dots. Anything else is for the static
/// challenge to decide.
#[must_use]
pub fn looks_like_challenge(text: &str) -> bool {
    text.len() > 200 && text.bytes().filter(|octet| *octet == b'.').count() == 2
}

/// Gates 2 to 6, for a challenge that passed gate 1. Pure, and the expensive part: to be run
/// off the actor.
///
/// # Errors
/// [`Refused`] by the first gate that does not pass.
pub fn verify(
    challenge: &str,
    anchors: &TrustAnchors,
    settings: &IntuneSettings,
    csr: &CsrFacts,
    now: DateTime<Utc>,
) -> Result<Verified, Refused> {
    let jws = Jws::parse(challenge)?;
    let anchor = signature::check(&jws, anchors, settings.clock_skew, now)
        .map_err(|refused| refused.saying(version::legible(&jws.payload)))?;
    let claim = version::parse(&jws.payload)
        .map_err(|refused| refused.saying(version::legible(&jws.payload)))?;
    if let Err(refused) = check_claim(&claim, settings, csr, now) {
        return Err(refused.saying(Some(claim)));
    }
    Ok(Verified {
        replay_key: ReplayKey::of(&claim, jws.signing_input),
        remember_until: remember_until(&claim, settings.clock_skew),
        device_key: DeviceKey::of(&claim.sub, &claim.iss),
        anchor: anchor.clone(),
        vouched_sid: None,
        claim,
    })
}

fn check_claim(
    claim: &Claim,
    settings: &IntuneSettings,
    csr: &CsrFacts,
    now: DateTime<Utc>,
) -> Result<(), Refused> {
    time::check_time(claim, settings, now)?;
    time::check_audience(claim, settings)?;
    check_binding(claim, settings, csr)
}

/// Gate 6.
pub(crate) fn check_binding(
    claim: &Claim,
    settings: &IntuneSettings,
    csr: &CsrFacts,
) -> Result<(), Refused> {
    let mismatches = binding::mismatches(claim, None, csr, settings);
    if mismatches.is_empty() {
        return Ok(());
    }
    let reason = mismatches
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    Err(Refused {
        mismatches,
        ..Refused::new(6, Label::ClaimMismatch, reason)
    })
}

pub(crate) fn remember_until(claim: &Claim, skew: Duration) -> DateTime<Utc> {
    claim
        .expires_at()
        .and_then(|expires| {
            expires.checked_add_signed(skew.max(IntuneSettings::LARGEST_CLOCK_SKEW))
        })
        .and_then(|until| until.checked_add_signed(MARGIN))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
