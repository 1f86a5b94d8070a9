//! What an issuer takes from the device's own CSR, held against what was approved: scepd cannot sign that CSR anew.

use crate::words::quoted;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use issuer::{Approved, CertificatePolicy, Inexpressible, Objection};
use pki::{Certificate, Csr, SubjectAltNames};

/// Whether a CSR asks for the very names that were approved, so that an issuer which copies them makes what was approved.
///
/// # Errors
/// The field in which it asks for something else.
pub(crate) fn same_names(approved: &Approved, csr: &Csr) -> Result<(), Inexpressible> {
    let (subject, asked) = (approved.subject(), csr.subject());
    if subject.attributes() != asked.attributes() {
        return Err(cannot(
            "subject",
            format!(
                "it takes the names of the request, which asks for {}, and {} was approved",
                quoted(&asked.to_string()),
                quoted(&subject.to_string())
            ),
            "have devices ask for exactly what they are to get".to_owned(),
        ));
    }
    if sorted(approved.sans()) != sorted(csr.sans()) {
        return Err(cannot(
            "subjectAltName",
            "it takes the names of the request, which asks for others than were approved"
                .to_owned(),
            "have devices ask for exactly what they are to get, also when they renew".to_owned(),
        ));
    }
    Ok(())
}

/// Whether the CA lives as long as what was approved.
///
/// # Errors
/// It ends earlier, and what ends earlier is not delivered.
pub(crate) fn ends_with_the_ca(
    approved: &Approved,
    ca: &Certificate,
    accepts_shorter_validity: bool,
) -> Result<(), Inexpressible> {
    if approved.not_after() <= ca.not_after() || accepts_shorter_validity {
        return Ok(());
    }
    Err(cannot(
        "notAfter",
        format!(
            "approved until {}, and the CA itself ends on {}",
            approved.not_after(),
            ca.not_after()
        ),
        "shorten max_ttl in the certificate profile, or set accept_shorter_validity = true on the issuer"
            .to_owned(),
    ))
}

/// What is to be said of policies where the issuer's own profile decides how long a certificate lives. `whose` names it.
pub(crate) fn lifetime_is_its_own(
    policy: &CertificatePolicy,
    whose: &str,
    accepts_shorter_validity: bool,
) -> Option<Objection> {
    if accepts_shorter_validity {
        return None;
    }
    Some(Objection {
        is_fatal: false,
        setting: "max_ttl",
        what: format!(
            "it approves {} days, and {whose} decides how long a certificate lives: one that ends more than five minutes earlier is refused, and any that ends later",
            policy.max_ttl.num_days()
        ),
        remedy: format!(
            "set accept_shorter_validity = true on the issuer, and max_ttl a day longer than {whose} has it"
        ),
    })
}

/// Base64 in lines of 64 characters.
pub(crate) fn lines(octets: &[u8]) -> String {
    let text = STANDARD.encode(octets);
    let mut lines = String::with_capacity(text.len() + text.len() / 64 + 1);
    for line in text.as_bytes().chunks(64) {
        lines.push_str(&String::from_utf8_lossy(line));
        lines.push('\n');
    }
    lines
}

/// A time as EJBCA takes it.
pub(crate) fn spaced_time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S+00:00").to_string()
}

pub(crate) fn cannot(field: &'static str, why: String, remedy: String) -> Inexpressible {
    Inexpressible { field, why, remedy }
}

fn sorted(names: &SubjectAltNames) -> SubjectAltNames {
    let mut sorted = names.clone();
    for list in [
        &mut sorted.dns,
        &mut sorted.email,
        &mut sorted.upn,
        &mut sorted.uri,
        &mut sorted.other,
    ] {
        list.sort_unstable();
    }
    sorted.ip.sort_unstable();
    sorted
}
