//! Certificates and keys from files.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use pki::{Certificate, PrivateKey};

use super::files::Files;
use super::problem::{Findings, Location, date};

/// Certificates that end within this time are warned about.
const SOON: TimeDelta = TimeDelta::days(30);

/// A certificate file and the key of its first certificate.
pub(super) struct Pair {
    pub(super) certificate: Certificate,
    /// Further certificates of the same file.
    pub(super) rest: Vec<Certificate>,
    pub(super) key: PrivateKey,
}

/// A setting and the file that it names, if it is set.
pub(super) type Named<'a> = (&'a Location, Option<&'a Path>);

/// Reads a certificate and its key, and checks that they belong together and are valid at `now`.
pub(super) fn load(
    files: &Files,
    certificate: Named<'_>,
    key: Named<'_>,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Option<Pair> {
    let (certificate_file, key_file) = (named(certificate, findings), named(key, findings));
    let certificates = certificate_file
        .and_then(|path| certificates(files, path, certificate.0, findings))
        .and_then(|all| {
            all.split_first()
                .map(|(first, rest)| (first.clone(), rest.to_vec()))
        });
    let private = key_file.and_then(|path| private_key(files, path, key.0, findings));
    let (first, rest) = certificates?;
    let location =
        certificate_file.map_or_else(|| certificate.0.clone(), |path| certificate.0.in_file(path));
    let valid = in_validity(&first, &location, now, findings);
    let private = private?;
    let fits = |certificate: &Certificate| {
        certificate.public_key().spki_der() == private.public_key().spki_der()
    };
    if !fits(&first) {
        if rest.iter().any(fits) {
            let what = format!(
                "its first certificate is not that of the key in {}, but a later one is",
                shown(key_file)
            );
            findings.fail(&location, what, "put the certificate of the key first");
        } else {
            let what = format!(
                "the key is not that of the certificate in {}",
                shown(certificate_file)
            );
            let remedy = format!(
                "put the key of {} there, or the certificate of this key",
                first.subject()
            );
            let key_spot = key_file.map_or_else(|| key.0.clone(), |path| key.0.in_file(path));
            findings.fail(&key_spot, what, remedy);
        }
        return None;
    }
    valid.then_some(Pair {
        certificate: first,
        rest,
        key: private,
    })
}

fn shown(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string())
        .unwrap_or_default()
}

fn named<'a>((location, path): Named<'a>, findings: &mut Findings) -> Option<&'a Path> {
    if path.is_none() {
        findings.fail(location, "it is not set", "name the file");
    }
    path
}

/// All certificates of a PEM bundle, or one in DER; at least one.
pub(super) fn certificates(
    files: &Files,
    path: &Path,
    location: &Location,
    findings: &mut Findings,
) -> Option<Vec<Certificate>> {
    let content = files.read(path, location, findings)?;
    match Certificate::bundle_from_pem(&content.bytes) {
        Ok(certificates) if !certificates.is_empty() => return Some(certificates),
        Ok(_) => findings.fail(
            &location.in_file(path),
            "there is no certificate in it",
            REWRITE,
        ),
        Err(error) => findings.fail(
            &location.in_file(path),
            format!("a certificate in it cannot be read: {error}"),
            REWRITE,
        ),
    }
    None
}

const REWRITE: &str = "it must hold certificates in PEM, whole; write it again";

/// The key of a private file.
pub(super) fn private_key(
    files: &Files,
    path: &Path,
    location: &Location,
    findings: &mut Findings,
) -> Option<PrivateKey> {
    let content = files.read_secret(path, location, findings)?;
    PrivateKey::from_pem(&content.bytes)
        .inspect_err(|error| {
            let remedy =
                "it must hold one private key in PEM, not encrypted, whole; write it again";
            findings.fail(
                &location.in_file(path),
                format!("the key in it cannot be read: {error}"),
                remedy,
            );
        })
        .ok()
}

/// Whether a certificate is valid now; the end of its life is announced 30 days ahead.
pub(super) fn in_validity(
    certificate: &Certificate,
    location: &Location,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> bool {
    let (subject, end) = (certificate.subject(), certificate.not_after());
    if end < now {
        findings.fail(
            location,
            format!("the certificate {subject} expired on {}", date(end)),
            "put a valid certificate there",
        );
        return false;
    }
    let begin = certificate.not_before();
    if now < begin {
        findings.fail(
            location,
            format!(
                "the certificate {subject} is not valid before {}",
                date(begin)
            ),
            "check this machine's clock, or put a certificate there that is valid now",
        );
        return false;
    }
    warn_of_end(certificate, location, now, findings);
    true
}

/// Says it when a certificate ends within 30 days.
pub(super) fn warn_of_end(
    certificate: &Certificate,
    location: &Location,
    now: DateTime<Utc>,
    findings: &mut Findings,
) {
    let end = certificate.not_after();
    if end >= now && end - now <= SOON {
        findings.warn(
            location,
            format!(
                "the certificate {} expires on {}, in {} days",
                certificate.subject(),
                date(end),
                (end - now).num_days()
            ),
            "rotate it soon",
        );
    }
}
