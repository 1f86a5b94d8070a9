//! Which extensions of a CSR are read, which are ignored, and which end the request.

use pki::Csr;

use super::readable::quoted;
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

/// The most extensions, and the most attributes, that a CSR may hold; real ones hold about a dozen.
const MOST: usize = 64;

/// Extensions that are named one by one when they are ignored.
const MOST_NAMED: usize = 10;

/// Refuses a CSR with more extensions or attributes than anybody needs.
pub(super) fn check_count(csr: &Csr) -> Result<(), PolicyRefusal> {
    for (count, what) in [
        (csr.attributes().len(), "attributes"),
        (csr.extensions().len(), "extensions"),
    ] {
        if count > MOST {
            return Err(PolicyRefusal::new(
                Rule::Extension,
                format!("the request holds {count} {what}; at most {MOST} are taken"),
            ));
        }
    }
    Ok(())
}

/// Refuses CA:TRUE and an unknown critical extension. That none stands twice, the decoder has seen to.
pub(super) fn check(csr: &Csr, notes: &mut Vec<String>) -> Result<(), PolicyRefusal> {
    if csr.wants_ca() {
        return Err(PolicyRefusal::new(
            Rule::BasicConstraints,
            "the request asks to become a CA (basicConstraints CA:TRUE)",
        ));
    }
    let mut ignored: usize = 0;
    for extension in csr.extensions() {
        let oid = extension.oid.as_str();
        match fate(oid) {
            Fate::Read | Fate::Ignored => {}
            Fate::Dropped => notes.push(format!(
                "the security identifier extension {oid} of the request was dropped"
            )),
            Fate::Unknown if extension.critical => {
                return Err(PolicyRefusal::new(
                    Rule::Extension,
                    format!("the critical extension {} is not known", quoted(oid)),
                ));
            }
            Fate::Unknown => {
                ignored += 1;
                if ignored <= MOST_NAMED {
                    notes.push(format!(
                        "the extension {} of the request was ignored",
                        quoted(oid)
                    ));
                }
            }
        }
    }
    let more = ignored.saturating_sub(MOST_NAMED);
    if more > 0 {
        notes.push(format!(
            "{more} more extensions of the request were ignored"
        ));
    }
    Ok(())
}
