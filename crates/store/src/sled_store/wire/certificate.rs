use serde::{Deserialize, Serialize};

use super::{decode, encode, fits, micros, time};
use crate::{CaId, CertificateRecord, Conflict, CrlRecord, Result, Revocation, RevokedCertificate};

const WHAT: &str = "a certificate's facts";

/// All that is kept of a certificate beside its DER.
#[derive(Serialize, Deserialize)]
pub(in crate::sled_store) struct CertificateFacts<'a> {
    pub(in crate::sled_store) issuer_id: &'a str,
    pub(in crate::sled_store) ca: [u8; 16],
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
    pub(in crate::sled_store) through_gates: Option<bool>,
}

impl<'a> CertificateFacts<'a> {
    pub(in crate::sled_store) fn of(record: &'a CertificateRecord) -> Self {
        Self {
            issuer_id: &record.issuer_id,
            ca: *record.ca.as_bytes(),
            serial: &record.serial,
            profile: &record.profile,
            common_name: &record.common_name,
            sans: &record.sans,
            not_before: micros(record.not_before),
            not_after: micros(record.not_after),
            issued_at: micros(record.issued_at),
            transaction_id: &record.transaction_id,
            device: record.device.as_deref(),
            renews: record.renews.as_deref(),
            through_gates: record.through_gates,
        }
    }

    pub(in crate::sled_store) fn decode(octets: &'a [u8]) -> Result<Self> {
        decode(WHAT, octets)
    }

    /// The CA that signed it.
    pub(in crate::sled_store) const fn ca(&self) -> CaId {
        CaId::from_bytes(self.ca)
    }

    pub(in crate::sled_store) fn encode(&self) -> std::result::Result<Vec<u8>, Conflict> {
        encode(WHAT, self)
    }

    /// The whole record.
    pub(in crate::sled_store) fn record(
        &self,
        der: Vec<u8>,
        revoked: Option<Revocation>,
    ) -> Result<CertificateRecord> {
        Ok(CertificateRecord {
            issuer_id: self.issuer_id.to_owned(),
            ca: self.ca(),
            serial: self.serial.to_vec(),
            profile: self.profile.to_owned(),
            der,
            common_name: self.common_name.to_owned(),
            sans: self.sans.to_owned(),
            not_before: time(WHAT, self.not_before)?,
            not_after: time(WHAT, self.not_after)?,
            issued_at: time(WHAT, self.issued_at)?,
            transaction_id: self.transaction_id.to_owned(),
            device: self.device.map(str::to_owned),
            renews: self.renews.map(<[u8]>::to_vec),
            through_gates: self.through_gates,
            revoked,
        })
    }
}

pub(in crate::sled_store) fn encode_certificate(
    record: &CertificateRecord,
) -> std::result::Result<Vec<u8>, Conflict> {
    fits("a certificate", record.der.len())?;
    CertificateFacts::of(record).encode()
}

#[derive(Serialize, Deserialize)]
struct DiskRevocation {
    at: i64,
    reason: u8,
}

/// What a CRL says besides of the certificate; stands behind the revocation. Up to schema version 3 it did not.
#[derive(Serialize, Deserialize)]
struct DiskRevoked<'a> {
    #[serde(borrow)]
    serial: &'a [u8],
    not_after: i64,
}

const REVOCATION: &str = "a revocation";

pub(in crate::sled_store) fn encode_revocation(
    revocation: &Revocation,
    facts: &CertificateFacts<'_>,
) -> std::result::Result<Vec<u8>, Conflict> {
    let disk = DiskRevocation {
        at: micros(revocation.at),
        reason: revocation.reason,
    };
    let revoked = DiskRevoked {
        serial: facts.serial,
        not_after: facts.not_after,
    };
    encode(REVOCATION, &(disk, revoked))
}

pub(in crate::sled_store) fn decode_revocation(octets: &[u8]) -> Result<Revocation> {
    Ok(split_revocation(octets)?.0)
}

/// The revoked certificate, as far as its revocation says; `None` when that is of schema version 3 or earlier.
pub(in crate::sled_store) fn decode_revoked(octets: &[u8]) -> Result<Option<RevokedCertificate>> {
    let (revocation, revoked) = split_revocation(octets)?;
    let whole = |revoked: DiskRevoked<'_>| {
        Ok(RevokedCertificate {
            serial: revoked.serial.to_vec(),
            revocation,
            not_after: time(REVOCATION, revoked.not_after)?,
        })
    };
    revoked.map(whole).transpose()
}

fn split_revocation(octets: &[u8]) -> Result<(Revocation, Option<DiskRevoked<'_>>)> {
    let (disk, rest): (DiskRevocation, _) = postcard::take_from_bytes(octets)
        .map_err(|error| super::corrupt(REVOCATION, &error.to_string()))?;
    let revocation = Revocation {
        at: time(REVOCATION, disk.at)?,
        reason: disk.reason,
    };
    let revoked = match rest {
        [] => None,
        rest => Some(decode(REVOCATION, rest)?),
    };
    Ok((revocation, revoked))
}

