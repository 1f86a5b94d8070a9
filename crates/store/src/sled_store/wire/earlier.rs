//! Records of schema versions 1 and 2, as the migration finds them.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{corrupt, decode, maybe_time, time};
use crate::{CaId, EnrollmentRecord, Grounds, Refusal, Result, Stage, Times};

/// What is kept of a certificate beside its DER: all of this but the CA. Behind it stands one octet, 0 or
/// 1, where it is known whether gates let the device in.
#[derive(Serialize, Deserialize)]
pub(in crate::sled_store) struct EarlierFacts<'a> {
    pub(in crate::sled_store) issuer_id: &'a str,
    #[serde(borrow)]
    pub(in crate::sled_store) serial: &'a [u8],
    pub(in crate::sled_store) profile: &'a str,
    pub(in crate::sled_store) common_name: &'a str,
    pub(in crate::sled_store) sans: &'a str,
    pub(in crate::sled_store) not_before: i64,
    pub(in crate::sled_store) not_after: i64,
    pub(in crate::sled_store) issued_at: i64,
    pub(in crate::sled_store) transaction_id: &'a str,
    pub(in crate::sled_store) device: Option<&'a str>,
    pub(in crate::sled_store) renews: Option<&'a [u8]>,
    #[serde(skip)]
    pub(in crate::sled_store) through_gates: Option<bool>,
}

impl<'a> EarlierFacts<'a> {
    pub(in crate::sled_store) fn decode(octets: &'a [u8]) -> Result<Self> {
        const WHAT: &str = "a certificate's facts";
        let (mut facts, rest): (Self, _) =
            postcard::take_from_bytes(octets).map_err(|error| corrupt(WHAT, &error.to_string()))?;
        facts.through_gates = match rest {
            [] => None,
            [0] => Some(false),
            [1] => Some(true),
            _ => return Err(corrupt(WHAT, &format!("{} octets too many", rest.len()))),
        };
        Ok(facts)
    }

    /// With its CA.
    pub(in crate::sled_store) fn with_ca(self, ca: CaId) -> super::CertificateFacts<'a> {
        super::CertificateFacts {
            issuer_id: self.issuer_id,
            ca: *ca.as_bytes(),
            serial: self.serial,
            profile: self.profile,
            common_name: self.common_name,
            sans: self.sans,
            not_before: self.not_before,
            not_after: self.not_after,
            issued_at: self.issued_at,
            transaction_id: self.transaction_id,
            device: self.device,
            renews: self.renews,
            through_gates: self.through_gates,
        }
    }
}

const WHAT: &str = "a request";

/// A request.
#[derive(Serialize, Deserialize)]
pub(in crate::sled_store) struct EarlierRequest<'a> {
    profile: &'a str,
    key: [u8; 16],
    poll_key: [u8; 16],
    #[serde(borrow)]
    state: EarlierState<'a>,
    transaction_id: &'a str,
    message_type: u8,
    created_at: i64,
    updated_at: i64,
    deadline: Option<i64>,
    common_name: &'a str,
    sans: &'a str,
    device: Option<&'a str>,
    source_ip: Option<IpAddr>,
    csr: Option<&'a [u8]>,
    context: Option<&'a [u8]>,
}

#[derive(Serialize, Deserialize)]
enum EarlierState<'a> {
    Pending,
    /// Never written: it keeps the numbers of those after it.
    Reserved,
    Issued {
        issuer_id: &'a str,
        #[serde(borrow)]
        serial: &'a [u8],
    },
    Denied {
        by: &'a str,
        note: Option<&'a str>,
    },
    Expired,
}

/// What the context of a request said of its grounds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EarlierContext {
    intune: bool,
    claim: Option<Value>,
    claim_issuer: Option<String>,
}

impl<'a> EarlierRequest<'a> {
    pub(in crate::sled_store) fn decode(octets: &'a [u8]) -> Result<Self> {
        decode(WHAT, octets)
    }

    /// As an enrollment; `ca_of` knows the CA of a certificate by the issuer's configured name and the
    /// serial.
    pub(in crate::sled_store) fn enrollment(
        &self,
        ca_of: impl FnOnce(&str, &[u8]) -> CaId,
    ) -> Result<EnrollmentRecord> {
        let deadline = maybe_time(WHAT, self.deadline)?;
        // The end of time stood for "it waits for ever".
        let ends = deadline.filter(|end| *end < last_time());
        let updated = time(WHAT, self.updated_at)?;
        let stage = match &self.state {
            EarlierState::Pending => Stage::AwaitingApproval { until: ends },
            EarlierState::Reserved => return Err(corrupt(WHAT, "its state")),
            EarlierState::Issued { issuer_id, serial } => Stage::Issued {
                ca: ca_of(issuer_id, serial),
                serial: serial.to_vec(),
            },
            EarlierState::Denied { by, note } => Stage::Refused(Refusal::Denied {
                by: (*by).to_owned(),
                note: note.map(str::to_owned),
            }),
            EarlierState::Expired => Stage::Refused(Refusal::ApprovalExpired),
        };
        let context: EarlierContext = self
            .context
            .and_then(|octets| serde_json::from_slice(octets).ok())
            .unwrap_or_default();
        // Only Intune challenges named a device.
        let intune = context.intune || self.device.is_some();
        let issued = matches!(stage, Stage::Issued { .. }).then_some(updated);
        Ok(EnrollmentRecord {
            profile: self.profile.to_owned(),
            key: self.key,
            poll_key: self.poll_key,
            version: 1,
            // A request that waited kept the end of its time.
            needs_approval: deadline.is_some() || stage.awaits_approval(),
            due: stage.is_open().then_some(ends).flatten(),
            stage,
            transaction_id: self.transaction_id.to_owned(),
            message_type: self.message_type,
            common_name: self.common_name.to_owned(),
            sans: self.sans.to_owned(),
            source_ip: self.source_ip,
            csr: self.csr.map(<[u8]>::to_vec),
            grounds: Grounds {
                validator: if intune { "intune" } else { "" }.to_owned(),
                device: self.device.map(str::to_owned),
                claim: context.claim,
                claim_issuer: context.claim_issuer,
                vouched_sid: None,
                renews: None,
            },
            context: self.context.map(<[u8]>::to_vec),
            attempts: 0,
            lease: None,
            times: Times {
                created: time(WHAT, self.created_at)?,
                updated,
                validated: None,
                issued,
                notified: None,
                delivered: None,
            },
        })
    }
}

/// The end of time as it comes back from microseconds.
fn last_time() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(DateTime::<Utc>::MAX_UTC.timestamp_micros())
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn facts_may_say_whether_gates_let_the_device_in() {
        let facts = EarlierFacts {
            issuer_id: "local",
            serial: &[1],
            profile: "corp",
            common_name: "",
            sans: "",
            not_before: 0,
            not_after: 0,
            issued_at: 0,
            transaction_id: "",
            device: None,
            renews: None,
            through_gates: None,
        };
        let octets = postcard::to_stdvec(&facts).unwrap();
        for (behind, gates) in [(&[][..], None), (&[0], Some(false)), (&[1], Some(true))] {
            let octets = [&octets, behind].concat();
            assert_eq!(EarlierFacts::decode(&octets).unwrap().through_gates, gates);
        }
        let more = [&octets[..], &[2]].concat();
        assert!(EarlierFacts::decode(&more).is_err());
    }
}
