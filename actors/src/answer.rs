//! What a device is answered, and the CertRep that says it.

use crate::enrollment::PriorResult;
use crate::refusal::Refusal;
use crate::requests::RequestResult;
use crate::spec::ProfileSpec;
use challenge::Label;
use chrono::{DateTime, Utc};
use pki::Certificate;
use scep::{FailInfo, ReplyTo};
use std::sync::Arc;

/// What a device is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// SUCCESS with this certificate.
    Certificate(Certificate),
    /// SUCCESS with this CRL, DER.
    Crl(Arc<[u8]>),
    /// PENDING.
    Pending,
    /// FAILURE.
    Refused { fail_info: FailInfo, text: Arc<str> },
    /// HTTP 503: come again.
    Busy,
    /// HTTP 503: as many requests wait for an operator as may.
    Full,
    /// HTTP 403: too many wrong challenges from this source.
    Throttled,
}

impl Answer {
    pub(crate) fn refused(fail_info: FailInfo, text: &str) -> Self {
        Self::Refused {
            fail_info,
            text: text.into(),
        }
    }

    /// How a request with this answer ended.
    pub(crate) fn result(&self) -> RequestResult {
        match self {
            Self::Certificate(_) | Self::Crl(_) => RequestResult::Success,
            Self::Pending => RequestResult::Pending,
            Self::Refused { .. } => RequestResult::Failure,
            Self::Busy | Self::Full => RequestResult::Busy,
            Self::Throttled => RequestResult::Throttled,
        }
    }
}

impl From<&Refusal> for Answer {
    fn from(refusal: &Refusal) -> Self {
        Self::refused(refusal.fail_info, &refusal.text)
    }
}

/// An answer, and its CertRep where that has been made already.
pub(crate) struct SealedReply {
    pub(crate) answer: Answer,
    pub(crate) sealed: Option<Vec<u8>>,
}

impl From<Answer> for SealedReply {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            sealed: None,
        }
    }
}

/// An enrollment that is durable now.
pub(crate) struct Done {
    pub(crate) known: PriorResult,
    pub(crate) answered: SealedReply,
    pub(crate) label: Option<Label>,
}

/// Why a CertRep could not be built: never the device's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("{0}")]
    Scep(#[from] scep::Error),
    #[error("the profile has no RA certificate")]
    NoRa,
}

/// Encrypts and signs a CertRep that says it was signed at `time`. Costs RSA time: for the compute pool.
pub(crate) fn seal(
    spec: &ProfileSpec,
    reply: &ReplyTo,
    answer: &Answer,
    time: DateTime<Utc>,
) -> Result<Vec<u8>, SealError> {
    // A device that asked with the RA certificate of before checks the reply with that one too.
    let asked = spec
        .openers()
        .find(|ra| Some(&ra.opens.certificate) == reply.recipient.as_ref());
    let ra = asked.or(spec.ras.first()).ok_or(SealError::NoRa)?;
    let chain;
    let answer = match answer {
        Answer::Certificate(certificate) => {
            chain = if spec.chain.chain_in_reply {
                std::iter::once(certificate.clone())
                    .chain(spec.issuer.authority().chain().iter().cloned())
                    .collect()
            } else {
                vec![certificate.clone()]
            };
            scep::Answer::Success {
                certificates: &chain,
            }
        }
        Answer::Crl(crl) => scep::Answer::Crl(crl),
        Answer::Refused { fail_info, text } => scep::Answer::Failure {
            fail_info: *fail_info,
            text,
        },
        Answer::Pending | Answer::Busy | Answer::Full | Answer::Throttled => scep::Answer::Pending,
    };
    Ok(scep::cert_rep(reply, &answer, &ra.signs, spec.mode, time)?)
}
