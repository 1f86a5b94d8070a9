use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{corrupt, decode, encode, maybe_time, micros, time};
use crate::{Conflict, Result, TransactionRecord, TransactionState};

const WHAT: &str = "a request";

/// A request as stored, borrowed from its octets.
#[derive(Serialize, Deserialize)]
pub(in crate::sled_store) struct TransactionView<'a> {
    pub(in crate::sled_store) profile: &'a str,
    pub(in crate::sled_store) key: [u8; 16],
    pub(in crate::sled_store) poll_key: [u8; 16],
    #[serde(borrow)]
    pub(in crate::sled_store) state: DiskState<'a>,
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

/// New states go to the end: postcard numbers them.
#[derive(Serialize, Deserialize)]
pub(in crate::sled_store) enum DiskState<'a> {
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

impl<'a> TransactionView<'a> {
    pub(in crate::sled_store) fn decode(octets: &'a [u8]) -> Result<Self> {
        decode(WHAT, octets)
    }

    /// Whether it still waits.
    pub(in crate::sled_store) const fn is_open(&self) -> bool {
        matches!(self.state, DiskState::Pending)
    }

    fn record(&self) -> Result<TransactionRecord> {
        let note = |note: &Option<&str>| note.map(str::to_owned);
        let state = match &self.state {
            DiskState::Pending => TransactionState::Pending,
            DiskState::Reserved => return Err(corrupt(WHAT, "its state")),
            DiskState::Issued { issuer_id, serial } => TransactionState::Issued {
                issuer_id: (*issuer_id).to_owned(),
                serial: serial.to_vec(),
            },
            DiskState::Denied { by, note: n } => TransactionState::Denied {
                by: (*by).to_owned(),
                note: note(n),
            },
            DiskState::Expired => TransactionState::Expired,
        };
        Ok(TransactionRecord {
            profile: self.profile.to_owned(),
            key: self.key,
            poll_key: self.poll_key,
            state,
            transaction_id: self.transaction_id.to_owned(),
            message_type: self.message_type,
            created_at: time(WHAT, self.created_at)?,
            updated_at: time(WHAT, self.updated_at)?,
            deadline: maybe_time(WHAT, self.deadline)?,
            common_name: self.common_name.to_owned(),
            sans: self.sans.to_owned(),
            device: self.device.map(str::to_owned),
            source_ip: self.source_ip,
            csr: self.csr.map(<[u8]>::to_vec),
            context: self.context.map(<[u8]>::to_vec),
        })
    }
}

pub(in crate::sled_store) fn encode_transaction(
    record: &TransactionRecord,
) -> std::result::Result<Vec<u8>, Conflict> {
    let state = match &record.state {
        TransactionState::Pending => DiskState::Pending,
        TransactionState::Issued { issuer_id, serial } => DiskState::Issued { issuer_id, serial },
        TransactionState::Denied { by, note } => DiskState::Denied {
            by,
            note: note.as_deref(),
        },
        TransactionState::Expired => DiskState::Expired,
    };
    let view = TransactionView {
        profile: &record.profile,
        key: record.key,
        poll_key: record.poll_key,
        state,
        transaction_id: &record.transaction_id,
        message_type: record.message_type,
        created_at: micros(record.created_at),
        updated_at: micros(record.updated_at),
        deadline: record.deadline.map(micros),
        common_name: &record.common_name,
        sans: &record.sans,
        device: record.device.as_deref(),
        source_ip: record.source_ip,
        csr: record.csr.as_deref(),
        context: record.context.as_deref(),
    };
    encode(WHAT, &view)
}

pub(in crate::sled_store) fn decode_transaction(octets: &[u8]) -> Result<TransactionRecord> {
    TransactionView::decode(octets)?.record()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;
    use crate::sled_store::arbitrary;

    proptest! {
        #[test]
        fn requests_come_back(record in arbitrary::transaction()) {
            let octets = encode_transaction(&record).unwrap();
            prop_assert_eq!(TransactionView::decode(&octets).unwrap().is_open(), record.state.is_open());
            prop_assert_eq!(decode_transaction(&octets).unwrap(), record);
        }

        #[test]
        fn any_octets_decode_or_fail_cleanly(octets: Vec<u8>) {
            let _ = decode_transaction(&octets);
        }

        #[test]
        fn a_cut_or_lengthened_record_is_refused(record in arbitrary::transaction(), cut: prop::sample::Index) {
            let mut octets = encode_transaction(&record).unwrap();
            let kept = cut.index(octets.len());
            prop_assert!(decode_transaction(&octets[..kept]).is_err());
            octets.push(0);
            prop_assert!(decode_transaction(&octets).is_err());
        }
    }
}
