//! The gates, one row each: verifying stops at the first that refuses, explaining asks them all, and the counters, the
//! table in `docs/scep-intune.md` and the admin page's list are tested against the same rows.
//!
//! A gate that needs no state is one more row here (and its label, its setting, and a line in the documents); one that
//! needs some is judged by the profile's actor, with what [`Verified`](super::Verified) tells it to reserve.

use super::binding::{self, ExtraNames};
use super::claim::Claim;
use super::csr_facts::CsrFacts;
use super::jws::Jws;
use super::keys::{DeviceKey, ReplayKey};
use super::refused::Refused;
use super::signature;
use super::time::{self, in_words};
use super::verdict::GateVerdict;
use super::version::{self, Readable};
use crate::{AnchorTenant, Label, TrustAnchors};
use chrono::{DateTime, Duration, Utc};
use pki::Certificate;

/// What a profile sets for its signed challenges.
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

/// What the gates look at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The challengePassword.
    pub challenge: &'a str,
    /// Whose signatures count; `None` only when a challenge is explained without them.
    pub anchors: Option<&'a TrustAnchors>,
    /// What the profile sets.
    pub settings: &'a IntuneSettings,
    /// The names in the CSR; `None` only when a challenge is explained without one.
    pub csr: Option<&'a CsrFacts>,
    /// The time.
    pub now: DateTime<Utc>,
}

/// What the gates that were asked so far have found out.
#[derive(Default)]
pub struct Facts<'a> {
    pub(super) jws: Option<Jws<'a>>,
    pub(super) anchor: Option<&'a Certificate>,
    /// Whose anchor it is; `None` = the profile's own.
    pub(super) tenant: Option<&'a AnchorTenant>,
    pub(super) readable: Option<Readable>,
    pub(super) claim: Option<Claim>,
}

/// What a gate that does not refuse says.
pub enum Seen {
    /// The challenge passes.
    Passes,
    /// It could not be asked, and why: something was not given, or an earlier gate left nothing to look at. Only where a
    /// challenge is explained; verifying takes it for a refusal.
    NotAsked(String),
}

/// Looks at a challenge, and leaves what it found to the gates after it.
pub type Check = for<'a> fn(&Input<'a>, &mut Facts<'a>) -> Result<Seen, Refused>;

/// Where a gate is judged.
pub enum Judged {
    /// By the challenge's shape. What does not have it is for the profile's next validator: no refusal, no label.
    ByShape,
    /// From what came along, without state.
    Here {
        /// Refuses, or does not.
        check: Check,
        /// Why it passed, in words, for `intune-inspect`.
        words: fn(&Input<'_>, &Facts<'_>) -> String,
    },
    /// By the profile's actor, which has the state, or asks. What can be said beforehand; `None` = nothing.
    ByActor(fn(&Input<'_>, &Facts<'_>) -> Option<(GateVerdict, String)>),
}

/// One gate.
pub struct Gate {
    /// Its position, from 1.
    pub number: u8,
    /// Its name in the documentation.
    pub name: &'static str,
    /// The labels that its refusals may have.
    pub labels: &'static [Label],
    /// Who judges.
    pub judged: Judged,
}

