//! Gates 2 to 6 in a row: the first that refuses is the answer.

use super::claim::Claim;
use super::csr_facts::CsrFacts;
use super::gates::{Facts, GATES, Input, IntuneSettings, Judged, Seen, remember_until};
use super::keys::{DeviceKey, ReplayKey};
use super::refused::Refused;
use super::version;
use crate::{Label, TrustAnchors};
use chrono::{DateTime, Utc};
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
    /// The id of the tenant whose anchor that is; `None` for one of the profile itself.
    pub tenant: Option<String>,
    /// The security identifier (SID) that the challenge vouches for. Version 1 has no claim for
    /// it, so none does yet.
    pub vouched_sid: Option<String>,
}

/// The gates that need no state, for a challenge that passed gate 1. Pure, and the expensive
/// part: to be run off the actor.
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
    let input = Input {
        challenge,
        anchors: Some(anchors),
        settings,
        csr: Some(csr),
        now,
    };
    let mut facts = Facts::default();
    for gate in &GATES {
        let Judged::Here { check, .. } = gate.judged else {
            continue;
        };
        let refused = match check(&input, &mut facts) {
            Ok(Seen::Passes) => continue,
            Ok(Seen::NotAsked(why)) => Refused::new(Label::Malformed, why),
            Err(refused) => refused,
        };
        return Err(Refused {
            gate: gate.number,
            authentic: refused.authentic || facts.anchor.is_some(),
            claim: said(facts),
            ..refused
        });
    }
    let (Some(jws), Some(anchor), Some(claim)) = (facts.jws, facts.anchor, facts.claim) else {
        let words = "the gates left no claim".to_owned();
        return Err(Refused::new(Label::Malformed, words));
    };
    Ok(Verified {
        replay_key: ReplayKey::of(&claim, jws.signing_input),
        remember_until: remember_until(&claim, settings.clock_skew),
        device_key: DeviceKey::of(&claim.sub, &claim.iss),
        anchor: anchor.clone(),
        tenant: facts.tenant.map(|tenant| tenant.id.clone()),
        vouched_sid: None,
        claim,
    })
}

/// What a refused challenge says, as far as it can be read.
fn said(facts: Facts<'_>) -> Option<Claim> {
    facts
        .claim
        .or_else(|| facts.jws.and_then(|jws| version::readable(&jws.payload)))
}
