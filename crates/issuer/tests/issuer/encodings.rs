//! A certificate is written anew: careless or malformed encodings of a CSR do not reach it.

use issuer::{Issuer, LocalSigner, Rule};
use pki::der::{self, tag};
use pki::{Csr, Name, oid};

use crate::judges::{Purpose, accept};
use crate::support::{
    RSA, approve, ca, csr_with_attributes, csr_with_key, extension, extension_request, issue, name,
    now, policy,
};

/// One attribute, the whole subject.
fn subject(dotted: &str, value: &[u8]) -> Vec<u8> {
    let attribute = der::seq(&[&der::oid(dotted).unwrap(), value]);
    der::seq(&[&der::set_in_order(&[&attribute])])
}

/// Length octets in a form longer than need be.
fn long_form(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    [&[tag, 0x81, length], content].concat()
}

/// Issued, and taken by OpenSSL and rustls-webpki; gives the subject.
fn issued(csr: &Csr) -> Name {
    let certificate = issue(&policy(), csr);
    accept(
        &certificate,
        ca().authority().chain(),
        Purpose::Client,
        now(),
    );
    let theirs = openssl::x509::X509::from_der(certificate.der()).unwrap();
    assert_eq!(theirs.to_der().unwrap(), certificate.der());
    let key = theirs.public_key().unwrap();
    assert_eq!(
        key.public_key_to_der().unwrap(),
        certificate.public_key().spki_der()
    );
    assert_eq!(
        theirs.subject_name().to_der().unwrap(),
        certificate.subject().der()
    );
    certificate.subject().clone()
}

fn refused(csr: &Csr, rule: Rule, words: &str) {
    let Err(refusal) = approve(&policy(), csr) else {
        panic!("was approved, but: {words}");
    };
    assert_eq!(refusal.rule, rule, "{refusal}");
    assert_eq!(refusal.fail_info_is_alg, rule == Rule::Key);
    assert!(refusal.reason.contains(words), "{words}: {refusal}");
}

#[test]
fn an_ordinary_subject_is_issued_octet_for_octet() {
    let printable = subject(oid::COMMON_NAME, &der::printable_string("device"));
    let ia5 = subject(oid::COMMON_NAME, &der::ia5_string("device"));
    let several = name("C=DE, O=Example+OU=x, OU=y, CN=J\u{f6}rg")
        .der()
        .to_vec();
    for subject in [printable, ia5, several] {
        let csr = csr_with_attributes(&subject, &[], &RSA);
        assert_eq!(issued(&csr).der(), subject);
    }
}

#[test]
fn careless_subjects_are_issued_in_der() {
    let pair = [
        der::oid(oid::COMMON_NAME).unwrap(),
        der::utf8_string("device"),
    ]
    .concat();
    let long = long_form(
        tag::SEQUENCE,
        &long_form(tag::SET, &long_form(tag::SEQUENCE, &pair)),
    );
    assert_eq!(
        issued(&csr_with_attributes(&long, &[], &RSA)),
        name("CN=device")
    );

    let parts = [
        der::seq(&[
            &der::oid(oid::ORGANIZATIONAL_UNIT).unwrap(),
            &der::utf8_string("ou"),
        ]),
        der::seq(&[
            &der::oid(oid::COMMON_NAME).unwrap(),
            &der::utf8_string("cn"),
        ]),
    ];
    let unsorted = der::seq(&[&der::set_in_order(&[&parts[0], &parts[1]])]);
    let sorted = issued(&csr_with_attributes(&unsorted, &[], &RSA));
    assert_eq!(sorted.der(), der::seq(&[&der::set_of(parts.to_vec())]));

    let habit = subject(oid::COMMON_NAME, &der::printable_string("a@b*_"));
    assert_eq!(
        issued(&csr_with_attributes(&habit, &[], &RSA)),
        name("CN=a@b*_")
    );
}

#[test]
fn subjects_that_no_certificate_may_carry_are_refused() {
    let constructed = der::tlv(tag::UTF8_STRING | 0x20, &der::utf8_string("ab"));
    for (dotted, value, words) in [
        (oid::COMMON_NAME, der::octet_string(b"abc"), "CN is no text"),
        (oid::COMMON_NAME, der::seq(&[&der::null()]), "CN is no text"),
        (oid::COMMON_NAME, constructed, "CN is no text"),
        (
            oid::COMMON_NAME,
            der::tlv(tag::UTF8_STRING, b"\xff\xfe"),
            "CN is no text",
        ),
        (oid::COMMON_NAME, der::utf8_string(""), "CN is empty"),
        (
            oid::COMMON_NAME,
            der::utf8_string(&"x".repeat(300)),
            "CN is longer",
        ),
        (
            oid::COUNTRY,
            der::printable_string("USA"),
            "C is no country",
        ),
    ] {
        let csr = csr_with_attributes(&subject(dotted, &value), &[], &RSA);
        refused(&csr, Rule::Subject, words);
    }
}

