//! Keys, certificates and challenges: each is made when it is missing, and kept.

use std::path::Path;

use challenge::Algorithm;
use challenge::mint::Connector;
use chrono::{DateTime, Duration, Utc};
use issuer::{Issuer, LocalCa, LocalCaParts, certify_root, create_root};
use pki::{Certificate, Curve, KeyKind, Name, PrivateKey};

use super::place::{self, Readers};
use super::{CaKind, Error, settings};

pub(super) const CA_CERT: &str = "ca.pem";
pub(super) const CA_KEY: &str = "ca.key";
pub(super) const TLS_CERT: &str = "tls.pem";
pub(super) const TLS_KEY: &str = "tls.key";
pub(super) const CONNECTOR_CERT: &str = "connector.pem";
pub(super) const CONNECTOR_KEY: &str = "connector.key";

/// The TLS certificate is renewed when it has less than this left.
const TLS_MARGIN: Duration = Duration::days(30);
const CA_NAME: &str = "O=scepd quickstart, CN=scepd quickstart CA";
const CA_YEARS: u32 = 10;
const CONNECTOR_DAYS: u32 = 3650;

/// The file of a profile's challenge.
pub(super) fn challenge_file(path_id: &str) -> String {
    format!("challenge-{path_id}")
}

/// The CA of the directory, made when it has none.
pub(super) fn ca(dir: &Path, kind: Option<CaKind>, now: DateTime<Utc>) -> Result<LocalCa, Error> {
    finish_ca(dir, now)?;
    let (certificate, key) = match pair(&dir.join(CA_CERT), &dir.join(CA_KEY))? {
        Some(pair) => pair,
        None => {
            let kind = match kind.unwrap_or(CaKind::Rsa) {
                CaKind::Rsa => KeyKind::Rsa { bits: 2048 },
                CaKind::Ec => KeyKind::Ec(Curve::P256),
            };
            let (certificate, key) =
                Name::parse(CA_NAME)
                    .map_err(making("the CA"))
                    .and_then(|name| {
                        create_root(&name, kind, now, CA_YEARS).map_err(making("the CA"))
                    })?;
            keep(dir, CA_CERT, &certificate, CA_KEY, &key)?;
            (certificate, key)
        }
    };
    LocalCa::from_parts("local", LocalCaParts::new(certificate, key)).map_err(|error| {
        Error::Unusable {
            path: dir.join(CA_CERT),
            reason: error.to_string(),
        }
    })
}

/// Makes the certificate of a CA key that was written just before everything ended. Once there are settings or data the
/// certificate has been there and may be in use: then another must not take its place.
fn finish_ca(dir: &Path, now: DateTime<Utc>) -> Result<(), Error> {
    let (certificate_file, key_file) = (dir.join(CA_CERT), dir.join(CA_KEY));
    let later = [CA_CERT, settings::FILE, settings::DATA];
    if !key_file.exists() || later.iter().any(|name| dir.join(name).exists()) {
        return Ok(());
    }
    let key = PrivateKey::from_pem(place::read(&key_file)?.as_bytes()).map_err(|error| {
        Error::Unusable {
            path: key_file,
            reason: error.to_string(),
        }
    })?;
    let certificate = Name::parse(CA_NAME)
        .map_err(making("the CA"))
        .and_then(|name| certify_root(&name, &key, now, CA_YEARS).map_err(making("the CA")))?;
    place::write(
        &certificate_file,
        certificate.to_pem().as_bytes(),
        Readers::All,
    )
}

