//! The codes by which Windows says why there is no certificate.

use issuer::IssueError;

/// Who has to do something about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The request is refused, whoever asks.
    Request,
    /// Its settings are wrong over there or here: devices wait until somebody has seen to it.
    Operator,
    /// The CA is away.
    Ca,
}

struct Known {
    code: u32,
    name: &'static str,
    whose: Whose,
    words: &'static str,
}

const fn known(code: u32, name: &'static str, whose: Whose, words: &'static str) -> Known {
    Known {
        code,
        name,
        whose,
        words,
    }
}

/// Source: winerror.h.
const KNOWN: [Known; 20] = [
    known(
        0x8007_0005,
        "E_ACCESSDENIED",
        Whose::Operator,
        "give scepd's account the right to request certificates at the CA",
    ),
    known(
        0x8009_4002,
        "CERTSRV_E_NO_REQUEST",
        Whose::Request,
        "the CA knows no such request",
    ),
    known(
        0x8009_481e,
        "CERTSRV_E_INVALID_REQUESTID",
        Whose::Request,
        "the CA knows no such request",
    ),
    known(
        0x8009_4004,
        "CERTSRV_E_PROPERTY_EMPTY",
        Whose::Request,
        "the CA knows no such request",
    ),
    known(
        0x8009_4009,
        "CERTSRV_E_RESTRICTEDOFFICER",
        Whose::Operator,
        "the CA restricts enrollment agents: let this one enroll with the template",
    ),
    known(
        0x8009_4011,
        "CERTSRV_E_ENROLL_DENIED",
        Whose::Operator,
        "give scepd's account the right to request certificates at the CA",
    ),
    known(
        0x8009_4012,
        "CERTSRV_E_TEMPLATE_DENIED",
        Whose::Operator,
        "give scepd's account Read and Enroll on the template",
    ),
    known(
        0x8009_4014,
        "CERTSRV_E_ADMIN_DENIED_REQUEST",
        Whose::Request,
        "a certificate manager denied it",
    ),
    known(
        0x8009_4800,
        "CERTSRV_E_UNSUPPORTED_CERT_TYPE",
        Whose::Operator,
        "the CA does not issue this template: write its name (not its display name), and publish it at the CA",
    ),
    known(
        0x8009_4801,
        "CERTSRV_E_NO_CERT_TYPE",
        Whose::Operator,
        "the CA saw no template: write its name",
    ),
    known(
        0x8009_4809,
        "CERTSRV_E_SIGNATURE_POLICY_REQUIRED",
        Whose::Operator,
        "the template demands an enrollment agent's signature: set adcs.agent_cert_path",
    ),
    known(
        0x8009_480a,
        "CERTSRV_E_SIGNATURE_COUNT",
        Whose::Operator,
        "the template demands more signatures: one authorized signature can be given, by adcs.agent_cert_path",
    ),
    known(
        0x8009_480b,
        "CERTSRV_E_SIGNATURE_REJECTED",
        Whose::Operator,
        "the enrollment agent's signature is not taken: its certificate has ended, or its chain is not trusted there",
    ),
    known(
        0x8009_480f,
        "CERTSRV_E_SUBJECT_DNS_REQUIRED",
        Whose::Request,
        "the template builds the subject from the directory: set Supply in the request",
    ),
    known(
        0x8009_4811,
        "CERTSRV_E_KEY_LENGTH",
        Whose::Request,
        "the template demands a larger key",
    ),
    known(
        0x8009_4812,
        "CERTSRV_E_SUBJECT_EMAIL_REQUIRED",
        Whose::Request,
        "the template builds the subject from the directory: set Supply in the request",
    ),
    known(
        0x8009_0008,
        "NTE_BAD_ALGID",
        Whose::Request,
        "the CA does not take this kind of key or signature",
    ),
    known(
        0x8009_4006,
        "CERTSRV_E_SERVER_SUSPENDED",
        Whose::Ca,
        "the CA is suspended",
    ),
    known(
        0x8007_06ba,
        "RPC_S_SERVER_UNAVAILABLE",
        Whose::Ca,
        "the CA is stopped, or the web server does not reach it",
    ),
    known(
        0x8007_06be,
        "RPC_S_CALL_FAILED",
        Whose::Ca,
        "the CA broke off",
    ),
];

/// What a code comes to. `said` is what came with it, in whatever language.
pub(super) fn outcome(code: u32, said: &str) -> IssueError {
    let found = KNOWN.iter().find(|known| known.code == code);
    let name = found.map_or("", |known| known.name);
    let mut words = format!("0x{code:08x}");
    if !name.is_empty() {
        words = format!("{name} ({words})");
    }
    if !said.is_empty() {
        words = format!("{words}: {said}");
    }
    if let Some(known) = found {
        words = format!("{words}; {}", known.words);
    }
    match found.map_or(Whose::Request, |known| known.whose) {
        Whose::Request => IssueError::Refused(words),
        Whose::Operator | Whose::Ca => IssueError::Again {
            why: words,
            after: None,
            // What breaks off may have been done.
            unheard: code == 0x8007_06be,
        },
    }
}

/// Whether a code says that nobody knows a request, and nothing more: the CA itself has answered.
pub(super) fn is_unknown_request(error: &IssueError) -> bool {
    matches!(error, IssueError::Refused(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_of_the_request_of_the_operator_or_of_a_ca_that_is_away() {
        let refused = outcome(0x8009_4811, "Denied by Policy Module");
        assert!(
            matches!(&refused, IssueError::Refused(words) if words.starts_with("CERTSRV_E_KEY_LENGTH (0x80094811): Denied by Policy Module; ")),
            "{refused:?}"
        );
        assert!(matches!(
            outcome(0x8009_4012, ""),
            IssueError::Again { unheard: false, .. }
        ));
        assert!(matches!(
            outcome(0x8007_06be, ""),
            IssueError::Again { unheard: true, .. }
        ));
        assert_eq!(
            outcome(0x8000_1234, "x"),
            IssueError::Refused("0x80001234: x".to_owned())
        );
    }

    #[test]
    fn each_code_is_there_once() {
        let codes: std::collections::BTreeSet<u32> = KNOWN.iter().map(|known| known.code).collect();
        assert_eq!(codes.len(), KNOWN.len());
    }
}
