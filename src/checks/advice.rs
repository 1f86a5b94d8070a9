//! What works and is worth a word: settings with which some clients, or some readers of certificates, get into trouble.

use super::Run;
use super::problem::{Findings, Location};
use crate::config::{Issuer, IssuerKind, Profile, Secret};

/// The longest static challenge that clients are known to send whole, in characters (Windows and NDES).
const LONGEST_CHALLENGE: usize = 64;

/// Checks the configuration as a whole.
pub(super) fn check(run: &Run<'_>, findings: &mut Findings) {
    // Where scepd publishes them itself, certificates name the places below that URL.
    if run.config.publish.base().is_none() {
        for issuer in &run.config.issuers {
            revocation_places(issuer, findings);
        }
    }
    for profile in &run.config.profiles {
        open_beside_mtls(profile, findings);
    }
}

/// Where a certificate names neither, nobody who checks it learns that it was revoked.
fn revocation_places(issuer: &Issuer, findings: &mut Findings) {
    // One elsewhere writes what it was set up to write.
    if issuer.kind == IssuerKind::Local && issuer.cdp_urls.is_empty() && issuer.ocsp_urls.is_empty()
    {
        findings.warn(
            &Location::one_of("issuer", &issuer.id).at("cdp_urls"),
            "it is empty, and so is ocsp_urls: certificates name no place of a CRL or an OCSP responder, so that whoever \
             checks one does not see that it was revoked",
            "set publish.listen and publish.base_url, or name where the CRL is; nothing is to be done where nobody looks for \
             revocations",
        );
    }
}

/// The same profile, without the certificate.
fn open_beside_mtls(profile: &Profile, findings: &mut Findings) {
    let location = Location::one_of("profile", &profile.path_id);
    if profile.mtls.enabled && !profile.mtls.required {
        let path = if profile.path_id.is_empty() {
            "/scep".to_owned()
        } else {
            format!("/scep/{}", profile.path_id)
        };
        findings.warn(
            &location.at("mtls.required"),
            format!("it is not set, so {path} is open to clients without a certificate as well"),
            "set mtls.required = true where every client has a certificate; devices that are to get their first one need the \
             open URL",
        );
    }
    if profile.mtls.required && !profile.mtls.enabled {
        findings.fail(
            &location.at("mtls.required"),
            "it is set, but mTLS is off, so the profile would be served nowhere",
            "set mtls.enabled = true too, or remove it",
        );
    }
}

/// Whether clients can send this static challenge.
pub(super) fn challenge(password: &Secret, location: &Location, findings: &mut Findings) {
    let text = password.expose();
    if let Some(character) = text
        .chars()
        .find(|character| !pki::der::is_printable(character.encode_utf8(&mut [0; 4])))
    {
        // Not which one: it is a part of the secret.
        let kind = match character {
            _ if !character.is_ascii() => "a letter or sign beyond ASCII",
            _ if character.is_control() => "a control character",
            _ => "a sign",
        };
        findings.warn(
            location,
            format!(
                "the challenge password holds {kind} that a PrintableString cannot: Windows and some other clients cannot \
                 send it"
            ),
            "use letters, digits, blanks and ' ( ) + , - . / : = ? only",
        );
    }
    if text.chars().count() > LONGEST_CHALLENGE {
        findings.warn(
            location,
            format!(
                "the challenge password is longer than {LONGEST_CHALLENGE} characters: some clients cut it off or refuse it"
            ),
            "use a shorter one",
        );
    }
}
