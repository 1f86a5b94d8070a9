//! A certificate from elsewhere is what was approved, or the difference has a name.

use chrono::Duration;
use issuer::{Approved, Authority, CertificatePolicy, Difference, NameRule};
use pki::{
    Certificate, CertificateBuilder, Digest, Extension, KeyUsage, Serial, SubjectAltNames, der, oid,
};

use crate::support::*;

const CLIENT_AUTH: &str = oid::EKU_CLIENT_AUTH;
const SID: &str = "1.3.6.1.4.1.311.25.2";

fn policy_of_the_tests() -> CertificatePolicy {
    let mut policy = policy();
    policy.sans.upn = NameRule::Any;
    policy
}

const NAMES: &str = "dns:a.example.com,dns:b.example.com,email:a@example.com,upn:u@example.com,\
                     uri:urn:device:7,ip:10.0.0.7";

fn approved() -> Approved {
    approve(&policy_of_the_tests(), &csr(NAMES, &[])).unwrap()
}

/// What a CA writes, before somebody meddles with it.
struct Made {
    builder: CertificateBuilder,
    names: SubjectAltNames,
    usage: Option<KeyUsage>,
    ekus: Vec<String>,
    ca: bool,
    ski: Option<Vec<u8>>,
    more: Vec<Extension>,
    digest: Digest,
}

impl Made {
    fn of(approved: &Approved) -> Self {
        let (ca, _) = &*ROOT;
        Self {
            builder: CertificateBuilder {
                subject: approved.subject().clone(),
                issuer: ca.subject().clone(),
                serial: Serial::random().unwrap(),
                not_before: approved.not_before(),
                not_after: approved.not_after(),
                public_key: approved.public_key().clone(),
                extensions: Vec::new(),
            },
            names: approved.sans().clone(),
            usage: Some(approved.key_usage()),
            ekus: approved.ext_key_usages().to_vec(),
            ca: false,
            ski: Some(approved.public_key().key_id().to_vec()),
            more: Vec::new(),
            digest: Digest::Sha256,
        }
    }

    fn sign(mut self) -> Certificate {
        let (ca, key) = &*ROOT;
        let extensions = &mut self.builder.extensions;
        extensions.push(Extension::authority_key_id(ca.ski().unwrap()));
        extensions.push(Extension::basic_constraints(self.ca, None));
        extensions.extend(self.usage.map(Extension::key_usage));
        if !self.ekus.is_empty() {
            extensions.push(Extension::ext_key_usage(&self.ekus).unwrap());
        }
        if !self.names.is_empty() {
            let subject = &self.builder.subject;
            extensions.push(Extension::subject_alt_names(&self.names, subject).unwrap());
        }
        if let Some(ski) = &self.ski {
            extensions.push(extension(
                oid::SUBJECT_KEY_ID,
                false,
                &der::octet_string(ski),
            ));
        }
        extensions.append(&mut self.more);
        let scheme = key.scheme(self.digest).unwrap();
        self.builder.sign(key, &scheme).unwrap()
    }
}

type Meddle = fn(&mut Made);

