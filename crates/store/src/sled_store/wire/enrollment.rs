//! Enrollments as octets.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{corrupt, decode, encode, micros, time, value};
use crate::{CaId, Conflict, EnrollmentRecord, Grounds, Lease, Refusal, Result, Stage, Times};

const WHAT: &str = "an enrollment";

/// An enrollment as stored, borrowed from its octets.
#[derive(Serialize, Deserialize)]
pub(in crate::sled_store) struct EnrollmentView<'a> {
    pub(in crate::sled_store) profile: &'a str,
    pub(in crate::sled_store) key: [u8; 16],
    pub(in crate::sled_store) poll_key: [u8; 16],
    pub(in crate::sled_store) version: u64,
    #[serde(borrow)]
    stage: DiskStage<'a>,
    needs_approval: bool,
    transaction_id: &'a str,
    message_type: u8,
    common_name: &'a str,
    sans: &'a str,
    source_ip: Option<IpAddr>,
    csr: Option<&'a [u8]>,
    grounds: DiskGrounds<'a>,
    context: Option<&'a [u8]>,
    pub(in crate::sled_store) due: Option<i64>,
    attempts: u32,
    lease: Option<(&'a str, i64)>,
    created: i64,
    /// The others in microseconds after `created`, which takes few octets.
    updated: i64,
    validated: Option<i64>,
    issued: Option<i64>,
    notified: Option<i64>,
    delivered: Option<i64>,
}

/// New stages go to the end: postcard numbers them.
#[derive(Serialize, Deserialize)]
enum DiskStage<'a> {
    Validating {
        handle: Option<&'a str>,
    },
    AwaitingApproval {
        until: Option<i64>,
    },
    Issuing {
        issuer_id: &'a str,
        handle: Option<&'a str>,
    },
    Issued {
        ca: [u8; 16],
        #[serde(borrow)]
        serial: &'a [u8],
    },
    #[serde(borrow)]
    Refused(DiskRefusal<'a>),
    Notifying {
        ca: [u8; 16],
        #[serde(borrow)]
        serial: &'a [u8],
    },
}

/// New ones go to the end.
#[derive(Serialize, Deserialize)]
enum DiskRefusal<'a> {
    Policy { reason: &'a str, message: &'a str },
    Gate { label: &'a str, message: &'a str },
    Denied { by: &'a str, note: Option<&'a str> },
    ApprovalExpired,
    Failed { message: &'a str },
}

#[derive(Serialize, Deserialize)]
struct DiskGrounds<'a> {
    validator: &'a str,
    device: Option<&'a str>,
    claim: Option<&'a [u8]>,
    claim_issuer: Option<&'a str>,
    vouched_sid: Option<&'a str>,
    renews: Option<&'a [u8]>,
}

impl<'a> EnrollmentView<'a> {
    pub(in crate::sled_store) fn decode(octets: &'a [u8]) -> Result<Self> {
        decode(WHAT, octets)
    }

    /// Whether something is still to be done or decided.
    pub(in crate::sled_store) const fn is_open(&self) -> bool {
        !matches!(self.stage, DiskStage::Issued { .. } | DiskStage::Refused(_))
    }

    /// Whether it waits for an operator.
    pub(in crate::sled_store) const fn awaits_approval(&self) -> bool {
        matches!(self.stage, DiskStage::AwaitingApproval { .. })
    }
}

impl DiskStage<'_> {
    fn stage(&self) -> Result<Stage> {
        Ok(match self {
            DiskStage::Validating { handle } => Stage::Validating {
                handle: handle.map(str::to_owned),
            },
            DiskStage::AwaitingApproval { until } => Stage::AwaitingApproval {
                until: super::maybe_time(WHAT, *until)?,
            },
            DiskStage::Issuing { issuer_id, handle } => Stage::Issuing {
                issuer_id: (*issuer_id).to_owned(),
                handle: handle.map(str::to_owned),
            },
            DiskStage::Issued { ca, serial } => Stage::Issued {
                ca: CaId::from_bytes(*ca),
                serial: serial.to_vec(),
            },
            DiskStage::Refused(refusal) => Stage::Refused(refusal.refusal()),
            DiskStage::Notifying { ca, serial } => Stage::Notifying {
                ca: CaId::from_bytes(*ca),
                serial: serial.to_vec(),
            },
        })
    }
}

impl<'a> From<&'a Stage> for DiskStage<'a> {
    fn from(stage: &'a Stage) -> Self {
        match stage {
            Stage::Validating { handle } => Self::Validating {
                handle: handle.as_deref(),
            },
            Stage::AwaitingApproval { until } => Self::AwaitingApproval {
                until: until.map(micros),
            },
            Stage::Issuing { issuer_id, handle } => Self::Issuing {
                issuer_id,
                handle: handle.as_deref(),
            },
            Stage::Issued { ca, serial } => Self::Issued {
                ca: *ca.as_bytes(),
                serial,
            },
            Stage::Refused(refusal) => Self::Refused(refusal.into()),
            Stage::Notifying { ca, serial } => Self::Notifying {
                ca: *ca.as_bytes(),
                serial,
            },
        }
    }
}

impl DiskRefusal<'_> {
    fn refusal(&self) -> Refusal {
        let own = |text: &str| text.to_owned();
        match self {
            DiskRefusal::Policy { reason, message } => Refusal::Policy {
                reason: own(reason),
                message: own(message),
            },
            DiskRefusal::Gate { label, message } => Refusal::Gate {
                label: own(label),
                message: own(message),
            },
            DiskRefusal::Denied { by, note } => Refusal::Denied {
                by: own(by),
                note: note.map(own),
            },
            DiskRefusal::ApprovalExpired => Refusal::ApprovalExpired,
            DiskRefusal::Failed { message } => Refusal::Failed {
                message: own(message),
            },
        }
    }
}

