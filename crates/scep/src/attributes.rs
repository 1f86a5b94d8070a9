//! The SCEP attributes among the signed attributes of a PKIMessage (RFC 8894, section 3.2.1).

use pki::cms::Signed;
use pki::der::{self, Tlv, tag};

use crate::{FailInfo, MessageType, PkiStatus};

/// Longest transactionID, in characters.
pub const MAX_TRANSACTION_ID: usize = 128;

/// Longest nonce that is echoed, in octets. The RFC says 16; old clients send 8.
pub const MAX_NONCE: usize = 64;

/// Why an attribute that is there cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadAttribute {
    /// Of another type, or not even an element.
    Type,
    /// Empty or too long.
    Length,
    /// Characters that no PrintableString may have.
    Alphabet,
}

impl BadAttribute {
    pub(crate) fn words(self) -> &'static str {
        match self {
            BadAttribute::Type => "it is of the wrong type",
            BadAttribute::Length => "it is empty or too long",
            BadAttribute::Alphabet => "it has characters that a PrintableString cannot have",
        }
    }
}

/// A text attribute. Old clients write other string types than PrintableString; the alphabet is what matters, because
/// the text goes into logs and replies.
pub(crate) fn text(
    signed: &Signed,
    oid: &str,
    longest: usize,
) -> Result<Option<String>, BadAttribute> {
    let Some(raw) = signed.attribute(oid) else {
        return Ok(None);
    };
    let element = Tlv::parse(raw, "SCEP attribute").map_err(|_| BadAttribute::Type)?;
    let text = der::text(&element).ok_or(BadAttribute::Type)?;
    if text.is_empty() || text.len() > longest {
        return Err(BadAttribute::Length);
    }
    if !text.bytes().all(is_printable) {
        return Err(BadAttribute::Alphabet);
    }
    Ok(Some(text))
}

/// An OCTET STRING attribute.
pub(crate) fn octets(signed: &Signed, oid: &str) -> Result<Option<Vec<u8>>, BadAttribute> {
    let Some(raw) = signed.attribute(oid) else {
        return Ok(None);
    };
    let element = Tlv::parse(raw, "SCEP attribute").map_err(|_| BadAttribute::Type)?;
    if element.tag != tag::OCTET_STRING {
        return Err(BadAttribute::Type);
    }
    if element.content.len() > MAX_NONCE {
        return Err(BadAttribute::Length);
    }
    Ok(Some(element.content.to_vec()))
}

/// The alphabet of PrintableString (X.680, 41.4).
fn is_printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet)
}

/// The transactionID.
pub(crate) fn transaction_id(signed: &Signed) -> Result<Option<String>, BadAttribute> {
    text(signed, pki::oid::SCEP_TRANSACTION_ID, MAX_TRANSACTION_ID)
}

/// What stands in the place of a transactionID, where it is a text of a length that can be given back and of another
/// alphabet.
pub(crate) fn unusable_transaction_id(signed: &Signed) -> Option<String> {
    if transaction_id(signed) != Err(BadAttribute::Alphabet) {
        return None;
    }
    let raw = signed.attribute(pki::oid::SCEP_TRANSACTION_ID)?;
    der::text(&Tlv::parse(raw, "SCEP attribute").ok()?)
}

/// The messageType.
pub(crate) fn message_type(signed: &Signed) -> Result<Option<MessageType>, BadAttribute> {
    let text = text(
        signed,
        pki::oid::SCEP_MESSAGE_TYPE,
        MessageType::MAX_UNKNOWN,
    )?;
    Ok(text.map(|text| MessageType::from_text(&text)))
}

/// The pkiStatus; `None` when it is missing or not one of the RFC's.
pub(crate) fn pki_status(signed: &Signed) -> Option<PkiStatus> {
    PkiStatus::from_text(&text(signed, pki::oid::SCEP_PKI_STATUS, 4).ok()??)
}

/// The failInfo; `None` when it is missing or not one of the RFC's.
pub(crate) fn fail_info(signed: &Signed) -> Option<FailInfo> {
    FailInfo::from_text(&text(signed, pki::oid::SCEP_FAIL_INFO, 4).ok()??)
}

/// The failInfoText, free text of the other side: control characters are replaced.
pub(crate) fn fail_info_text(signed: &Signed) -> Option<String> {
    let raw = signed.attribute(pki::oid::SCEP_FAIL_INFO_TEXT)?;
    let text = der::text(&Tlv::parse(raw, "failInfoText").ok()?)?;
    Some(
        text.chars()
            .take(500)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_keeps_log_lines_whole() {
        for good in ["aB3", "5f:ab", "a+/=", "c05cae1a-bbcd", "x y"] {
            assert!(good.bytes().all(is_printable), "{good}");
        }
        for bad in ["a\nb", "a\0", "<img>", "\u{202e}", "a_b", "\"", "a*"] {
            assert!(!bad.bytes().all(is_printable), "{bad}");
        }
    }
}