/// What a CA may do to a certificate that nobody approved, and the field that says so.
const MEDDLING: &[(&str, &str, Meddle)] = &[
    ("another key", "subjectPublicKeyInfo", |made| {
        made.builder.public_key = EC.public_key().clone();
    }),
    ("serial number zero", "serialNumber", |made| {
        made.builder.serial = Serial::new([0]);
    }),
    ("a negative serial number", "serialNumber", |made| {
        made.builder.serial = Serial::new([0x80, 1]);
    }),
    ("a serial number of 21 octets", "serialNumber", |made| {
        made.builder.serial = Serial::new([7; 21]);
    }),
    ("SHA-1", "signatureAlgorithm", |made| {
        made.digest = Digest::Sha1;
    }),
    ("another subject", "subject", |made| {
        made.builder.subject = name("CN=other");
    }),
    ("the subject in another case", "subject", |made| {
        made.builder.subject = name("CN=DEVICE");
    }),
    ("more of a subject", "subject", |made| {
        made.builder.subject = name("O=Example, CN=device");
    }),
    ("no subject", "subject", |made| {
        made.builder.subject = pki::Name::from_der(&der::seq(&[])).unwrap();
    }),
    ("a DNS name more", "subjectAltName (DNS)", |made| {
        made.names.dns.push("c.example.com".into());
    }),
    ("a DNS name twice", "subjectAltName (DNS)", |made| {
        made.names.dns.push("a.example.com".into());
    }),
    ("a DNS name less", "subjectAltName (DNS)", |made| {
        made.names.dns.pop();
    }),
    ("another DNS name", "subjectAltName (DNS)", |made| {
        made.names.dns[0] = "*.example.com".into();
    }),
    (
        "another e-mail address",
        "subjectAltName (e-mail)",
        |made| {
            made.names.email[0] = "b@example.com".into();
        },
    ),
    ("another UPN", "subjectAltName (UPN)", |made| {
        made.names.upn[0] = "admin@example.com".into();
    }),
    ("another URI", "subjectAltName (URI)", |made| {
        made.names.uri[0] = "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500".into();
    }),
    (
        "another IP address",
        "subjectAltName (IP address)",
        |made| {
            made.names.ip[0] = "10.0.0.8".parse().unwrap();
        },
    ),
    ("no alternative names", "subjectAltName (DNS)", |made| {
        made.names = SubjectAltNames::default();
    }),
    ("a key usage more", "keyUsage", |made| {
        made.usage = made.usage.map(|usage| usage.union(KeyUsage::KEY_CERT_SIGN));
    }),
    ("a key usage less", "keyUsage", |made| {
        made.usage = Some(KeyUsage::KEY_ENCIPHERMENT);
    }),
    ("no key usage", "keyUsage", |made| made.usage = None),
    ("an extended key usage more", "extKeyUsage", |made| {
        made.ekus.push(oid::EKU_SERVER_AUTH.into());
    }),
    ("another extended key usage", "extKeyUsage", |made| {
        made.ekus = vec!["2.5.29.37.0".into()];
    }),
    ("no extended key usage", "extKeyUsage", |made| {
        made.ekus.clear()
    }),
    ("a CA", "basicConstraints", |made| made.ca = true),
    ("an earlier beginning", "notBefore", |made| {
        made.builder.not_before -= Duration::hours(25);
    }),
    ("a later end", "notAfter", |made| {
        made.builder.not_after += Duration::seconds(1);
    }),
    (
        "an end before the beginning that was approved",
        "notAfter",
        |made| {
            made.builder.not_before -= Duration::hours(2);
            made.builder.not_after = made.builder.not_before + Duration::hours(1);
        },
    ),
    ("no time at all", "notAfter", |made| {
        made.builder.not_after = made.builder.not_before;
    }),
    ("must-staple", "TLS feature (must-staple)", |made| {
        made.more.push(Extension::must_staple());
    }),
    ("a Windows SID", "extensions", |made| {
        made.more.push(extension(SID, false, &der::seq(&[])));
    }),
    ("an unknown critical extension", "extensions", |made| {
        made.more.push(extension("1.2.3.4", true, &der::null()));
    }),
    ("name constraints", "extensions", |made| {
        made.more.push(extension("2.5.29.30", true, &der::seq(&[])));
    }),
    ("a responder's extension", "extensions", |made| {
        made.more
            .push(extension("1.3.6.1.5.5.7.48.1.5", false, &der::null()));
    }),
    ("an extension twice", "extensions", |made| {
        made.more.push(Extension::basic_constraints(true, None));
    }),
    ("another key's identifier", "subjectKeyIdentifier", |made| {
        made.ski = Some(EC.public_key().key_id().to_vec());
    }),
];

#[test]
fn what_was_approved_matches() {
    let approved = approved();
    let certificate = Made::of(&approved).sign();
    assert_eq!(approved.matches(&certificate), Ok(()));
    let by_the_local_ca = {
        use issuer::LocalSigner;
        ca().sign_approved(&approved, now()).unwrap()
    };
    assert_eq!(approved.matches(&by_the_local_ca), Ok(()));
}

