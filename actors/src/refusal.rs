//! Why an enrollment is refused. What the device is told and what the operator reads are
//! separate fields: the first says nothing that helps to guess.

use crate::excerpt;
use challenge::{Claim, Grounds, Label, Mismatch, NotVouched, OneTime};
use issuer::PolicyRefusal;
use scep::FailInfo;

/// A refusal, with everything that its CertRep and its audit event need.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// RFC 8894 section 3.2.1.4.
    pub(crate) fail_info: FailInfo,
    /// failInfoText, for the device.
    pub(crate) text: String,
    /// The audit's `reason`: an Intune label or a policy reason, one word.
    pub(crate) reason: &'static str,
    /// The audit's `message`: plain words for the operator.
    pub(crate) message: String,
    /// The Intune counter, where an Intune challenge came along.
    pub(crate) label: Option<Label>,
    /// What the challenge said, as far as it could be read; unproven where the refusal is
    /// `anonymous`.
    pub(crate) claim: Option<Box<Claim>>,
    /// Where challenge and CSR differ.
    pub(crate) mismatches: Vec<Mismatch>,
    /// Nothing was proven yet: floods of these are sampled, not written one by one.
    pub(crate) anonymous: bool,
    /// A wrong or missing secret: counts as a guess.
    pub(crate) guess: bool,
}

impl Refusal {
    /// A refusal that is no gate's.
    pub(crate) fn new(
        fail_info: FailInfo,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let message = excerpt::words(plain(message.into()));
        Self {
            fail_info,
            text: message.clone(),
            reason,
            message,
            label: None,
            claim: None,
            mismatches: Vec::new(),
            anonymous: false,
            guess: false,
        }
    }

    /// Says something else to the device than to the operator.
    pub(crate) fn telling(mut self, text: &str) -> Self {
        text.clone_into(&mut self.text);
        self
    }

    /// Nothing was proven yet.
    pub(crate) fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// The refusal of a request with an Intune challenge, by whatever it was refused: one of the
    /// eleven counters goes up, and a reason that is none of their labels counts as malformed.
    pub(crate) fn counted(mut self) -> Self {
        self.label = self.label.or(Some(Label::from_reason(self.reason)));
        self
    }

    /// The refusal of a request that had passed what proves who asks.
    pub(crate) fn after(mut self, grounds: Grounds) -> Self {
        self.claim = grounds.claim.map(Box::new);
        self.anonymous = false;
        self
    }

    /// A challenge that was made here and is used already, or is being used.
    pub(crate) fn used() -> Self {
        let words = "this challenge was used before, or another request is using it";
        Self::new(FailInfo::BadRequest, OneTime::USED, words).telling("the challenge was refused")
    }

    /// What a challenge takes was taken already. Only signed challenges (`counted`) move one of the eleven counters.
    pub(crate) fn taken(
        label: Label,
        message: String,
        claim: Option<Claim>,
        counted: bool,
    ) -> Self {
        let refusal = Self::gate(label, message, claim);
        match counted {
            true => refusal,
            false => Self {
                label: None,
                text: format!("the challenge was refused: {label}"),
                ..refusal
            },
        }
    }

    /// One of the Intune gates.
    pub(crate) fn gate(label: Label, message: String, claim: Option<Claim>) -> Self {
        Self {
            label: Some(label),
            claim: claim.map(Box::new),
            ..Self::new(
                numbered(challenge::fail_info(label)),
                label.as_str(),
                message,
            )
        }
        .telling(&label.told())
    }
}

impl From<NotVouched> for Refusal {
    fn from(refused: NotVouched) -> Self {
        Self {
            label: refused.label,
            claim: refused.claim.map(Box::new),
            mismatches: refused.mismatches,
            anonymous: refused.is_anonymous,
            guess: refused.is_guess,
            ..Self::new(numbered(refused.fail_info), refused.reason, refused.message)
        }
        .telling(&refused.told)
    }
}

impl From<PolicyRefusal> for Refusal {
    fn from(refused: PolicyRefusal) -> Self {
        let fail_info = if refused.fail_info_is_alg {
            FailInfo::BadAlg
        } else {
            FailInfo::BadRequest
        };
        Self::new(fail_info, refused.rule.as_str(), refused.reason)
    }
}

/// A sentence that may hold names from outside, fit for a log line: what would end the line, or change the direction in
/// which it is read, stands there as an escape.
fn plain(text: String) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.chars().any(hidden) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hidden(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// The failInfo with that number, as validators give it.
fn numbered(fail_info: u8) -> FailInfo {
    match fail_info {
        0 => FailInfo::BadAlg,
        1 => FailInfo::BadMessageCheck,
        _ => FailInfo::BadRequest,
    }
}
