//! The outcomes of a signed challenge: names, failInfo, words for the device.

use serde::Serialize;
use std::fmt;

/// How an enrollment with a signed challenge ended. The order is that of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Issued.
    Success,
    /// Gate 2: no anchor's key made this signature, or the algorithm is not allowed.
    SignatureInvalid,
    /// Gate 4 (or gate 2: the anchor): too late.
    Expired,
    /// Gate 4 (or gate 2: the anchor): too early.
    NotYetValid,
    /// Gate 5: meant for another audience, or for none.
    WrongAudience,
    /// Gate 7: used before.
    Replay,
    /// Gate 8: the device has had its enrollments for now.
    RateLimited,
    /// Gate 6: the CSR asks for other names than the challenge vouches for.
    ClaimMismatch,
    /// Gate 9: the compliance hook said no, or could not be asked.
    ComplianceFailed,
    /// Gates 2 to 4: cannot be read as a challenge; and every reason that is none of the others.
    Malformed,
    /// Gate 3: a version that this server does not know.
    UnknownVersion,
}

impl Label {
    /// How many there are.
    pub const COUNT: usize = 11;

    /// Every label, in the order of the counters.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Success,
        Self::SignatureInvalid,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::Replay,
        Self::RateLimited,
        Self::ClaimMismatch,
        Self::ComplianceFailed,
        Self::Malformed,
        Self::UnknownVersion,
    ];

    /// The name in counters, metrics and audit events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::SignatureInvalid => "signature_invalid",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::Replay => "replay",
            Self::RateLimited => "rate_limited",
            Self::ClaimMismatch => "claim_mismatch",
            Self::ComplianceFailed => "compliance_failed",
            Self::Malformed => "malformed",
            Self::UnknownVersion => "unknown_version",
        }
    }

    /// The label of that name; a reason that is none of the eleven counts as malformed.
    #[must_use]
    pub fn from_reason(reason: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|label| label.as_str() == reason)
            .unwrap_or(Self::Malformed)
    }

    /// The failInfo (RFC 8894, section 3.2.1.4.5) of a refusal with this label:
    /// 1 = badMessageCheck, 2 = badRequest. A success has none.
    #[must_use]
    pub const fn fail_info(self) -> Option<u8> {
        match self {
            Self::Success => None,
            Self::SignatureInvalid
            | Self::Expired
            | Self::NotYetValid
            | Self::WrongAudience
            | Self::Replay => Some(1),
            Self::RateLimited
            | Self::ClaimMismatch
            | Self::ComplianceFailed
            | Self::Malformed
            | Self::UnknownVersion => Some(2),
        }
    }

    /// What the device is told (failInfoText): no more than the label, for the details are the operator's, in the
    /// audit event.
    #[must_use]
    pub fn told(self) -> String {
        format!("the Intune challenge was refused: {}", self.as_str())
    }

    /// Position in [`Label::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// [`Label::fail_info`] as a number, for the one who writes the CertRep: 1 = badMessageCheck,
/// 2 = badRequest. A success has none; asked for one all the same, this says 2.
#[must_use]
pub const fn fail_info(label: Label) -> u8 {
    match label.fail_info() {
        Some(number) => number,
        None => 2,
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_the_order_of_the_list() {
        for (position, label) in Label::ALL.into_iter().enumerate() {
            assert_eq!(label.index(), position, "{label}");
            assert_eq!(Label::from_reason(label.as_str()), label);
            assert_eq!(serde_json::json!(label), label.as_str());
        }
    }

    #[test]
    fn names_come_in_the_specified_order() {
        assert_eq!(
            Label::ALL.map(Label::as_str).join(" "),
            "success signature_invalid expired not_yet_valid wrong_audience replay rate_limited \
             claim_mismatch compliance_failed malformed unknown_version"
        );
    }

    #[test]
    fn an_unknown_reason_is_malformed() {
        for reason in ["", "Success", "policy", "replay "] {
            assert_eq!(Label::from_reason(reason), Label::Malformed, "{reason:?}");
        }
    }

    #[test]
    fn fail_info_is_that_of_the_gate_table() {
        let one = [
            "signature_invalid",
            "expired",
            "not_yet_valid",
            "wrong_audience",
            "replay",
        ];
        for label in Label::ALL {
            let expected = match label.as_str() {
                "success" => None,
                name if one.contains(&name) => Some(1),
                _ => Some(2),
            };
            assert_eq!(label.fail_info(), expected, "{label}");
            assert_eq!(fail_info(label), expected.unwrap_or(2));
        }
    }
}
