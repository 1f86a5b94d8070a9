//! Which extensions of a CSR are read, which are ignored, and which end the request.

use pki::Csr;

use crate::approved::{PolicyRefusal, Rule};

/// What becomes of a requested extension.
enum Fate {
    /// Another rule reads it.
    Read,
    /// Sent by habit; the certificate's own fields say it, or nothing does.
    Ignored,
    /// Never taken over from a CSR, critical or not; the audit event says so.
    Dropped,
    /// Not known here.
    Unknown,
}

fn fate(oid: &str) -> Fate {
    match oid {
        // keyUsage, subjectAltName, basicConstraints, extKeyUsage.
        "2.5.29.15" | "2.5.29.17" | "2.5.29.19" | "2.5.29.37" => Fate::Read,
        // Key identifiers: the issuer writes its own.
        "2.5.29.14" | "2.5.29.35" => Fate::Ignored,
        // Microsoft's template name and template, application policies, and the CA version.
        "1.3.6.1.4.1.311.20.2"
        | "1.3.6.1.4.1.311.21.7"
        | "1.3.6.1.4.1.311.21.10"
        | "1.3.6.1.4.1.311.21.1" => Fate::Ignored,
        // S/MIME capabilities, Netscape's certificate type and comment, and TLS features, which the policy decides on.
        "1.2.840.113549.1.9.15"
        | "2.16.840.1.113730.1.1"
        | "2.16.840.1.113730.1.13"
        | "1.3.6.1.5.5.7.1.24" => Fate::Ignored,
        "1.3.6.1.4.1.311.25.2" => Fate::Dropped,
        _ => Fate::Unknown,
    }
}

/// Refuses CA:TRUE, an extension that stands twice, and an unknown critical one.
pub(super) fn check(csr: &Csr, notes: &mut Vec<String>) -> Result<(), PolicyRefusal> {
    if csr.wants_ca() {
        return Err(PolicyRefusal::new(
            Rule::BasicConstraints,
            "the request asks to become a CA (basicConstraints CA:TRUE)",
        ));
    }
    let mut seen: Vec<&str> = Vec::new();
    for extension in csr.extensions() {
        let oid = extension.oid.as_str();
        if seen.contains(&oid) {
            return Err(PolicyRefusal::new(
                Rule::Extension,
                format!("the extension {oid} is there twice"),
            ));
        }
        seen.push(oid);
        match fate(oid) {
            Fate::Read | Fate::Ignored => {}
            Fate::Dropped => notes.push(format!(
                "the security identifier extension {oid} of the request was dropped"
            )),
            Fate::Unknown if extension.critical => {
                return Err(PolicyRefusal::new(
                    Rule::Extension,
                    format!("the critical extension {oid} is not known"),
                ));
            }
            Fate::Unknown => notes.push(format!("the extension {oid} of the request was ignored")),
        }
    }
    Ok(())
}
