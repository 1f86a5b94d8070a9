//! What Intune's validation answers, and what an operator does about it.

/// One of the codes that `validateRequest` answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// As Intune writes it.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// Whether anybody could have caused it with a challenge made up: counts as a guess.
    pub is_guess: bool,
}

const fn code(name: &'static str, meaning: &'static str, advice: &'static str) -> Code {
    Code {
        name,
        meaning,
        advice,
        is_guess: false,
    }
}

const fn guess(name: &'static str, meaning: &'static str, advice: &'static str) -> Code {
    Code {
        name,
        meaning,
        advice,
        is_guess: true,
    }
}

/// The one code that lets a device in.
pub const SUCCESS: &str = "Success";

/// All codes that are known (microsoft/Intune-Resource-Access, `CsrValidation`, and one seen in the field).
pub static CODES: [Code; 26] = [
    code(
        "Unknown",
        "Intune gave no reason",
        "Let the device sync and try again. If it stays, open a case at Microsoft with the transactionID and the client-request-id.",
    ),
    code("Success", "the device may enroll", "Nothing."),
    code(
        "CertificateRequestDecodingFailed",
        "Intune cannot read the CSR",
        "Look whether something between device and server changes the request. If not, open a case at Microsoft.",
    ),
    guess(
        "ChallengePasswordMissing",
        "the CSR holds no challenge that Intune knows",
        "The request did not come from an Intune SCEP profile, or another profile's URL was used. Look at the SCEP Server URLs of the profile in Intune.",
    ),
    guess(
        "ChallengeDeserializationError",
        "the challenge is not one of Intune's",
        "The request did not come from an Intune SCEP profile, or the challenge was cut on its way. Let the device sync.",
    ),
    guess(
        "ChallengeDecryptionError",
        "the challenge cannot be decrypted",
        "It is another tenant's challenge, or it was altered. Look whether the profile names the right tenant.",
    ),
    guess(
        "ChallengeDecodingError",
        "the challenge cannot be decoded",
        "The challenge was altered or cut on its way. Look at proxies between device and server, and let the device sync.",
    ),
    code(
        "ChallengeInvalidTimestamp",
        "the times in the challenge make no sense",
        "Let the device sync: it gets a new challenge. If it stays, open a case at Microsoft.",
    ),
    code(
        "ChallengeExpired",
        "the challenge is too old",
        "The device enrolled long after its sync. Let it sync again: it gets a new challenge. If it happens to many, look why devices reach the server late (URL, DNS, firewall, PENDING).",
    ),
    code(
        "SubjectNameMissing",
        "the CSR has no subject",
        "Set a subject name format in the SCEP profile in Intune.",
    ),
    code(
        "SubjectNameMismatch",
        "the CSR's subject is not what the SCEP profile asks for",
        "The profile was changed after the device got it, or the subject holds one of + ; , = escaped. Let the device sync; take such characters out of the subject name format.",
    ),
    code(
        "SubjectAltNameMissing",
        "the CSR lacks a subject alternative name that the SCEP profile asks for",
        "Look whether the user or device has a value for each variable in the profile's subject alternative names, and let the device sync.",
    ),
    code(
        "SubjectAltNameMismatch",
        "the CSR's subject alternative names are not what the SCEP profile asks for",
        "The profile or the directory object was changed after the device got the profile. Let the device sync.",
    ),
    code(
        "KeyUsageMismatch",
        "the CSR's key usage is not what the SCEP profile asks for",
        "The profile was changed after the device got it. Let the device sync.",
    ),
    code(
        "KeyLengthMismatch",
        "the CSR's key has another size than the SCEP profile asks for",
        "The profile was changed after the device got it, or the platform cannot make such a key. Choose 2048 bits in the profile and let the device sync.",
    ),
    code(
        "EnhancedKeyUsageMissing",
        "the CSR lacks the extended key usage that the SCEP profile asks for",
        "Let the device sync. Some platforms ignore what they do not know: use Client Authentication.",
    ),
    code(
        "EnhancedKeyUsageMismatch",
        "the CSR's extended key usage is not what the SCEP profile asks for",
        "The profile was changed after the device got it. Let the device sync; use Client Authentication.",
    ),
    code(
        "AadKeyIdentifierListMissing",
        "the device has no key registered in Entra ID",
        "Look whether the device is joined or registered in Entra ID, and register it again.",
    ),
    code(
        "RegisteredKeyMismatch",
        "the device's key is not the one registered in Entra ID",
        "The device was reset or registered twice. Remove the stale device in Entra ID and register it again.",
    ),
    code(
        "SigningCertThumbprintMismatch",
        "the challenge is signed by a certificate that Intune does not expect",
        "Let the device sync: it gets a new challenge.",
    ),
    code(
        "ScepProfileNoLongerTargetedToTheClient",
        "the SCEP profile is no longer assigned to the user or device",
        "Look at the assignments of the SCEP profile in Intune. If the device is to have it, assign it and let the device sync.",
    ),
    guess(
        "SignatureValidationFailed",
        "the challenge's signature is wrong",
        "The challenge was altered, or made up. Let the device sync; look who sent the request.",
    ),
    code(
        "BadCertificateRequestIdInChallenge",
        "the challenge names a request that Intune does not know",
        "Let the device sync: it gets a new challenge.",
    ),
    code(
        "BadDeviceIdInChallenge",
        "the challenge names a device that Intune does not know",
        "The device was removed from Intune or enrolled anew. Let it sync.",
    ),
    code(
        "BadUserIdInChallenge",
        "the challenge names a user that Intune does not know",
        "The user was removed, or lost the licence. Look at the user in the admin center, and let the device sync.",
    ),
    code(
        "BadTenantIdInChallenge",
        "the challenge was made in another tenant",
        "Look whether the profile names the tenant in which the SCEP profile was made, and whether the app is registered there.",
    ),
];

