#![allow(clippy::unwrap_used)]

use chrono::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::{Curve, KeyKind};

fn ec() -> PrivateKey {
    PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap()
}

/// A request with these attributes, in this order.
fn request(attributes: &[Vec<u8>], key: &PrivateKey) -> Vec<u8> {
    let name = Name::parse("CN=x").unwrap();
    let info = der::seq(&[
        &der::integer_u64(0),
        name.der(),
        key.public_key().spki_der(),
        &der::implicit(0, true, &attributes.concat()),
    ]);
    signed_object::sign(&info, key, &key.scheme(Digest::Sha256).unwrap()).unwrap()
}

fn attribute(oid: &str, values: &[Vec<u8>]) -> Vec<u8> {
    der::seq(&[&der::oid(oid).unwrap(), &der::set_of(values.to_vec())])
}

fn extensions(list: &[Extension]) -> Vec<u8> {
    attribute(
        oid::EXTENSION_REQUEST,
        &[extension::write_extensions(list).unwrap()],
    )
}

#[test]
fn what_is_built_is_read_by_us_and_openssl() {
    let name = Name::parse("O=scep, CN=x").unwrap();
    let sans = SubjectAltNames::parse("dns:a.example, upn:u@a.example").unwrap();
    let extra = [Extension::ext_key_usage(&[oid::EKU_CLIENT_AUTH]).unwrap()];
    for kind in [KeyKind::Rsa { bits: 2048 }, KeyKind::Ec(Curve::P384)] {
        let key = PrivateKey::generate(kind).unwrap();
        for challenge in ["plain 1", "b\u{e4}*", ""] {
            let csr = Csr::build(&name, &sans, Some(challenge), &extra, &key).unwrap();
            csr.verify().unwrap();
            assert_eq!(csr.subject(), &name);
            assert_eq!(csr.public_key(), key.public_key());
            assert_eq!(csr.sans(), &sans);
            assert_eq!(csr.challenge_password(), Some(challenge));
            assert_eq!(csr.ext_key_usages(), [oid::EKU_CLIENT_AUTH]);
            assert_eq!(csr.signature_scheme(), key.scheme(Digest::Sha256));
            assert!(!csr.wants_ca() && csr.key_usage().is_none() && !csr.has_sid_extension());
            let theirs = openssl::x509::X509Req::from_der(csr.der()).unwrap();
            assert!(theirs.verify(&theirs.public_key().unwrap()).unwrap());
            assert!(!format!("{csr:?}").contains("plain"));
        }
    }
    let bare = Csr::build(&name, &SubjectAltNames::default(), None, &[], &ec()).unwrap();
    assert!(bare.attributes().is_empty() && bare.challenge_password().is_none());
}

#[test]
fn an_altered_request_does_not_verify() {
    let csr = Csr::build(
        &Name::parse("CN=device").unwrap(),
        &SubjectAltNames::default(),
        None,
        &[],
        &ec(),
    )
    .unwrap();
    let mut der = csr.der().to_vec();
    let at = der
        .windows(6)
        .position(|octets| octets == b"device")
        .unwrap();
    der[at] ^= 0x20;
    assert_eq!(
        Csr::from_der(&der).unwrap().verify(),
        Err(Error::BadSignature { what: WHAT })
    );
}

#[test]
fn unsorted_attributes_verify_as_they_came() {
    let key = ec();
    let challenge = attribute(oid::CHALLENGE_PASSWORD, &[der::utf8_string("s3cret")]);
    let list = extensions(&[Extension::basic_constraints(false, None)]);
    for order in [[list.clone(), challenge.clone()], [challenge, list]] {
        let csr = Csr::from_der(&request(&order, &key)).unwrap();
        csr.verify().unwrap();
        assert_eq!(csr.challenge_password(), Some("s3cret"));
        assert_eq!(csr.extensions().len(), 1);
    }
}

#[test]
fn challenges_of_every_string_type_are_read() {
    let bmp: Vec<u8> = "s3cret\u{e4}"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let cases = [
        (der::printable_string("s3cret"), "s3cret"),
        (der::utf8_string("s3cret\u{e4}"), "s3cret\u{e4}"),
        (der::ia5_string("s3cret@*"), "s3cret@*"),
        (der::tlv(tag::T61_STRING, b"s3cret\xe4"), "s3cret\u{e4}"),
        (der::tlv(tag::BMP_STRING, &bmp), "s3cret\u{e4}"),
    ];
    let key = ec();
    for (value, expected) in cases {
        let csr = Csr::from_der(&request(
            &[attribute(oid::CHALLENGE_PASSWORD, &[value])],
            &key,
        ))
        .unwrap();
        assert_eq!(csr.challenge_password(), Some(expected));
    }
}

#[test]
fn ambiguous_requests_are_refused() {
    let key = ec();
    let challenge = |text: &str| attribute(oid::CHALLENGE_PASSWORD, &[der::utf8_string(text)]);
    let eku = Extension::ext_key_usage(&[oid::EKU_CLIENT_AUTH]).unwrap();
    let microsoft = attribute(
        oid::MS_CERT_EXTENSIONS,
        &[extension::write_extensions(std::slice::from_ref(&eku)).unwrap()],
    );
    assert_eq!(
        Csr::from_der(&request(std::slice::from_ref(&microsoft), &key))
            .unwrap()
            .extensions(),
        std::slice::from_ref(&eku)
    );
    for bad in [
        vec![challenge("a"), challenge("b")],
        vec![attribute(
            oid::CHALLENGE_PASSWORD,
            &[der::utf8_string("a"), der::utf8_string("b")],
        )],
        vec![attribute(oid::CHALLENGE_PASSWORD, &[der::null()])],
        vec![extensions(&[eku.clone(), eku.clone()])],
        vec![extensions(&[eku]), microsoft],
        vec![extensions(&[Extension {
            oid: oid::KEY_USAGE.to_owned(),
            critical: true,
            value: der::null(),
        }])],
    ] {
        assert!(matches!(
            Csr::from_der(&request(&bad, &key)),
            Err(Error::Malformed { .. })
        ));
    }
}