#[test]
fn what_is_the_cas_own_matches_too() {
    let approved = approved();
    let own: &[(&str, Meddle)] = &[
        ("a later beginning", |made| {
            made.builder.not_before += Duration::hours(1)
        }),
        ("backdating", |made| {
            made.builder.not_before -= Duration::hours(1)
        }),
        ("an earlier end", |made| {
            made.builder.not_after -= Duration::days(30)
        }),
        ("names in another order", |made| made.names.dns.reverse()),
        ("no key identifier", |made| made.ski = None),
        ("RFC 7093", |made| {
            let id = made.builder.public_key.spki_der();
            made.ski = Some(pki::sha256(id).to_vec());
        }),
        ("an unknown extension", |made| {
            made.more.push(extension("1.2.3.4", false, &der::null()));
        }),
        ("certificate policies", |made| {
            made.more
                .push(extension(oid::CERTIFICATE_POLICIES, true, &der::seq(&[])));
        }),
        ("SHA-512", |made| made.digest = Digest::Sha512),
    ];
    for (what, meddle) in own {
        let mut made = Made::of(&approved);
        meddle(&mut made);
        assert_eq!(approved.matches(&made.sign()), Ok(()), "{what}");
    }
}

#[test]
fn every_difference_is_named() {
    let approved = approved();
    assert!(MEDDLING.len() >= 25);
    for (what, field, meddle) in MEDDLING {
        let mut made = Made::of(&approved);
        meddle(&mut made);
        let difference = approved.matches(&made.sign()).expect_err(what);
        assert_eq!(difference.field, *field, "{what}: {difference}");
        assert!(!difference.approved.is_empty() && !difference.found.is_empty());
        assert_ne!(difference.approved, difference.found, "{what}");
    }
}

#[test]
fn an_approval_of_less_is_held_too() {
    let mut policy = policy_of_the_tests();
    policy.must_staple = true;
    policy.ekus_default.clear();
    let approved = approve(&policy, &csr(NAMES, &[])).unwrap();
    let field = |certificate: &Certificate| approved.matches(certificate).unwrap_err().field;
    let mut made = Made::of(&approved);
    made.ekus = vec![CLIENT_AUTH.into()];
    assert_eq!(field(&made.sign()), "extKeyUsage");
    assert_eq!(
        field(&Made::of(&approved).sign()),
        "TLS feature (must-staple)"
    );
    let mut made = Made::of(&approved);
    made.more.push(Extension::must_staple());
    assert_eq!(approved.matches(&made.sign()), Ok(()));
}

/// A certificate of version 1 has no extensions; the version is what is said first.
#[test]
fn an_old_version_is_no_certificate_for_a_device() {
    let approved = approved();
    let (ca, key) = &*ROOT;
    let scheme = key.scheme(Digest::Sha256).unwrap();
    let algorithm = der::seq(&[&der::oid(oid::ECDSA_SHA256).unwrap()]);
    let info = der::seq(&[
        &der::integer_u64(7),
        &algorithm,
        ca.subject().der(),
        &der::seq(&[
            &der::time(approved.not_before()),
            &der::time(approved.not_after()),
        ]),
        approved.subject().der(),
        approved.public_key().spki_der(),
    ]);
    let signature = der::bit_string(0, &key.sign(&scheme, &info).unwrap());
    let old = Certificate::from_der(&der::seq(&[&info, &algorithm, &signature])).unwrap();
    assert_eq!(approved.matches(&old).unwrap_err().field, "version");
}

#[test]
fn whose_certificate_it_is_is_told_by_name_signature_and_key_identifier() {
    let approved = approved();
    let (ca, _) = ROOT.clone();
    let authority = Authority::new(ca, []);
    assert_eq!(authority.made(&Made::of(&approved).sign()), Ok(()));
    let field = |certificate: &Certificate| authority.made(certificate).unwrap_err().field;

    let mut made = Made::of(&approved);
    made.builder.issuer = name("CN=Other CA");
    assert_eq!(field(&made.sign()), "issuer");

    let scheme = EC.scheme(Digest::Sha256).unwrap();
    let forged = Made::of(&approved).builder.sign(&EC, &scheme).unwrap();
    assert_eq!(field(&forged), "signature");

    let mut made = Made::of(&approved);
    made.builder.extensions = vec![Extension::authority_key_id(&[7; 20])];
    assert_eq!(field(&made.sign()), "authorityKeyIdentifier");
}

#[test]
fn a_difference_quotes_what_it_shows() {
    let approved = approved();
    let mut made = Made::of(&approved);
    made.builder.subject = name(&format!("CN=a\u{7}b{}", "x".repeat(500)));
    let difference: Difference = approved.matches(&made.sign()).unwrap_err();
    let words = difference.to_string();
    assert!(words.starts_with("subject: approved "), "{words}");
    assert!(words.len() < 600 && !words.contains('\u{7}'), "{words}");
}