/// All of them, in the order in which they refuse.
pub static GATES: [Gate; 9] = [
    Gate {
        number: 1,
        name: "shape",
        labels: &[],
        judged: Judged::ByShape,
    },
    Gate {
        number: 2,
        name: "signature",
        labels: &[
            Label::SignatureInvalid,
            Label::Malformed,
            Label::Expired,
            Label::NotYetValid,
        ],
        judged: Judged::Here {
            check: signed,
            words: |_, facts| format!("signed by {}", signer(facts).unwrap_or_default()),
        },
    },
    Gate {
        number: 3,
        name: "version",
        labels: &[Label::UnknownVersion, Label::Malformed],
        judged: Judged::Here {
            check: known_version,
            words: |_, _| "the version is known".into(),
        },
    },
    Gate {
        number: 4,
        name: "time",
        labels: &[Label::NotYetValid, Label::Expired, Label::Malformed],
        judged: Judged::Here {
            check: in_time,
            words: |input, facts| {
                let expires = facts.claim.as_ref().and_then(Claim::expires_at);
                let left = expires.map_or(Duration::zero(), |expires| expires - input.now);
                format!("{} until `exp`", in_words(left))
            },
        },
    },
    Gate {
        number: 5,
        name: "audience",
        labels: &[Label::WrongAudience],
        judged: Judged::Here {
            check: for_this_profile,
            words: |input, facts| match (facts.tenant, &input.settings.audience) {
                (Some(tenant), _) => format!(
                    "from {:?} for {:?}, as the tenant {:?} may",
                    tenant.issuer, tenant.audience, tenant.id
                ),
                (None, None) => "no audience configured: not looked at".into(),
                (None, Some(audience)) => format!("meant for {audience:?}"),
            },
        },
    },
    Gate {
        number: 6,
        name: "CSR binding",
        labels: &[Label::ClaimMismatch],
        judged: Judged::Here {
            check: bound_to_the_csr,
            words: |_, _| "the CSR asks for what the challenge says".into(),
        },
    },
    Gate {
        number: 7,
        name: "replay",
        labels: &[Label::Replay],
        judged: Judged::ByActor(|input, facts| {
            let (jws, claim) = (facts.jws.as_ref()?, facts.claim.as_ref()?);
            let by = match claim.nonce {
                Some(_) => "issuer and nonce",
                None => "its signed octets (it has no nonce)",
            };
            let key = hex::encode(ReplayKey::of(claim, jws.signing_input).0);
            let until = remember_until(claim, input.settings.clock_skew);
            let words = format!("passes once; remembered until {until} by {by}, key {key}");
            Some((GateVerdict::Depends, words))
        }),
    },
    Gate {
        number: 8,
        name: "device rate",
        labels: &[Label::RateLimited],
        judged: Judged::ByActor(|input, facts| {
            let claim = facts.claim.as_ref()?;
            let device = hex::encode(DeviceKey::of(&claim.sub, &claim.iss).0);
            Some(match input.settings.per_device_limit_24h {
                0 => (GateVerdict::Passes, "no limit configured".into()),
                limit => {
                    let words =
                        format!("passes {limit} times in any 24 h for this device, key {device}");
                    (GateVerdict::Depends, words)
                }
            })
        }),
    },
    Gate {
        number: 9,
        name: "compliance",
        labels: &[Label::ComplianceFailed],
        judged: Judged::ByActor(|_, facts| {
            facts.claim.as_ref()?;
            let words = "the compliance webhook is asked, where one is configured";
            Some((GateVerdict::Depends, words.into()))
        }),
    },
];

/// Gate 1: longer than 200 characters, with exactly two dots. Anything else is for the static
/// challenge to decide.
#[must_use]
pub fn looks_like_challenge(text: &str) -> bool {
    text.len() > 200 && text.bytes().filter(|octet| *octet == b'.').count() == 2
}

/// Gate 2.
fn signed<'a>(input: &Input<'a>, facts: &mut Facts<'a>) -> Result<Seen, Refused> {
    let jws = facts.jws.insert(Jws::parse(input.challenge)?);
    let Some(anchors) = input.anchors else {
        let algorithm = jws.algorithm()?.as_str();
        let words = format!("{algorithm}; no trust anchors given to check it with");
        return Ok(Seen::NotAsked(words));
    };
    let anchor = signature::check(jws, anchors, input.settings.clock_skew, input.now)?;
    facts.anchor = Some(&anchor.certificate);
    facts.tenant = anchor.tenant.as_deref();
    Ok(Seen::Passes)
}

/// Gate 3.
fn known_version<'a>(_: &Input<'a>, facts: &mut Facts<'a>) -> Result<Seen, Refused> {
    let Some(jws) = &facts.jws else {
        return Ok(nothing());
    };
    facts.readable = Some(version::known(&jws.payload)?);
    Ok(Seen::Passes)
}