#[derive(Serialize, Deserialize)]
struct DiskCrl<'a> {
    issuer_id: &'a str,
    number: u64,
    this_update: i64,
    next_update: i64,
    #[serde(borrow)]
    der: &'a [u8],
}

/// As schema versions 1 and 2 have it, under the issuer's configured name.
#[derive(Serialize, Deserialize)]
struct EarlierCrl<'a> {
    number: u64,
    this_update: i64,
    next_update: i64,
    #[serde(borrow)]
    der: &'a [u8],
}

pub(in crate::sled_store) fn encode_crl(
    record: &CrlRecord,
) -> std::result::Result<Vec<u8>, Conflict> {
    let disk = DiskCrl {
        issuer_id: &record.issuer_id,
        number: record.number,
        this_update: micros(record.this_update),
        next_update: micros(record.next_update),
        der: &record.der,
    };
    encode("a CRL", &disk)
}

pub(in crate::sled_store) fn decode_crl(ca: CaId, octets: &[u8]) -> Result<CrlRecord> {
    let disk: DiskCrl<'_> = decode("a CRL", octets)?;
    Ok(CrlRecord {
        issuer_id: disk.issuer_id.to_owned(),
        ca,
        number: disk.number,
        this_update: time("a CRL", disk.this_update)?,
        next_update: time("a CRL", disk.next_update)?,
        der: disk.der.to_vec(),
    })
}

/// Of an earlier schema version. The CA is the one that the CRL names, or else stands for the
/// configured name.
pub(in crate::sled_store) fn decode_earlier_crl(
    issuer_id: &str,
    octets: &[u8],
) -> Result<CrlRecord> {
    let disk: EarlierCrl<'_> = decode("a CRL", octets)?;
    let ca = pki::Crl::from_der(disk.der)
        .ok()
        .and_then(|crl| CaId::of_crl(&crl));
    Ok(CrlRecord {
        issuer_id: issuer_id.to_owned(),
        ca: ca.unwrap_or_else(|| CaId::of_configured_name(issuer_id)),
        number: disk.number,
        this_update: time("a CRL", disk.this_update)?,
        next_update: time("a CRL", disk.next_update)?,
        der: disk.der.to_vec(),
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
        fn certificates_come_back(mut record in arbitrary::certificate()) {
            let octets = encode_certificate(&record).unwrap();
            let facts = CertificateFacts::decode(&octets).unwrap();
            let back = facts.record(record.der.clone(), record.revoked).unwrap();
            prop_assert_eq!(&back, &record);
            record.der.clear();
            prop_assert_ne!(back, record);
        }

        #[test]
        fn revocations_come_back(record in arbitrary::certificate(), at in arbitrary::time(), reason: u8) {
            let revocation = Revocation { at, reason };
            let octets = encode_revocation(&revocation, &CertificateFacts::of(&record)).unwrap();
            prop_assert_eq!(decode_revocation(&octets).unwrap(), revocation);
            let revoked = RevokedCertificate { serial: record.serial, revocation, not_after: record.not_after };
            prop_assert_eq!(decode_revoked(&octets).unwrap(), Some(revoked));
            let earlier = encode("", &DiskRevocation { at: micros(at), reason }).unwrap();
            prop_assert_eq!(decode_revocation(&earlier).unwrap(), revocation);
            prop_assert_eq!(decode_revoked(&earlier).unwrap(), None);
        }

        #[test]
        fn crls_come_back(number: u64, from in arbitrary::time(), to in arbitrary::time(), der: Vec<u8>) {
            let ca = CaId::from_bytes([7; 16]);
            let record = CrlRecord { issuer_id: "ca".into(), ca, number, this_update: from, next_update: to, der };
            let octets = encode_crl(&record).unwrap();
            prop_assert_eq!(decode_crl(ca, &octets).unwrap(), record);
        }

        #[test]
        fn any_octets_decode_or_fail_cleanly(octets: Vec<u8>) {
            if let Ok(facts) = CertificateFacts::decode(&octets) {
                let _ = facts.record(Vec::new(), None);
            }
            let _ = decode_crl(CaId::from_bytes([7; 16]), &octets);
            let _ = decode_revoked(&octets);
        }
    }

    #[test]
    fn of_a_record_that_does_not_say_the_device_tells_whether_gates_let_it_in() {
        let mut record = arbitrary::plain_certificate(1);
        record.through_gates = None;
        assert!(record.is_through_gates());
        record.device = None;
        assert!(!record.is_through_gates());
        record.through_gates = Some(true);
        assert!(record.is_through_gates());
    }

    #[test]
    fn a_certificate_beyond_all_reason_is_refused() {
        let mut record = arbitrary::plain_certificate(1);
        record.der = vec![0; (16 << 20) + 1];
        assert!(matches!(
            encode_certificate(&record),
            Err(Conflict::Unstorable { .. })
        ));
    }
}
