//! The numbers of a PKIMessage: messageType, pkiStatus and failInfo (RFC 8894, sections 3.2.1.2 to 3.2.1.4).
//!
//! On the wire each is a PrintableString of decimal digits.

use std::fmt;

/// messageType (RFC 8894, section 3.2.1.2).
///
/// What is not listed is kept as it came in [`MessageType::Unknown`], so that one exhaustive match decides about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 3: a reply.
    CertRep,
    /// 17: a request signed with a certificate issued earlier.
    RenewalReq,
    /// 19: a request vouched for by a challenge, or a renewal when signed with a certificate issued earlier.
    PkcsReq,
    /// 20: asks for the outcome of a request that is pending.
    CertPoll,
    /// 21: asks for a certificate by issuer and serial.
    GetCert,
    /// 22: asks for the CRL.
    GetCrl,
    /// Anything else, 18 (UpdateReq of old drafts) too. Holds at most [`MessageType::MAX_UNKNOWN`] printable characters.
    Unknown(String),
}

impl MessageType {
    /// Most characters that an unknown messageType may have before the message is refused unread.
    pub const MAX_UNKNOWN: usize = 16;

    /// Reads the attribute's text.
    pub fn from_text(text: &str) -> MessageType {
        match text {
            "3" => MessageType::CertRep,
            "17" => MessageType::RenewalReq,
            "19" => MessageType::PkcsReq,
            "20" => MessageType::CertPoll,
            "21" => MessageType::GetCert,
            "22" => MessageType::GetCrl,
            other => MessageType::Unknown(other.to_owned()),
        }
    }

    /// The attribute's text.
    pub fn as_text(&self) -> &str {
        match self {
            MessageType::CertRep => "3",
            MessageType::RenewalReq => "17",
            MessageType::PkcsReq => "19",
            MessageType::CertPoll => "20",
            MessageType::GetCert => "21",
            MessageType::GetCrl => "22",
            MessageType::Unknown(text) => text,
        }
    }

    /// The name that the RFC gives it.
    pub fn name(&self) -> &'static str {
        match self {
            MessageType::CertRep => "CertRep",
            MessageType::RenewalReq => "RenewalReq",
            MessageType::PkcsReq => "PKCSReq",
            MessageType::CertPoll => "CertPoll",
            MessageType::GetCert => "GetCert",
            MessageType::GetCrl => "GetCRL",
            MessageType::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageType::Unknown(text) => write!(f, "unknown messageType {text:?}"),
            known => write!(f, "{} ({})", known.name(), known.as_text()),
        }
    }
}

/// pkiStatus (RFC 8894, section 3.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PkiStatus {
    /// 0: granted.
    Success,
    /// 2: refused, failInfo says why.
    Failure,
    /// 3: waits for a decision; ask again.
    Pending,
}

impl PkiStatus {
    /// The attribute's text.
    pub fn as_text(self) -> &'static str {
        match self {
            PkiStatus::Success => "0",
            PkiStatus::Failure => "2",
            PkiStatus::Pending => "3",
        }
    }

    /// Reads the attribute's text; `None` for a value that the RFC does not define.
    pub fn from_text(text: &str) -> Option<PkiStatus> {
        match text {
            "0" => Some(PkiStatus::Success),
            "2" => Some(PkiStatus::Failure),
            "3" => Some(PkiStatus::Pending),
            _ => None,
        }
    }
}

impl fmt::Display for PkiStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PkiStatus::Success => "SUCCESS",
            PkiStatus::Failure => "FAILURE",
            PkiStatus::Pending => "PENDING",
        })
    }
}

/// failInfo (RFC 8894, section 3.2.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailInfo {
    /// An algorithm or key that is unknown or not allowed.
    BadAlg = 0,
    /// The message's integrity could not be shown.
    BadMessageCheck = 1,
    /// Not permitted or not supported.
    BadRequest = 2,
    /// The signingTime was too far from the server's time.
    BadTime = 3,
    /// No certificate, CRL or request matches.
    BadCertId = 4,
}

impl FailInfo {
    /// Every value, in the order of the RFC's table.
    pub const ALL: [FailInfo; 5] = [
        FailInfo::BadAlg,
        FailInfo::BadMessageCheck,
        FailInfo::BadRequest,
        FailInfo::BadTime,
        FailInfo::BadCertId,
    ];

    /// The number, 0 to 4.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The value with this number.
    pub fn from_code(code: u8) -> Option<FailInfo> {
        FailInfo::ALL.into_iter().find(|known| known.code() == code)
    }

    /// The attribute's text.
    pub fn as_text(self) -> &'static str {
        match self {
            FailInfo::BadAlg => "0",
            FailInfo::BadMessageCheck => "1",
            FailInfo::BadRequest => "2",
            FailInfo::BadTime => "3",
            FailInfo::BadCertId => "4",
        }
    }

    /// Reads the attribute's text.
    pub fn from_text(text: &str) -> Option<FailInfo> {
        FailInfo::ALL
            .into_iter()
            .find(|known| known.as_text() == text)
    }

    /// The name that the RFC gives it.
    pub fn name(self) -> &'static str {
        match self {
            FailInfo::BadAlg => "badAlg",
            FailInfo::BadMessageCheck => "badMessageCheck",
            FailInfo::BadRequest => "badRequest",
            FailInfo::BadTime => "badTime",
            FailInfo::BadCertId => "badCertId",
        }
    }
}

impl fmt::Display for FailInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_agree() {
        for info in FailInfo::ALL {
            assert_eq!(info.as_text(), info.code().to_string());
            assert_eq!(FailInfo::from_text(info.as_text()), Some(info));
            assert_eq!(FailInfo::from_code(info.code()), Some(info));
        }
        assert_eq!(FailInfo::from_code(5), None);
        assert_eq!(FailInfo::from_text("00"), None);
        for status in [PkiStatus::Success, PkiStatus::Failure, PkiStatus::Pending] {
            assert_eq!(PkiStatus::from_text(status.as_text()), Some(status));
        }
        assert_eq!(PkiStatus::from_text("1"), None);
    }

    #[test]
    fn only_the_defined_message_types_are_known() {
        let known: Vec<String> = (0..=30u8)
            .map(|n| n.to_string())
            .filter(|text| !matches!(MessageType::from_text(text), MessageType::Unknown(_)))
            .collect();
        assert_eq!(known, ["3", "17", "19", "20", "21", "22"]);
        for text in ["19 ", "019", "", "PKCSReq", "18"] {
            assert_eq!(
                MessageType::from_text(text),
                MessageType::Unknown(text.into())
            );
            assert_eq!(MessageType::from_text(text).as_text(), text);
        }
        assert_eq!(MessageType::PkcsReq.to_string(), "PKCSReq (19)");
    }
}
