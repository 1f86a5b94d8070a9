//! What an enrollment is made of: data that flows through opening, deciding, issuing and the audit. What is done with it
//! is elsewhere; nothing here asks or changes anything.

use crate::network::network_of;
use crate::refusal::Refusal;
use challenge::{Claim, CsrFacts, DeviceKey, Proven, ReplayKey};
use chrono::{DateTime, Utc};
use issuer::Approved;
use pki::{Certificate, Csr, Name, Serial};
use scep::{FailInfo, MessageType, ReplyTo};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use store::Stage;

/// What identifies an enrollment: a digest of messageType, transactionID, signer and CSR.
pub(crate) type Key = [u8; 16];

/// The first half of a SHA-256 over the parts, each with its length.
pub(crate) fn digest(parts: &[&[u8]]) -> Key {
    let mut input = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        input.extend_from_slice(&(part.len() as u64).to_be_bytes());
        input.extend_from_slice(part);
    }
    let full = pki::sha256(&input);
    let mut key = Key::default();
    key.copy_from_slice(&full[..16]);
    key
}

/// What a CertPoll names a request by.
pub(crate) fn poll_key(transaction_id: &str, signer: &Certificate) -> Key {
    digest(&[transaction_id.as_bytes(), signer.public_key().spki_der()])
}

/// A message that was refused while it was opened.
pub(crate) struct Rejected {
    pub(crate) reply: ReplyTo,
    pub(crate) fail_info: FailInfo,
    pub(crate) text: Cow<'static, str>,
    pub(crate) detail: String,
    /// Whether the signature was good: then it is an enrollment's refusal, else a stray one.
    pub(crate) verified: bool,
    /// It is the one refusal for whatever went wrong from the decryption on: it leaves at a moment that tells nothing.
    pub(crate) opaque: bool,
    /// It may be one try of many to learn what a message holds: counts as a guess.
    pub(crate) guess: bool,
}

/// An enrollment, ready to be decided on.
pub(crate) struct EnrollmentRequest {
    pub(crate) reply: ReplyTo,
    pub(crate) csr: Csr,
    pub(crate) facts: CsrFacts,
    pub(crate) key: Key,
    pub(crate) poll_key: Key,
    /// A digest of the PKIMessage as it came.
    pub(crate) message: Key,
    /// What it is told apart by where it is to wait for an operator.
    pub(crate) waiting: Option<Arc<Waiting>>,
    /// The serial of the certificate that this renews.
    pub(crate) renews: Option<Serial>,
    /// Whether a signed (Intune) challenge came along.
    pub(crate) intune: bool,
    /// Whether it is signed with a certificate of this profile that is in force.
    pub(crate) by_holder: bool,
    /// What is to stand in the audit beside a certificate.
    pub(crate) notes: Vec<String>,
    pub(crate) known: Option<PriorResult>,
    pub(crate) evidence: Result<Box<Evidence>, Refusal>,
    pub(crate) approval: Result<Approved, Refusal>,
    /// Tolerated oddities, for the log.
    pub(crate) findings: Vec<String>,
}

/// The reason of a refusal that stands for the very message: whoever was asked outside has judged it.
pub(crate) const JUDGED: &str = "intune_refused";

/// Who vouches for a device that renews without a challenge.
pub(crate) const BY_CERTIFICATE: &str = "certificate";

/// Why the device may enroll.
#[derive(Clone, Default)]
pub(crate) struct Evidence {
    /// Which validator vouched; [`BY_CERTIFICATE`] where the signer's certificate is enough.
    pub(crate) validator: String,
    pub(crate) proven: Proven,
    /// Whether somebody outside has yet to be asked.
    pub(crate) open: bool,
    /// Whether the gates let the device in, now or when it first came.
    pub(crate) through_gates: bool,
}

impl EnrollmentRequest {
    pub(crate) fn is_renewal(&self) -> bool {
        self.renews.is_some() || self.is_renewal_message()
    }

    /// Whether it came as a RenewalReq (17).
    pub(crate) fn is_renewal_message(&self) -> bool {
        self.reply.message_type == MessageType::RenewalReq
    }

    /// Whether [`EnrollmentRequest::claim`] is only what somebody wrote: no trust anchor signed it.
    pub(crate) fn claim_is_unverified(&self) -> bool {
        matches!(&self.evidence, Err(refusal) if refusal.anonymous)
    }

    /// What the challenge claims, as far as it could be read.
    pub(crate) fn claim(&self) -> Option<&Claim> {
        match &self.evidence {
            Ok(evidence) => evidence.proven.grounds.claim.as_ref(),
            Err(refusal) => refusal.claim.as_deref(),
        }
    }

    /// Which challenge it came with, by its name or id, where the validator that vouched tells several apart.
    pub(crate) fn challenge(&self) -> Option<&str> {
        let evidence = self.evidence.as_ref().ok()?;
        evidence.proven.grounds.challenge.as_deref()
    }

    /// The device, as whoever vouches for it knows it, or as somebody wrote.
    pub(crate) fn device(&self) -> Option<&str> {
        match &self.evidence {
            Ok(evidence) => evidence.proven.grounds.device.as_deref(),
            Err(refusal) => refusal
                .claim
                .as_deref()
                .map(|claim| claim.sub.as_str())
                .filter(|device| !device.is_empty()),
        }
    }
}

