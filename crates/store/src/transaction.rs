use std::net::IpAddr;

use chrono::{DateTime, Utc};

/// One enrollment request as the server knows it, so that the same request gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRecord {
    /// The SCEP profile (path id).
    pub profile: String,
    /// What makes it the same request: a digest of messageType, transactionID, signer certificate and CSR.
    pub key: [u8; 16],
    /// What a CertPoll names it by: a digest of transactionID and signer key. Need not be unique.
    pub poll_key: [u8; 16],
    /// Where it stands.
    pub state: TransactionState,
    /// The transactionID as it came.
    pub transaction_id: String,
    /// The SCEP messageType number (19 PKCSReq, 17 RenewalReq).
    pub message_type: u8,
    /// When it first came.
    pub created_at: DateTime<Utc>,
    /// When its state last changed.
    pub updated_at: DateTime<Utc>,
    /// When it expires if nobody decides.
    pub deadline: Option<DateTime<Utc>>,
    /// The common name asked for, empty when there is none.
    pub common_name: String,
    /// The alternative names asked for, as text.
    pub sans: String,
    /// The device, where the challenge named one.
    pub device: Option<String>,
    /// Where the request came from.
    pub source_ip: Option<IpAddr>,
    /// The CSR, DER. Leave out once decided: the certificate is what is kept.
    pub csr: Option<Vec<u8>>,
    /// What else its owner needs to finish it later, opaque to the store. Leave out once decided.
    pub context: Option<Vec<u8>>,
}

/// Where an enrollment request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionState {
    /// Waits for an operator.
    Pending,
    /// Its certificate is in the store.
    Issued {
        /// The issuer.
        issuer_id: String,
        /// The certificate's serial octets.
        serial: Vec<u8>,
    },
    /// An operator refused it.
    Denied {
        /// Who.
        by: String,
        /// What they noted.
        note: Option<String>,
    },
    /// Nobody decided in time.
    Expired,
}

impl TransactionState {
    /// Whether it still waits for a decision.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Pending)
    }
}