/// The code of that name; letters compare without case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Code> {
    CODES
        .iter()
        .find(|code| code.name.eq_ignore_ascii_case(name))
}

/// What Intune is told of a failure: an HRESULT as a signed number (MS-ERREF 2.1).
#[must_use]
pub fn hresult(reason: &str) -> i32 {
    /// E_FAIL.
    const FAILED: u32 = 0x8000_4005;
    /// HRESULT_FROM_WIN32(ERROR_TIMEOUT).
    const TIMED_OUT: u32 = 0x8007_05B4;
    /// E_ACCESSDENIED.
    const DENIED: u32 = 0x8007_0005;
    /// CERTSRV_E_BAD_REQUESTSUBJECT.
    const BAD_SUBJECT: u32 = 0x8009_4001;
    /// CERTSRV_E_TEMPLATE_DENIED.
    const TEMPLATE_DENIED: u32 = 0x8009_4012;
    /// CERTSRV_E_KEY_LENGTH.
    const KEY_LENGTH: u32 = 0x8009_4811;
    let number = match reason {
        "outside_failed" => TIMED_OUT,
        "policy_key" => KEY_LENGTH,
        "policy_subject" | "policy_san" => BAD_SUBJECT,
        "device_state" | "compliance_failed" | "rate_limited" | "replay" => DENIED,
        policy if policy.starts_with("policy_") => TEMPLATE_DENIED,
        _ => FAILED,
    };
    number.cast_signed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_code_is_there_once_with_something_to_do() {
        for (index, code) in CODES.iter().enumerate() {
            assert_eq!(
                CODES.iter().position(|other| other.name == code.name),
                Some(index)
            );
            assert!(!code.meaning.is_empty() && code.advice.ends_with('.'));
        }
        assert_eq!(find("challengeexpired").unwrap().name, "ChallengeExpired");
        assert!(find("NotACode").is_none());
    }

    #[test]
    fn results_are_signed_numbers() {
        assert_eq!(hresult("issuer_refused"), -2_147_467_259);
        assert_eq!(hresult("outside_failed"), -2_147_023_436);
        assert_eq!(hresult("device_state"), -2_147_024_891);
        assert_eq!(hresult("policy_subject"), -2_146_877_439);
        assert_eq!(hresult("policy_validity"), -2_146_877_422);
        assert_eq!(hresult("policy_key"), -2_146_875_375);
    }
}