/// Gate 4. The claims' types are its matter, as `iat` and `exp` are.
fn in_time<'a>(input: &Input<'a>, facts: &mut Facts<'a>) -> Result<Seen, Refused> {
    let Some(readable) = facts.readable.take() else {
        return Ok(nothing());
    };
    let claim = facts.claim.insert(readable.read()?);
    let settings = input.settings;
    time::check_time(
        claim,
        settings.clock_skew,
        settings.challenge_validity,
        input.now,
    )?;
    Ok(Seen::Passes)
}

/// Gate 5.
fn for_this_profile<'a>(input: &Input<'a>, facts: &mut Facts<'a>) -> Result<Seen, Refused> {
    let Some(claim) = &facts.claim else {
        return Ok(nothing());
    };
    match facts.tenant {
        Some(tenant) => {
            time::check_issuer(claim, tenant)?;
            time::check_audience(claim, &tenant.audience)?;
        }
        None => {
            let of_a_tenant = input.anchors;
            if let Some(tenant) = of_a_tenant.and_then(|all| all.tenant_of_issuer(&claim.iss)) {
                return Err(time::not_of_tenant(tenant));
            }
            if let Some(audience) = &input.settings.audience {
                time::check_audience(claim, audience)?;
            }
        }
    }
    Ok(Seen::Passes)
}

/// Gate 6.
fn bound_to_the_csr<'a>(input: &Input<'a>, facts: &mut Facts<'a>) -> Result<Seen, Refused> {
    let Some(claim) = &facts.claim else {
        return Ok(nothing());
    };
    let Some(csr) = input.csr else {
        return Ok(Seen::NotAsked("no CSR given".into()));
    };
    let settings = input.settings;
    let mismatches =
        binding::mismatches(claim, None, csr, settings.pinned_only, settings.extra_names);
    if mismatches.is_empty() {
        return Ok(Seen::Passes);
    }
    let reason = mismatches
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    Err(Refused {
        mismatches,
        ..Refused::new(Label::ClaimMismatch, reason)
    })
}

/// An earlier gate left nothing to look at.
fn nothing() -> Seen {
    Seen::NotAsked("nothing to look at".into())
}

/// Subject and fingerprint of the anchor that signed.
pub(super) fn signer(facts: &Facts<'_>) -> Option<String> {
    facts.anchor.map(|anchor| {
        let owner = facts.tenant.map(|tenant| format!(", tenant {}", tenant.id));
        let owner = owner.unwrap_or_default();
        let fingerprint = hex::encode(anchor.fingerprint());
        format!("{} (SHA-256 {fingerprint}){owner}", anchor.subject())
    })
}

/// How much longer a challenge is remembered than any skew could let it pass.
const MARGIN: Duration = Duration::minutes(10);

/// Until when gate 7 remembers a challenge.
pub(super) fn remember_until(claim: &Claim, skew: Duration) -> DateTime<Utc> {
    claim
        .expires_at()
        .and_then(|expires| {
            expires.checked_add_signed(skew.max(IntuneSettings::LARGEST_CLOCK_SKEW))
        })
        .and_then(|until| until.checked_add_signed(MARGIN))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_positions_and_names_differ() {
        for (position, gate) in GATES.iter().enumerate() {
            assert_eq!(usize::from(gate.number), position + 1, "{}", gate.name);
        }
        let names: BTreeSet<_> = GATES.iter().map(|gate| gate.name).collect();
        assert_eq!(names.len(), GATES.len());
    }

    #[test]
    fn every_counter_is_a_gates_or_that_of_success() {
        let of_gates: BTreeSet<_> = GATES
            .iter()
            .flat_map(|gate| gate.labels)
            .map(|label| label.as_str())
            .chain([Label::Success.as_str()])
            .collect();
        let all: BTreeSet<_> = Label::ALL.iter().map(|label| label.as_str()).collect();
        assert_eq!(of_gates, all);
    }
}
