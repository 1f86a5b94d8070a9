//! What to prepare at ADCS for a certificate profile of scepd, in words: templates are made in its console.

use issuer::CertificatePolicy;
use pki::{RevocationReason, Serial};

/// What to set over there, line by line, for what `policy` approves.
#[must_use]
pub fn recommended(policy: &CertificatePolicy, template: &str, is_signed: bool) -> Vec<String> {
    let usages: Vec<&str> = policy.key_usage_default.names().collect();
    let days = policy.max_ttl.num_days();
    let mut lines = vec![
        format!("Certificate template {template} (a copy of \"IPSec (Offline request)\" or of Computer):"),
        format!("  General: template name {template}, without blanks; Validity period {} days,", days.saturating_sub(1).max(1)),
        "    with accept_shorter_validity = true on the issuer; the CA's own limit: certutil -getreg CA\\ValidityPeriodUnits".to_owned(),
        "  Subject Name: Supply in the request".to_owned(),
        format!("  Extensions, Application Policies: {}", policy.ekus_default.join(", ")),
        format!("  Extensions, Key Usage: {}", usages.join(", ")),
        "  Request Handling: CA certificate manager approval only if each certificate is to wait for a person".to_owned(),
    ];
    lines.extend(match is_signed {
        true => [
            "  Issuance Requirements: this number of authorized signatures: 1,",
            "    Application policy: Certificate Request Agent (adcs.agent_cert_path signs)",
        ],
        false => [
            "  Issuance Requirements: without an enrollment agent whoever may enroll can choose any name (ESC1):",
            "    demand 1 authorized signature, Certificate Request Agent, and set adcs.agent_cert_path",
        ],
    }.map(str::to_owned));
    lines.extend(
        [
            "  Security: Read and Enroll for scepd's account alone",
            "At the CA:",
            "  certutil -SetCATemplates +NAME, with the template's name",
            "  certutil -getreg policy\\EditFlags must not show EDITF_ATTRIBUTESUBJECTALTNAME2",
            "At the web server, one of:",
            "  Install-AdcsEnrollmentWebService -AuthenticationType UserName, or Certificate (url = .../service.svc/CES)",
            "  Install-AdcsWebEnrollment, then Basic authentication for /certsrv over TLS alone (url = https://HOST/certsrv)",
        ]
        .map(|line| line.replace("NAME", template)),
    );
    lines
}

/// The command that revokes a certificate there. `ca` is `HOST\CA`, where it is known.
#[must_use]
pub fn revocation_command(ca: Option<&str>, serial: &Serial, reason: RevocationReason) -> String {
    // A leading zero may be missing, none may be too many.
    let serial = hex::encode(serial.minimal());
    let config = ca.map_or_else(String::new, |ca| format!("-config \"{ca}\" "));
    format!("certutil {config}-revoke {serial} {}", reason as u8)
}
