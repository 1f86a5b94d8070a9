//! The one error type of the crate.
//!
//! A request that is refused is not an [`Error`]: see [`OpenError`](crate::OpenError).

use crate::{FailInfo, PkiStatus};

/// What can go wrong beside a request that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The `message` of a GET cannot be decoded (RFC 8894, section 4.1).
    #[error("the message parameter cannot be decoded: {0}")]
    GetMessage(&'static str),
    /// The holder of this key cannot be sent an encrypted reply: key transport needs RSA.
    #[error(
        "a reply cannot be encrypted to this {0} key: only RSA keys from 1024 to 8192 bits can receive one"
    )]
    CannotEncryptTo(String),
    /// There is nothing to make a reply of.
    #[error("{0}")]
    Incomplete(&'static str),
    /// A CertRep that is not what the client may accept.
    #[error("the reply is refused: {0}")]
    Reply(ReplyProblem),
    /// Certificates, keys or CMS.
    #[error(transparent)]
    Pki(#[from] pki::Error),
}

/// Which of the client's checks a reply did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyProblem {
    /// Not a CMS SignedData with one signer.
    #[error("it is not a PKIMessage ({0})")]
    Unreadable(pki::Error),
    /// Signed by someone else than those who may.
    #[error("its signer is not a certificate that GetCACert gave")]
    Signer,
    /// The signature or the signed attributes.
    #[error("its signature is wrong ({0})")]
    Signature(pki::Error),
    /// An attribute that a CertRep must have is missing or cannot be read.
    #[error("its {0} is missing or unreadable")]
    Attribute(&'static str),
    /// Not messageType 3.
    #[error("its messageType is not CertRep")]
    MessageType,
    /// Another transaction.
    #[error("its transactionID is not that of the request")]
    TransactionId,
    /// Not the answer to this request.
    #[error("its recipientNonce is not the senderNonce of the request")]
    Nonce,
    /// The envelope is missing, not for us, or does not open.
    #[error("its envelope cannot be opened: {0}")]
    Envelope(String),
    /// What was in the envelope is not what was asked for.
    #[error("{0}")]
    Content(&'static str),
    /// A status or failInfo that makes no sense together.
    #[error("its pkiStatus is {0} but its failInfo is {1:?}")]
    Status(PkiStatus, Option<FailInfo>),
    /// The certificates of GetCACert do not hang together.
    #[error("{0}")]
    CaCertificates(String),
}
