//! Keys, CSRs and CAs for the tests. Keys are made once a run.

use std::sync::LazyLock;

use chrono::{DateTime, Duration, TimeZone, Utc};
use issuer::{
    Approved, CertificatePolicy, CertificateRequest, LocalCa, LocalCaParts, LocalSigner,
    PolicyRefusal, create_root, create_sub,
};
use pki::{
    Certificate, Csr, Curve, Digest, Extension, KeyKind, Name, PrivateKey, SubjectAltNames, der,
    oid,
};

pub static RSA: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap());
pub static EC: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap());

/// A key with its root, once a run.
pub static ROOT: LazyLock<(Certificate, PrivateKey)> = LazyLock::new(|| {
    create_root(
        &name("C=US, O=Example, CN=Root"),
        KeyKind::Ec(Curve::P256),
        now(),
        10,
    )
    .unwrap()
});

/// The moment at which the tests take place, with a fraction of a second.
pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 12, 0, 0).unwrap() + Duration::milliseconds(250)
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn sans(text: &str) -> SubjectAltNames {
    SubjectAltNames::parse(text).unwrap()
}

/// A root CA on P-256.
pub fn ca() -> LocalCa {
    let (certificate, key) = ROOT.clone();
    LocalCa::from_parts("local", LocalCaParts::new(certificate, key)).unwrap()
}

/// A sub-CA of its own root, both of one kind, with URLs.
pub fn sub_ca(kind: &KeyKind) -> LocalCa {
    let (root, root_key) =
        create_root(&name("O=Example, CN=Root"), kind.clone(), now(), 20).unwrap();
    let (certificate, key) = create_sub(
        (&root, &root_key),
        &name("O=Example, CN=Issuing CA"),
        kind.clone(),
        now(),
        5,
    )
    .unwrap();
    let mut parts = LocalCaParts::new(certificate, key);
    parts.chain = vec![root];
    parts.cdp_urls = vec!["http://pki.example.com/ca.crl".to_owned()];
    parts.ocsp_urls = vec!["http://ocsp.example.com".to_owned()];
    parts.ca_issuers_urls = vec!["http://pki.example.com/ca.cer".to_owned()];
    LocalCa::from_parts("sub", parts).unwrap()
}

/// A CSR for `CN=device` with these alternative names (none when empty) and extensions.
pub fn csr(alternative: &str, extensions: &[Extension]) -> Csr {
    csr_for("CN=device", alternative, extensions, &RSA)
}

pub fn csr_for(
    subject: &str,
    alternative: &str,
    extensions: &[Extension],
    key: &PrivateKey,
) -> Csr {
    let sans = if alternative.is_empty() {
        SubjectAltNames::default()
    } else {
        sans(alternative)
    };
    Csr::build(&name(subject), &sans, Some("secret"), extensions, key).unwrap()
}

/// A CSR with these attributes (each the DER of an Attribute), its subject given as DER.
pub fn csr_with_attributes(subject: &[u8], attributes: &[Vec<u8>], key: &PrivateKey) -> Csr {
    csr_with_key(subject, key.public_key().spki_der(), attributes, key)
}

/// The same with a SubjectPublicKeyInfo of its own, whatever `key` signs.
pub fn csr_with_key(subject: &[u8], spki: &[u8], attributes: &[Vec<u8>], key: &PrivateKey) -> Csr {
    let info = der::seq(&[
        &der::integer_u64(0),
        subject,
        spki,
        &der::implicit(0, true, &attributes.concat()),
    ]);
    let scheme = key.scheme(Digest::Sha256).unwrap();
    let algorithm = match key.kind() {
        KeyKind::Rsa { .. } => der::seq(&[&der::oid(oid::SHA256_WITH_RSA).unwrap(), &der::null()]),
        _ => der::seq(&[&der::oid(oid::ECDSA_SHA256).unwrap()]),
    };
    let signature = key.sign(&scheme, &info).unwrap();
    Csr::from_der(&der::seq(&[
        &info,
        &algorithm,
        &der::bit_string(0, &signature),
    ]))
    .unwrap()
}

/// An attribute with one value.
pub fn attribute(oid: &str, value: &[u8]) -> Vec<u8> {
    der::seq(&[&der::oid(oid).unwrap(), &der::set_in_order(&[value])])
}

/// The attribute in which extensions are asked for.
pub fn extension_request(extensions: &[Extension]) -> Vec<u8> {
    let list: Vec<Vec<u8>> = extensions
        .iter()
        .map(|extension| {
            der::seq(&[
                &der::oid(&extension.oid).unwrap(),
                &der::boolean(extension.critical),
                &der::octet_string(&extension.value),
            ])
        })
        .collect();
    let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
    attribute(oid::EXTENSION_REQUEST, &der::seq(&list))
}

pub fn extension(oid: &str, critical: bool, value: &[u8]) -> Extension {
    Extension {
        oid: oid.to_owned(),
        critical,
        value: value.to_vec(),
    }
}

pub fn policy() -> CertificatePolicy {
    CertificatePolicy::new("device")
}

pub fn request(csr: &Csr) -> CertificateRequest<'_> {
    CertificateRequest {
        csr,
        vouched_sid: None,
        previous: None,
    }
}

pub fn approve(policy: &CertificatePolicy, csr: &Csr) -> Result<Approved, PolicyRefusal> {
    policy.approve(request(csr), now())
}

/// Approves and issues by the root CA.
pub fn issue(policy: &CertificatePolicy, csr: &Csr) -> Certificate {
    ca().sign_approved(&approve(policy, csr).unwrap(), now())
        .unwrap()
}
