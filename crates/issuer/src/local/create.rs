//! New roots and sub-CAs.

use chrono::{DateTime, Duration, Months, SubsecRound, Utc};
use pki::{
    Certificate, CertificateBuilder, Curve, Extension, KeyKind, KeyUsage, Name, PrivateKey, Serial,
};

use super::{check_ca, key_id_of, scheme_for};
use crate::Error;

/// How far back a new CA begins, so that what it issues can be backdated too.
const BACKDATE: Duration = Duration::hours(24);

/// Makes a key and a self-signed CA certificate, valid for `years` from `now` on. `kind` is RSA from 2048 bits, EC
/// P-256 or P-384.
///
/// # Errors
/// When the kind of key is not one of these, or no key can be made.
pub fn create_root(
    subject: &Name,
    kind: KeyKind,
    now: DateTime<Utc>,
    years: u32,
) -> Result<(Certificate, PrivateKey), Error> {
    let key = new_key(subject, kind)?;
    let certificate = certify_root(subject, &key, now, years)?;
    Ok((certificate, key))
}

/// Makes a self-signed CA certificate for a key that is there already, valid for `years` from `now` on.
///
/// # Errors
/// When the key cannot sign.
pub fn certify_root(
    subject: &Name,
    key: &PrivateKey,
    now: DateTime<Utc>,
    years: u32,
) -> Result<Certificate, Error> {
    let (not_before, not_after) = span(now, years)?;
    let certificate = CertificateBuilder {
        subject: subject.clone(),
        issuer: subject.clone(),
        serial: Serial::random()?,
        not_before,
        not_after,
        public_key: key.public_key().clone(),
        extensions: vec![
            Extension::subject_key_id(key.public_key()),
            Extension::basic_constraints(true, None),
            Extension::key_usage(ca_usage()),
        ],
    }
    .sign(key, &scheme_for(key, None)?)?;
    Ok(certificate)
}

/// Makes a key and a CA certificate signed by `parent`, under which no further CA may stand. It ends with its parent
/// at the latest.
///
/// # Errors
/// When `parent` is no CA or not valid at `now`, when the kind of key is not for CAs, or no key can be made.
pub fn create_sub(
    parent: (&Certificate, &PrivateKey),
    subject: &Name,
    kind: KeyKind,
    now: DateTime<Utc>,
    years: u32,
) -> Result<(Certificate, PrivateKey), Error> {
    let (above, above_key) = parent;
    check_ca(above)?;
    if !above.valid_at(now) {
        return Err(Error::CaNotValid {
            subject: above.subject().to_string(),
            not_before: above.not_before(),
            not_after: above.not_after(),
        });
    }
    let key = new_key(subject, kind)?;
    let (not_before, not_after) = span(now, years)?;
    let certificate = CertificateBuilder {
        subject: subject.clone(),
        issuer: above.subject().clone(),
        serial: Serial::random()?,
        not_before: not_before.max(above.not_before()),
        not_after: not_after.min(above.not_after()),
        public_key: key.public_key().clone(),
        extensions: vec![
            Extension::authority_key_id(&key_id_of(above)),
            Extension::subject_key_id(key.public_key()),
            Extension::basic_constraints(true, Some(0)),
            Extension::key_usage(ca_usage()),
        ],
    }
    .sign(above_key, &scheme_for(above_key, None)?)?;
    Ok((certificate, key))
}

/// keyCertSign and cRLSign to be a CA, digitalSignature for CMS: GetNextCACert is signed by the CA itself.
fn ca_usage() -> KeyUsage {
    KeyUsage::KEY_CERT_SIGN
        .union(KeyUsage::CRL_SIGN)
        .union(KeyUsage::DIGITAL_SIGNATURE)
}

fn new_key(subject: &Name, kind: KeyKind) -> Result<PrivateKey, Error> {
    match kind {
        KeyKind::Rsa { bits: 2048..=8192 } | KeyKind::Ec(Curve::P256 | Curve::P384) => {
            Ok(PrivateKey::generate(kind)?)
        }
        other => Err(Error::KeyKind {
            subject: subject.to_string(),
            kind: other.to_string(),
        }),
    }
}

fn span(now: DateTime<Utc>, years: u32) -> Result<(DateTime<Utc>, DateTime<Utc>), Error> {
    let now = now.trunc_subsecs(0);
    let months = years.checked_mul(12).ok_or(Error::DateOutOfRange)?;
    let not_before = now
        .checked_sub_signed(BACKDATE)
        .ok_or(Error::DateOutOfRange)?;
    let not_after = now
        .checked_add_months(Months::new(months))
        .ok_or(Error::DateOutOfRange)?;
    Ok((not_before, not_after))
}