/// A SubjectPublicKeyInfo of the test's RSA key.
fn spki(algorithm: &str, parameters: &[u8], modulus_zeros: usize) -> Vec<u8> {
    let own = RSA.public_key().spki_der();
    let mut info = der::Reader::new(own, "key").sequence().unwrap();
    info.element().unwrap();
    let mut numbers = der::Reader::new(info.bit_octets().unwrap(), "key")
        .sequence()
        .unwrap();
    let (modulus, exponent) = (numbers.integer().unwrap(), numbers.integer().unwrap());
    let modulus = [&vec![0; modulus_zeros], modulus].concat();
    let bits = der::seq(&[&der::integer(&modulus), &der::integer(exponent)]);
    der::seq(&[
        &der::seq(&[&der::oid(algorithm).unwrap(), parameters]),
        &der::bit_string(0, &bits),
    ])
}

#[test]
fn careless_keys_are_issued_in_the_one_encoding() {
    for careless in [
        spki(oid::RSA_ENCRYPTION, &[], 0),
        spki(oid::RSA_ENCRYPTION, &der::null(), 1),
    ] {
        let csr = csr_with_key(name("CN=device").der(), &careless, &[], &RSA);
        csr.verify().unwrap();
        issued(&csr);
        let approved = approve(&policy(), &csr).unwrap();
        assert_eq!(
            approved.public_key().spki_der(),
            RSA.public_key().spki_der()
        );
    }
}

#[test]
fn keys_of_odd_algorithms_are_refused_as_bad_algorithms() {
    let more = [der::null(), der::octet_string(&[b'x'; 30])].concat();
    for (spki, words) in [
        (spki(oid::RSA_ENCRYPTION, &more, 0), "parameters"),
        (
            spki(oid::RSA_ENCRYPTION, &der::octet_string(b"foo"), 0),
            "parameters",
        ),
        (spki(oid::RSA_OAEP, &der::null(), 0), oid::RSA_OAEP),
        (spki(oid::RSA_PSS, &[], 0), oid::RSA_PSS),
    ] {
        let csr = csr_with_key(name("CN=device").der(), &spki, &[], &RSA);
        refused(&csr, Rule::Key, words);
    }
}

#[test]
fn the_cas_own_key_is_not_certified_in_any_encoding() {
    let (certificate, key) = issuer::create_root(
        &name("CN=Root"),
        pki::KeyKind::Rsa { bits: 2048 },
        now(),
        10,
    )
    .unwrap();
    let own = key.public_key().spki_der().to_vec();
    let mut info = der::Reader::new(&own, "key").sequence().unwrap();
    info.element().unwrap();
    let bits = der::bit_string(0, info.bit_octets().unwrap());
    let without_null = der::seq(&[&der::seq(&[&der::oid(oid::RSA_ENCRYPTION).unwrap()]), &bits]);
    let csr = csr_with_key(name("CN=device").der(), &without_null, &[], &key);
    let approved = approve(&policy(), &csr).unwrap();
    let parts = issuer::LocalCaParts::new(certificate, key);
    let ca = issuer::LocalCa::from_parts("rsa", parts).unwrap();
    assert!(matches!(
        ca.sign_approved(&approved, now()),
        Err(issuer::Error::OwnKey)
    ));
}

#[test]
fn alternative_names_hold_what_their_types_allow() {
    for general_name in [
        der::implicit(2, false, b"\xff.example"),
        der::implicit(2, false, "\u{e4}.example".as_bytes()),
        der::implicit(1, false, b"a\0@b.example"),
        der::implicit(6, false, "http://\u{e4}/".as_bytes()),
        der::implicit(7, false, &[1, 2, 3]),
        der::implicit(7, false, &[1; 8]),
        der::implicit(2, false, b""),
    ] {
        let sans = extension(oid::SUBJECT_ALT_NAME, false, &der::seq(&[&general_name]));
        let csr = csr_with_attributes(name("CN=device").der(), &[extension_request(&[sans])], &RSA);
        refused(&csr, Rule::SubjectAltName, "not allowed");
    }
}
