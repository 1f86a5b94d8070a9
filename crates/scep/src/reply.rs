//! A CertRep out (RFC 8894, section 3.3.2).

use chrono::{DateTime, Utc};
use pki::cms::{self, Enveloped, Signed, SignedParts};
use pki::{Certificate, ContentCipher, Digest, der, oid};

use crate::{
    CryptoMode, Error, FailInfo, MessageType, PkiStatus, RaIdentity, ReplyTo, can_encrypt_to,
};

/// What is answered.
#[derive(Clone, Copy)]
pub enum Answer<'a> {
    /// The certificate, and whatever is to go with it.
    Success {
        /// The leaf first: clients store the first one as theirs.
        certificates: &'a [Certificate],
    },
    /// The CRL (DER) alone.
    Crl(&'a [u8]),
    /// Ask again later.
    Pending,
    /// Refused.
    Failure {
        /// Why, as a number.
        fail_info: FailInfo,
        /// Why, in words for whoever reads the device's log. Left out when empty.
        text: &'a str,
    },
}

impl Answer<'_> {
    fn status(&self) -> PkiStatus {
        match self {
            Answer::Success { .. } | Answer::Crl(_) => PkiStatus::Success,
            Answer::Pending => PkiStatus::Pending,
            Answer::Failure { .. } => PkiStatus::Failure,
        }
    }
}

/// Makes a CertRep in DER, signed by `ra`.
///
/// SUCCESS is encrypted to the signer of the request, with the request's cipher and key transport where `mode` allows
/// them. `time` is its signingTime (RFC 5652, 11.3), in whole seconds; XiPKI's client takes no reply without. Where the
/// answer must not tell how long a message was looked at, it is the time when that message came.
///
/// # Errors
/// [`Error::CannotEncryptTo`] for SUCCESS to a signer without an RSA key, [`Error::Incomplete`] for SUCCESS without a
/// certificate, [`Error::Pki`] when the library fails.
pub fn cert_rep(
    reply: &ReplyTo,
    answer: &Answer<'_>,
    ra: &RaIdentity,
    mode: CryptoMode,
    time: DateTime<Utc>,
) -> Result<Vec<u8>, Error> {
    let envelope = match answer {
        Answer::Success { certificates } => {
            if certificates.is_empty() {
                return Err(Error::Incomplete("a SUCCESS reply needs a certificate"));
            }
            let certificates: Vec<&Certificate> = certificates.iter().collect();
            envelope(reply, &cms::degenerate(&certificates, &[]), mode)?
        }
        Answer::Crl(crl) => envelope(reply, &cms::degenerate(&[], &[crl]), mode)?,
        // Not absent but empty: certmonger does not read a reply without any content.
        Answer::Pending | Answer::Failure { .. } => Vec::new(),
    };

    let mut attributes = vec![
        (oid::SIGNING_TIME, der::time(time)),
        (
            oid::SCEP_MESSAGE_TYPE,
            der::printable_string(MessageType::CertRep.as_text()),
        ),
        (
            oid::SCEP_PKI_STATUS,
            der::printable_string(answer.status().as_text()),
        ),
        (
            oid::SCEP_SENDER_NONCE,
            der::octet_string(&pki::random::<16>()?),
        ),
    ];
    if let Some(transaction_id) = &reply.transaction_id {
        attributes.push((
            oid::SCEP_TRANSACTION_ID,
            der::printable_string(transaction_id),
        ));
    } else if let Some(text) = &reply.unusable_transaction_id {
        // No PrintableString can hold it.
        attributes.push((oid::SCEP_TRANSACTION_ID, der::utf8_string(text)));
    }
    if let Some(nonce) = &reply.sender_nonce {
        attributes.push((oid::SCEP_RECIPIENT_NONCE, der::octet_string(nonce)));
    }
    if let Answer::Failure { fail_info, text } = answer {
        attributes.push((
            oid::SCEP_FAIL_INFO,
            der::printable_string(fail_info.as_text()),
        ));
        if !text.is_empty() {
            attributes.push((oid::SCEP_FAIL_INFO_TEXT, der::utf8_string(text)));
        }
    }

    let digest = if mode.allows_digest(reply.digest) {
        reply.digest
    } else {
        Digest::Sha256
    };
    Ok(Signed::build(&SignedParts {
        content_type: oid::DATA,
        content: Some(&envelope),
        certificates: &[&ra.certificate],
        signer: (&ra.certificate, &ra.key),
        digest,
        attributes: &attributes,
        // strongSwan refuses a digest in the signature algorithm.
        rsa_encryption_oid: true,
    })?)
}

fn envelope(reply: &ReplyTo, content: &[u8], mode: CryptoMode) -> Result<Vec<u8>, Error> {
    let cipher = if mode.allows_cipher(reply.cipher) {
        reply.cipher
    } else {
        ContentCipher::Aes256Cbc
    };
    can_encrypt_to(&reply.signer, &reply.key_transport, cipher)?;
    Ok(Enveloped::build(
        content,
        &[&reply.signer],
        cipher,
        &reply.key_transport,
    )?)
}