#[test]
fn bombs_are_refused_before_they_are_read() {
    let key = ec();
    let many: Vec<Extension> = (0..3000)
        .map(|n| Extension {
            oid: format!("1.2.3.{n}"),
            critical: false,
            value: Vec::new(),
        })
        .collect();
    assert!(matches!(
        Csr::from_der(&request(&[extensions(&many)], &key)),
        Err(Error::TooManyElements { .. })
    ));
    let mut nested = der::null();
    for _ in 0..40 {
        nested = der::seq(&[&nested]);
    }
    assert!(matches!(
        Csr::from_der(&request(&[attribute("1.2.3", &[nested])], &key)),
        Err(Error::TooDeep { .. })
    ));
    let usages = der::oid(oid::EKU_CLIENT_AUTH).unwrap().repeat(1000);
    let usages = Extension {
        oid: oid::EXT_KEY_USAGE.to_owned(),
        critical: false,
        value: der::tlv(tag::SEQUENCE, &usages),
    };
    assert!(Csr::from_der(&request(&[extensions(&[usages])], &key)).is_err());
}

#[test]
fn wishes_for_more_are_seen() {
    let key = ec();
    let sid = Extension {
        oid: oid::MS_SID.to_owned(),
        critical: false,
        value: vec![0x30, 0],
    };
    let bad_constraints = Extension {
        value: vec![5, 0],
        ..Extension::basic_constraints(false, None)
    };
    let csr = Csr::from_der(&request(
        &[extensions(&[Extension::basic_constraints(true, None), sid])],
        &key,
    ))
    .unwrap();
    assert!(csr.wants_ca() && csr.has_sid_extension());
    assert!(
        Csr::from_der(&request(&[extensions(&[bad_constraints])], &key))
            .unwrap()
            .wants_ca()
    );
}

#[test]
fn the_validity_asked_for() {
    let bmp = |text: &str| {
        der::tlv(
            tag::BMP_STRING,
            &text
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect::<Vec<_>>(),
        )
    };
    let key = ec();
    let now = Utc.with_ymd_and_hms(2026, 1, 31, 12, 0, 0).unwrap();
    let asked = |pairs: &[(&str, &str)]| {
        let values: Vec<Vec<u8>> = pairs
            .iter()
            .map(|(name, value)| {
                attribute(
                    oid::MS_NAME_VALUE_PAIR,
                    &[der::seq(&[&bmp(name), &bmp(value)])],
                )
            })
            .collect();
        Csr::from_der(&request(&values, &key))
            .unwrap()
            .validity_request(now)
    };
    let until = |year, month, day, hour| {
        Some((
            None,
            Some(Utc.with_ymd_and_hms(year, month, day, hour, 0, 0).unwrap()),
        ))
    };
    assert_eq!(
        asked(&[("ValidityPeriod", "Years"), ("ValidityPeriodUnits", "2")]),
        until(2028, 1, 31, 12)
    );
    assert_eq!(
        asked(&[("ValidityPeriodUnits", "Months"), ("ValidityPeriod", "1")]),
        until(2026, 2, 28, 12)
    );
    assert_eq!(
        asked(&[("validityperiod", "Days"), ("ValidityPeriodUnits", "1")]),
        until(2026, 2, 1, 12)
    );
    assert_eq!(
        asked(&[("ValidityPeriod", "Hours"), ("ValidityPeriodUnits", "3")]),
        until(2026, 1, 31, 15)
    );
    assert_eq!(
        asked(&[("ExpirationDate", "Tue, 21 Nov 2028 01:00:00 GMT")]),
        until(2028, 11, 21, 1)
    );
    for nothing in [
        &[][..],
        &[("CertificateTemplate", "x")],
        &[("ValidityPeriod", "Years")],
        &[("ValidityPeriod", "Years"), ("ValidityPeriodUnits", "0")],
        &[
            ("ValidityPeriod", "Years"),
            ("ValidityPeriodUnits", "4294967295"),
        ],
        &[
            ("ValidityPeriod", "Fortnights"),
            ("ValidityPeriodUnits", "1"),
        ],
        &[("ExpirationDate", "soon")],
    ] {
        assert_eq!(asked(nothing), None, "{nothing:?}");
    }
}

proptest! {
    #[test]
    fn damaged_requests_never_panic(at in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let sans = SubjectAltNames::parse("dns:a.example").unwrap();
        let mut der = Csr::build(&Name::parse("CN=x").unwrap(), &sans, Some("p"), &[], &ec()).unwrap().der().to_vec();
        let at = at.index(der.len());
        der[at] = value;
        if let Ok(csr) = Csr::from_der(&der) {
            let _ = (csr.verify(), csr.wants_ca(), csr.validity_request(DateTime::UNIX_EPOCH), format!("{csr:?}"));
        }
        let cut = cut.index(der.len());
        der.truncate(cut);
        prop_assert!(Csr::from_der(&der).is_err());
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Csr::from_der(&octets).is_err());
    }
}