impl<'a> From<&'a Refusal> for DiskRefusal<'a> {
    fn from(refusal: &'a Refusal) -> Self {
        match refusal {
            Refusal::Policy { reason, message } => Self::Policy { reason, message },
            Refusal::Gate { label, message } => Self::Gate { label, message },
            Refusal::Denied { by, note } => Self::Denied {
                by,
                note: note.as_deref(),
            },
            Refusal::ApprovalExpired => Self::ApprovalExpired,
            Refusal::Failed { message } => Self::Failed { message },
        }
    }
}

/// Microseconds from `created` on.
fn after(created: DateTime<Utc>, at: DateTime<Utc>) -> i64 {
    micros(at).saturating_sub(micros(created))
}

/// The octets of an enrollment that gets this version.
pub(in crate::sled_store) fn encode_enrollment(
    record: &EnrollmentRecord,
    version: u64,
) -> std::result::Result<Vec<u8>, Conflict> {
    let claim = match &record.grounds.claim {
        None => None,
        Some(claim) => Some(value::encode(claim).ok_or(Conflict::Unstorable {
            what: WHAT,
            why: "its claim is nested too deeply".to_owned(),
        })?),
    };
    let (grounds, times) = (&record.grounds, &record.times);
    let since = |at: Option<DateTime<Utc>>| at.map(|at| after(times.created, at));
    let lease = record.lease.as_ref();
    let view = EnrollmentView {
        profile: &record.profile,
        key: record.key,
        poll_key: record.poll_key,
        version,
        stage: (&record.stage).into(),
        needs_approval: record.needs_approval,
        transaction_id: &record.transaction_id,
        message_type: record.message_type,
        common_name: &record.common_name,
        sans: &record.sans,
        source_ip: record.source_ip,
        csr: record.csr.as_deref(),
        grounds: DiskGrounds {
            validator: &grounds.validator,
            device: grounds.device.as_deref(),
            claim: claim.as_deref(),
            claim_issuer: grounds.claim_issuer.as_deref(),
            vouched_sid: grounds.vouched_sid.as_deref(),
            renews: grounds.renews.as_deref(),
        },
        context: record.context.as_deref(),
        due: record.due.map(micros),
        attempts: record.attempts,
        lease: lease.map(|lease| (lease.node.as_str(), micros(lease.until))),
        created: micros(times.created),
        updated: after(times.created, times.updated),
        validated: since(times.validated),
        issued: since(times.issued),
        notified: since(times.notified),
        delivered: since(times.delivered),
    };
    encode(WHAT, &view)
}

pub(in crate::sled_store) fn decode_enrollment(octets: &[u8]) -> Result<EnrollmentRecord> {
    let view = EnrollmentView::decode(octets)?;
    let own = |text: Option<&str>| text.map(str::to_owned);
    let since = |after: i64| time(WHAT, view.created.saturating_add(after));
    let maybe_since = |after: Option<i64>| after.map(since).transpose();
    let claim = match view.grounds.claim {
        None => None,
        Some(octets) => Some(value::decode(octets).ok_or_else(|| corrupt(WHAT, "its claim"))?),
    };
    let lease = match view.lease {
        None => None,
        Some((node, until)) => Some(Lease {
            node: node.to_owned(),
            until: time(WHAT, until)?,
        }),
    };
    Ok(EnrollmentRecord {
        profile: view.profile.to_owned(),
        key: view.key,
        poll_key: view.poll_key,
        version: view.version,
        stage: view.stage.stage()?,
        needs_approval: view.needs_approval,
        transaction_id: view.transaction_id.to_owned(),
        message_type: view.message_type,
        common_name: view.common_name.to_owned(),
        sans: view.sans.to_owned(),
        source_ip: view.source_ip,
        csr: view.csr.map(<[u8]>::to_vec),
        grounds: Grounds {
            validator: view.grounds.validator.to_owned(),
            device: own(view.grounds.device),
            claim,
            claim_issuer: own(view.grounds.claim_issuer),
            vouched_sid: own(view.grounds.vouched_sid),
            renews: view.grounds.renews.map(<[u8]>::to_vec),
        },
        context: view.context.map(<[u8]>::to_vec),
        due: super::maybe_time(WHAT, view.due)?,
        attempts: view.attempts,
        lease,
        times: Times {
            created: time(WHAT, view.created)?,
            updated: since(view.updated)?,
            validated: maybe_since(view.validated)?,
            issued: maybe_since(view.issued)?,
            notified: maybe_since(view.notified)?,
            delivered: maybe_since(view.delivered)?,
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;
    use crate::sled_store::arbitrary;

    proptest! {
        #[test]
        fn enrollments_come_back(record in arbitrary::enrollment()) {
            let octets = encode_enrollment(&record, record.version).unwrap();
            let view = EnrollmentView::decode(&octets).unwrap();
            prop_assert_eq!(view.is_open(), record.stage.is_open());
            prop_assert_eq!(view.awaits_approval(), record.stage.awaits_approval());
            prop_assert_eq!(decode_enrollment(&octets).unwrap(), record);
        }

        #[test]
        fn any_octets_decode_or_fail_cleanly(octets: Vec<u8>) {
            let _ = decode_enrollment(&octets);
        }

        #[test]
        fn a_cut_or_lengthened_record_is_refused(record in arbitrary::enrollment(), cut: prop::sample::Index) {
            let mut octets = encode_enrollment(&record, 1).unwrap();
            let kept = cut.index(octets.len());
            prop_assert!(decode_enrollment(&octets[..kept]).is_err());
            octets.push(0);
            prop_assert!(decode_enrollment(&octets).is_err());
        }
    }
}
