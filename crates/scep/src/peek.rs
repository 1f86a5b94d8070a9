//! What a message says of itself before any RSA: nothing of it is proven.

use pki::Certificate;
use pki::cms::Signed;

use crate::MessageType;
use crate::attributes;

/// What a PKIMessage says of itself. Anybody can write it: neither its signature nor anything in its envelope was
/// looked at.
#[derive(Debug, Clone)]
pub struct Peeked {
    /// The messageType, where it can be read.
    pub message_type: Option<MessageType>,
    /// The transactionID, where it can be read.
    pub transaction_id: Option<String>,
    /// The certificate that its signature names.
    pub signer: Certificate,
}

/// Reads what can be read of a message without a key; `None` where it is no PKIMessage, or names no signer.
#[must_use]
pub fn peek(message: &[u8]) -> Option<Peeked> {
    let signed = Signed::parse(message).ok()?;
    Some(Peeked {
        message_type: attributes::message_type(&signed).unwrap_or_default(),
        transaction_id: attributes::transaction_id(&signed).unwrap_or_default(),
        signer: signed.signer_certificate()?.clone(),
    })
}