/// The TLS server certificate, made when there is none, when it is of another CA or about to end.
pub(super) fn tls(dir: &Path, ca: &LocalCa, now: DateTime<Utc>) -> Result<(), Error> {
    let (certificate_file, key_file) = (dir.join(TLS_CERT), dir.join(TLS_KEY));
    let present = match (certificate_file.exists(), key_file.exists()) {
        (true, true) => pair(&certificate_file, &key_file)?,
        _ => None,
    };
    if let Some((certificate, _)) = &present
        && ca.authority().issued(certificate)
        && certificate.not_after() > now + TLS_MARGIN
        && place::own_names()
            .ip
            .iter()
            .all(|ip| certificate.sans().ip.contains(ip))
    {
        return Ok(());
    }
    let key = match present {
        Some((_, key)) => key,
        None => PrivateKey::generate(KeyKind::Ec(Curve::P256)).map_err(making("the TLS key"))?,
    };
    let certificate = ca
        .issue_tls(key.public_key(), &place::own_names(), now)
        .map_err(making("the TLS certificate"))?;
    keep(dir, TLS_CERT, &certificate, TLS_KEY, &key)
}

/// A throwaway Intune connector: what signs challenges in real life is Microsoft's connector.
pub(super) fn connector(dir: &Path, now: DateTime<Utc>) -> Result<(), Error> {
    // A real connector's certificate may have taken its place, whose key is elsewhere.
    if dir.join(CONNECTOR_CERT).exists() {
        return Ok(());
    }
    let connector = Connector::throwaway(
        Algorithm::Rs256,
        "scepd quickstart connector",
        now,
        CONNECTOR_DAYS,
    )
    .map_err(making("the Intune connector's key"))?;
    keep(
        dir,
        CONNECTOR_CERT,
        &connector.certificate,
        CONNECTOR_KEY,
        &connector.key,
    )
}

/// A profile's random challenge password: 24 characters that every client can send.
pub(super) fn challenge(dir: &Path, path_id: &str) -> Result<(), Error> {
    let path = dir.join(challenge_file(path_id));
    if path.exists() {
        return Ok(());
    }
    let random: [u8; 12] = pki::random().map_err(making("a challenge"))?;
    let text = zeroize::Zeroizing::new(format!("{}\n", hex::encode(random)));
    place::write(&path, text.as_bytes(), Readers::Owner)
}

/// Both files or neither; they belong together.
fn pair(
    certificate_file: &Path,
    key_file: &Path,
) -> Result<Option<(Certificate, PrivateKey)>, Error> {
    let (present, missing) = match (certificate_file.exists(), key_file.exists()) {
        (false, false) => return Ok(None),
        (true, true) => (None, None),
        (true, false) => (Some(certificate_file), Some(key_file)),
        (false, true) => (Some(key_file), Some(certificate_file)),
    };
    if let (Some(present), Some(missing)) = (present, missing) {
        return Err(Error::HalfAPair {
            present: present.to_owned(),
            missing: missing.to_owned(),
        });
    }
    let unusable = |path: &Path, reason: String| Error::Unusable {
        path: path.to_owned(),
        reason,
    };
    let certificate = Certificate::from_pem(place::read(certificate_file)?.as_bytes())
        .map_err(|error| unusable(certificate_file, error.to_string()))?;
    let key = PrivateKey::from_pem(place::read(key_file)?.as_bytes())
        .map_err(|error| unusable(key_file, error.to_string()))?;
    if certificate.public_key().spki_der() != key.public_key().spki_der() {
        return Err(unusable(
            key_file,
            format!("it is not the key of {}", certificate_file.display()),
        ));
    }
    Ok(Some((certificate, key)))
}

/// The key first: a certificate without its key would be of no use.
fn keep(
    dir: &Path,
    certificate_file: &str,
    certificate: &Certificate,
    key_file: &str,
    key: &PrivateKey,
) -> Result<(), Error> {
    let pem = key.to_pkcs8_pem().map_err(making("a key file"))?;
    place::write(&dir.join(key_file), pem.as_bytes(), Readers::Owner)?;
    place::write(
        &dir.join(certificate_file),
        certificate.to_pem().as_bytes(),
        Readers::All,
    )
}

fn making<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Error {
    move |error| Error::Make {
        what,
        reason: error.to_string(),
    }
}
