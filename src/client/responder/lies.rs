//! Certificates that are not what was asked for.

use chrono::{TimeDelta, Utc};
use pki::{
    Certificate, CertificateBuilder, Csr, Digest, Extension, KeyKind, KeyUsage, Name, PrivateKey,
    SubjectAltNames, der, oid,
};

use super::builder;

/// In what a certificate differs from what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    AddedOrganization,
    AddedSerialNumber,
    AnyUsage,
    Backwards,
    Ca,
    CertSign,
    Expired,
    NotYet,
    OtherKey,
    OtherSubject,
    Reordered,
    SanAdded,
    SanMissing,
    Sha1,
    ShortLife,
    Twice,
    Version1,
}

/// A certificate of the CA with that difference, and no other.
pub(super) fn certificate(
    lie: Lie,
    csr: &Csr,
    ca: &Certificate,
    ca_key: &PrivateKey,
) -> Certificate {
    let text = csr.subject().to_string();
    let mut subject = csr.subject().clone();
    let mut sans = csr.sans().clone();
    let (mut usage, mut is_ca) = (None, false);
    match lie {
        Lie::AddedOrganization => subject = Name::parse(&format!("{text}, O=More")).unwrap(),
        Lie::AddedSerialNumber => {
            subject = Name::parse(&format!("{text}, serialNumber=4711")).unwrap();
        }
        Lie::OtherSubject => subject = Name::parse("CN=somebody-else").unwrap(),
        Lie::Reordered => {
            let mut parts: Vec<&str> = text.split(", ").collect();
            parts.reverse();
            subject = Name::parse(&parts.join(", ")).unwrap();
        }
        Lie::SanAdded => sans.dns.push("more.example.com".to_owned()),
        Lie::SanMissing => sans = SubjectAltNames::default(),
        Lie::Ca => is_ca = true,
        Lie::CertSign => usage = Some(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_CERT_SIGN),
        _ => {}
    }
    let key = match lie {
        Lie::OtherKey => super::rsa().public_key().clone(),
        _ => csr.public_key().clone(),
    };
    let usage = usage.unwrap_or(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT);
    let mut builder = builder(&subject, ca.subject(), &key, ca_key, (is_ca, usage), &sans);
    let (now, day) = (Utc::now(), TimeDelta::days(1));
    let mut digest = Digest::Sha256;
    match lie {
        Lie::AnyUsage => builder
            .extensions
            .push(Extension::ext_key_usage(&[oid::EKU_CLIENT_AUTH, oid::EKU_ANY]).unwrap()),
        Lie::Twice => builder.extensions.push(Extension::key_usage(usage)),
        Lie::Expired => builder.not_after = now - TimeDelta::minutes(1),
        Lie::NotYet => builder.not_before = now + day,
        Lie::ShortLife => builder.not_after = now + day,
        Lie::Sha1 => digest = Digest::Sha1,
        Lie::Version1 => return by_hand(&builder, ca_key),
        Lie::Backwards => {
            builder.not_after = builder.not_before - day;
            return by_hand(&builder, ca_key);
        }
        _ => {}
    }
    builder
        .sign(ca_key, &ca_key.scheme(digest).unwrap())
        .unwrap()
}

/// What no builder makes: version 1, without extensions, and any validity.
fn by_hand(parts: &CertificateBuilder, ca_key: &PrivateKey) -> Certificate {
    assert!(matches!(ca_key.kind(), KeyKind::Rsa { .. }));
    let algorithm = der::seq(&[&der::oid(oid::SHA256_WITH_RSA).unwrap(), &der::null()]);
    let validity = der::seq(&[&der::time(parts.not_before), &der::time(parts.not_after)]);
    let signed = der::seq(&[
        &der::integer(parts.serial.as_bytes()),
        &algorithm,
        parts.issuer.der(),
        &validity,
        parts.subject.der(),
        parts.public_key.spki_der(),
    ]);
    let scheme = ca_key.scheme(Digest::Sha256).unwrap();
    let signature = ca_key.sign(&scheme, &signed).unwrap();
    let whole = der::seq(&[&signed, &algorithm, &der::bit_string(0, &signature)]);
    Certificate::from_der(&whole).unwrap()
}
