//! Whether a certificate and key can stand as a profile's RA.

use issuer::RaRole;
use pki::{Certificate, KeyKind, KeyUsage};
use scep::RaIdentity;

use super::issuers::ReadyIssuer;
use super::pair::Pair;
use super::problem::{Findings, Location};

/// Whether a pair can stand as RA: RSA of 2048 bits or more, with the usages that it needs.
pub(super) fn fit(
    pair: Pair,
    role: RaRole,
    location: &Location,
    findings: &mut Findings,
) -> Option<RaIdentity> {
    let Pair {
        certificate, key, ..
    } = pair;
    let rsa = is_rsa(&certificate, "the RA certificate", location, findings);
    let usable = is_usable(&certificate, role, "the RA certificate", location, findings);
    (rsa && usable).then_some(RaIdentity { certificate, key })
}

/// Whether a certificate's key usage, where it has one, lets it do what the role asks of it.
pub(super) fn is_usable(
    certificate: &Certificate,
    role: RaRole,
    whose: &str,
    location: &Location,
    findings: &mut Findings,
) -> bool {
    let (needed, needs, remedy) = match role {
        RaRole::Both => (
            KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT),
            "an RA needs digitalSignature and keyEncipherment",
            "have the CA issue one with both, or set ra = \"auto\"",
        ),
        RaRole::Encryption => (
            KeyUsage::KEY_ENCIPHERMENT,
            "an RA that devices encrypt to needs keyEncipherment",
            "have the CA issue one with it, or set ra = \"auto\" and ra_split = true",
        ),
        RaRole::Signing => (
            KeyUsage::DIGITAL_SIGNATURE,
            "an RA that signs needs digitalSignature",
            "have the CA issue one with it, or set ra = \"auto\" and ra_split = true",
        ),
    };
    let lacking = certificate
        .key_usage()
        .filter(|usage| !usage.contains(needed));
    if let Some(usage) = lacking {
        let has: Vec<&str> = usage.names().collect();
        findings.fail(
            location,
            format!("the keyUsage of {whose} is {}; {needs}", has.join(", ")),
            remedy,
        );
    }
    lacking.is_none()
}

/// Warns where another CA than the profile's issued the RA certificate.
///
/// Devices get the RA certificate beside the current CA's and look for the one's signature by the
/// other; what a CA of the past issued is of use in the previous pair only.
pub(super) fn of_issuer(
    certificate: &Certificate,
    issuer: &ReadyIssuer,
    location: &Location,
    findings: &mut Findings,
) {
    let authority = issuer.issuer.authority();
    let ca = authority.certificate();
    // Not the issuer's own look, which is at end-entity certificates only.
    let by_current = certificate.issuer().matches(ca.subject())
        && certificate.verify_signature_by(ca.public_key()).is_ok();
    if by_current || certificate.fingerprint() == ca.fingerprint() {
        return;
    }
    let subject = certificate.subject();
    if issuer.issuer.authority().issued(certificate) {
        findings.warn(
            location,
            format!("the RA certificate {subject} was not issued by the profile's issuer as it is now, but by its previous or next CA"),
            "have the current CA issue one and name this pair as ra_previous_cert_path and ra_previous_key_path: many devices refuse it in GetCACert",
        );
    } else {
        findings.warn(
            location,
            format!("the RA certificate {subject} was not issued by the profile's issuer"),
            "have the profile's CA issue it: many devices refuse another's",
        );
    }
}

/// Whether a certificate that devices encrypt to has an RSA key of 2048 bits or more.
pub(super) fn is_rsa(
    certificate: &Certificate,
    whose: &str,
    location: &Location,
    findings: &mut Findings,
) -> bool {
    match certificate.public_key().kind() {
        KeyKind::Rsa { bits: 2048.. } => true,
        kind => {
            findings.fail(
                location,
                format!("{whose} has a key of the type {kind}; devices encrypt to it, so it must be RSA of 2048 bits or more"),
                "use an RSA certificate and key, or set ra = \"auto\"",
            );
            false
        }
    }
}