/// What an enrollment took, to be given back when a later step fails.
#[derive(Debug, Clone)]
pub(crate) struct Reserved {
    /// What is taken once, and until when: used challenges.
    pub(crate) once: Vec<(ReplayKey, DateTime<Utc>)>,
    /// The challenge that was made here and is used by it.
    pub(crate) used: Option<Box<Key>>,
    /// Whose allowance was drawn on, where it is limited.
    pub(crate) quota: Vec<DeviceKey>,
    /// The limit of that allowance.
    pub(crate) limit: u32,
    /// When.
    pub(crate) at: DateTime<Utc>,
}

impl Reserved {
    pub(crate) fn none(at: DateTime<Utc>) -> Self {
        Self {
            once: Vec::new(),
            used: None,
            quota: Vec::new(),
            limit: 0,
            at,
        }
    }
}

/// What is known of an earlier request, without what only lists need.
#[derive(Debug, Clone)]
pub(crate) struct PriorResult {
    pub(crate) stage: Stage,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) needs_approval: bool,
    /// The name of the profile that its record is under: the present one, or one of before.
    pub(crate) profile: Arc<String>,
    /// The version of its record.
    pub(crate) version: u64,
    /// Of one that waits.
    pub(crate) waiting: Option<Arc<Waiting>>,
    /// Of one that was not approved.
    pub(crate) ended: Option<Box<Ended>>,
    /// Of one that was refused in one of its stages: what its device is told.
    pub(crate) refused: Option<Box<Ended>>,
}

impl PriorResult {
    /// Whether its device was told PENDING, or may have been: then its polls are no retransmissions. What went through
    /// one stage alone was stored once.
    pub(crate) fn was_pending(&self) -> bool {
        self.needs_approval || self.version > 1
    }

    /// Whether it was refused by what may decide otherwise the next time, so that the same request starts anew.
    pub(crate) fn may_start_anew(&self) -> bool {
        matches!(
            self.stage,
            Stage::Refused(
                store::Refusal::Gate { .. }
                    | store::Refusal::Policy { .. }
                    | store::Refusal::Failed { .. }
            )
        )
    }

    /// Whether the very same message was refused by who judges it for good: it gets its answer without being judged again.
    pub(crate) fn is_judged(&self, message: &Key) -> bool {
        let refused = matches!(&self.stage, Stage::Refused(store::Refusal::Gate { label, .. })
            if label == JUDGED);
        let ended = self.refused.as_ref();
        refused && ended.is_some_and(|ended| ended.message.as_ref() == Some(message))
    }

    /// The version that a record under this name replaces; 0 where there is none.
    pub(crate) fn version_under(&self, profile: &str) -> u64 {
        if *self.profile == profile {
            self.version
        } else {
            0
        }
    }

    /// When it ends if no operator decides.
    pub(crate) fn approval_ends(&self) -> Option<DateTime<Utc>> {
        match self.stage {
            Stage::AwaitingApproval { until } => until,
            _ => None,
        }
    }
}

/// What is kept of the context of a request that was not approved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// A digest of the PKIMessage that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Key>,
    /// Whether a newer request of the same key took its place.
    #[serde(default)]
    pub(crate) replaced: bool,
    /// What its device is told, and the failInfo's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) told: Option<(u8, String)>,
}

/// What a request that waits, or is about to, is told apart by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// A digest of the key that is to be certified.
    pub(crate) spki: Key,
    /// A digest of everything in the CSR but the challenge and the signature.
    pub(crate) content: Key,
    /// The network that it came from.
    pub(crate) source: Option<IpAddr>,
    /// Other transactions that joined this one: what each is known and polled by.
    pub(crate) joined: Vec<(Key, Key)>,
}

impl Waiting {
    pub(crate) fn new(csr: &Csr, source: Option<IpAddr>) -> Self {
        let spki = csr.public_key().spki_der();
        let extensions = csr.extensions().iter().flat_map(|extension| {
            let critical: &[u8] = if extension.critical { b"critical" } else { b"" };
            [
                extension.oid.as_bytes(),
                critical,
                extension.value.as_slice(),
            ]
        });
        let parts: Vec<&[u8]> = [spki, csr.subject().der()]
            .into_iter()
            .chain(extensions)
            .collect();
        Self {
            spki: digest(&[spki]),
            content: digest(&parts),
            source: source.map(network_of),
            joined: Vec::new(),
        }
    }
}

/// What a CertPoll, GetCert or GetCRL asks for.
pub(crate) enum Question {
    CertPoll { issuer: Name, poll_key: Key },
    GetCert { issuer: Name, serial: Serial },
    GetCrl { issuer: Name, serial: Serial },
}

impl Question {
    /// The CA that is asked about.
    pub(crate) fn issuer(&self) -> &Name {
        match self {
            Self::CertPoll { issuer, .. }
            | Self::GetCert { issuer, .. }
            | Self::GetCrl { issuer, .. } => issuer,
        }
    }
}

/// Why a device was let in that the compliance hook could not be asked about.
pub(crate) type LetIn = Option<String>;
