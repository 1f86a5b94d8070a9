//! Loading trust anchors, their expiry, and rotation.

use crate::support::*;
use challenge::mint::{Connector, sign_as_given};
use challenge::{Algorithm, Error, Label, TrustAnchors, days_to_expiry, verify};
use chrono::{DateTime, Duration, Utc};
use pki::{Certificate, Curve, KeyKind, PrivateKey};

const FILE: &str = "/etc/scepd/connector.pem";

fn parse(bytes: &[u8]) -> Result<TrustAnchors, Error> {
    TrustAnchors::parse(FILE, bytes, now())
}

fn certificate(
    connector: &Connector,
    name: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Certificate {
    Connector::certify(&connector.key, name, from, to).unwrap()
}

fn label(anchors: &TrustAnchors, connector: &Connector) -> Result<Certificate, Label> {
    verify(
        &signed(&claims(), connector),
        anchors,
        &settings(),
        &csr(),
        now(),
    )
    .map(|verified| verified.anchor)
    .map_err(|refused| {
        assert_eq!((refused.gate, refused.fail_info()), (2, 1));
        refused.label
    })
}

#[test]
fn a_bundle_may_hold_other_blocks_text_and_several_certificates() {
    let key = ec().key.to_pkcs8_pem().unwrap();
    let bundle = format!(
        "Bag Attributes\r\n    friendlyName: connector\r\n{}{}some words\n{}",
        ec().certificate.to_pem(),
        key.as_str(),
        rsa().certificate.to_pem().replace('\n', "\r\n"),
    );
    let anchors = parse(bundle.as_bytes()).unwrap();
    assert_eq!(
        anchors.anchors(),
        [ec().certificate.clone(), rsa().certificate.clone()]
    );
    assert_eq!(label(&anchors, ec()), Ok(ec().certificate.clone()));
    assert_eq!(label(&anchors, rsa()), Ok(rsa().certificate.clone()));
}

#[test]
fn a_lone_der_certificate_is_taken() {
    let anchors = parse(rsa().certificate.der()).unwrap();
    assert_eq!(label(&anchors, rsa()), Ok(rsa().certificate.clone()));
}

#[test]
fn no_certificate_is_said_to_be_none() {
    let key = ec().key.to_pkcs8_pem().unwrap();
    for bytes in [&b""[..], b"\n", b"hello", key.as_bytes(), &[0xff; 100]] {
        let error = parse(bytes).unwrap_err();
        assert!(
            matches!(&error, Error::NoAnchor { file } if file == FILE),
            "{error:?}"
        );
        assert!(error.to_string().starts_with(FILE), "{error}");
    }
}

#[test]
fn one_bad_certificate_spoils_the_bundle() {
    let pem = ec().certificate.to_pem();
    let cut_der = &ec().certificate.der()[..200];
    for bytes in [
        format!("{pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").into_bytes(),
        format!("{pem}-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n").into_bytes(),
        format!("{pem}{}", &pem[..pem.len() / 2]).into_bytes(),
        pem.as_bytes()[..pem.len() / 2].to_vec(),
        cut_der.to_vec(),
    ] {
        let error = parse(&bytes).unwrap_err();
        assert!(matches!(error, Error::UnreadableAnchor { .. }), "{error:?}");
        assert!(error.to_string().starts_with(FILE), "{error}");
    }
}

#[test]
fn an_expired_certificate_spoils_the_bundle_and_is_named_with_its_date() {
    let ended = at(NOW - 86_400);
    let old = certificate(ec(), "Connector of last year", at(NOW - 90 * 86_400), ended);
    let bundle = format!("{}{}", rsa().certificate.to_pem(), old.to_pem());
    let error = parse(bundle.as_bytes()).unwrap_err();
    let text = error.to_string();
    for part in [FILE, "Connector of last year", "2027-01-14 08:00:00 UTC"] {
        assert!(text.contains(part), "{part} not in {text}");
    }
    assert!(!text.contains("RSA connector"), "{text}");
    // In its last second it still counts, the next it does not.
    assert!(TrustAnchors::parse(FILE, old.to_pem().as_bytes(), ended).is_ok());
    assert!(
        TrustAnchors::parse(FILE, old.to_pem().as_bytes(), ended + Duration::seconds(1)).is_err()
    );
}

#[test]
fn a_pool_needs_one_key_that_can_sign_challenges() {
    let p384 = PrivateKey::generate(KeyKind::Ec(Curve::P384)).unwrap();
    let unusable = Connector::certify(&p384, "Some CA", at(NOW - 1000), at(NOW + 1000)).unwrap();
    let error = parse(unusable.to_pem().as_bytes()).unwrap_err();
    assert!(matches!(error, Error::NoUsableAnchor { .. }));
    assert!(
        error.to_string().contains("Some CA") && error.to_string().contains("P-384"),
        "{error}"
    );
    let with_ca = format!("{}{}", unusable.to_pem(), ec().certificate.to_pem());
    let anchors = parse(with_ca.as_bytes()).unwrap();
    assert_eq!(anchors.anchors().len(), 2);
    assert_eq!(label(&anchors, ec()), Ok(ec().certificate.clone()));
}

#[test]
fn each_of_several_connectors_is_trusted_and_no_other() {
    let other = connector(Algorithm::Es256, "second");
    let anchors = pool(&[&ec().certificate, &other.certificate]);
    assert_eq!(label(&anchors, ec()), Ok(ec().certificate.clone()));
    assert_eq!(label(&anchors, &other), Ok(other.certificate.clone()));
    assert_eq!(label(&anchors, rsa()), Err(Label::SignatureInvalid));
    // The same name does not help.
    assert_eq!(label(&anchors, stranger()), Err(Label::SignatureInvalid));
}

#[test]
fn rotation_new_beside_old_then_new_alone() {
    let next = connector(Algorithm::Rs256, "RSA connector");
    let before = pool(&[&rsa().certificate]);
    let during = pool(&[&rsa().certificate, &next.certificate]);
    let after = pool(&[&next.certificate]);
    let refused = Err(Label::SignatureInvalid);
    assert_eq!(
        (label(&before, rsa()).is_ok(), label(&before, &next)),
        (true, refused.clone())
    );
    assert!(label(&during, rsa()).is_ok() && label(&during, &next).is_ok());
    assert_eq!(
        (label(&after, rsa()), label(&after, &next).is_ok()),
        (refused, true)
    );
}

#[test]
fn an_anchor_that_expired_since_it_was_loaded_is_not_trusted() {
    let ended = now() - Duration::seconds(1);
    let old = certificate(ec(), "old", at(NOW - 90 * 86_400), ended);
    assert_eq!(label(&pool(&[&old]), ec()), Err(Label::Expired));
    // Another anchor in date does not excuse it.
    assert_eq!(
        label(&pool(&[&old, &rsa().certificate]), ec()),
        Err(Label::Expired)
    );
    // A stranger's signature has nothing to do with it.
    assert_eq!(
        label(&pool(&[&old]), stranger()),
        Err(Label::SignatureInvalid)
    );
    // In its last second it is.
    let last = certificate(ec(), "last", at(NOW - 90 * 86_400), now());
    assert!(label(&pool(&[&last]), ec()).is_ok());
    // No tolerance applies to it.
    let words = verify(
        &signed(&claims(), ec()),
        &pool(&[&old]),
        &settings(),
        &csr(),
        now(),
    )
    .unwrap_err();
    assert!(
        words.reason.contains("CN=old") && words.reason.contains("07:59:59"),
        "{}",
        words.reason
    );
}

#[test]
fn the_same_key_in_a_renewed_certificate_counts() {
    let old = certificate(ec(), "old", at(NOW - 90 * 86_400), at(NOW - 1));
    let renewed = certificate(ec(), "renewed", at(NOW - 86_400), at(NOW + 90 * 86_400));
    for anchors in [pool(&[&old, &renewed]), pool(&[&renewed, &old])] {
        assert_eq!(label(&anchors, ec()), Ok(renewed.clone()));
    }
}

#[test]
fn an_anchor_of_tomorrow_is_not_trusted_today() {
    let next = certificate(ec(), "next", at(NOW + 61), at(NOW + 90 * 86_400));
    assert_eq!(label(&pool(&[&next]), ec()), Err(Label::NotYetValid));
    let about_now = certificate(ec(), "next", at(NOW + 60), at(NOW + 90 * 86_400));
    assert!(
        label(&pool(&[&about_now]), ec()).is_ok(),
        "the tolerance for clocks applies"
    );
}

#[test]
fn days_are_floored() {
    let day = Duration::days(1);
    for (left, expected) in [
        (Duration::zero(), 0),
        (Duration::seconds(1), 0),
        (day - Duration::milliseconds(1), 0),
        (day, 1),
        (day * 30, 30),
        (day * 30 - Duration::seconds(1), 29),
        (Duration::seconds(-1), -1),
        (Duration::milliseconds(-1), -1),
        (-day, -1),
        (-day - Duration::seconds(1), -2),
    ] {
        assert_eq!(days_to_expiry(now() + left, now()), expected, "{left}");
    }
    assert!(days_to_expiry(DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC) > 100_000_000);
}

#[test]
fn the_soonest_expiry_is_the_pools() {
    let soon = certificate(ec(), "soon", at(NOW - 1), at(NOW + 5));
    assert_eq!(
        pool(&[&rsa().certificate, &soon]).soonest_expiry(),
        Some(at(NOW + 5))
    );
}

#[test]
fn the_header_chooses_no_key() {
    let certificate = base64_of(ec().certificate.der());
    let header = format!(
        r#"{{"alg":"ES256","kid":"nobody","jku":"https://127.0.0.1:1/","x5u":"https://127.0.0.1:1/","x5c":["{certificate}"]}}"#
    );
    let payload = claims().to_string();
    let challenge = sign_as_given(header.as_bytes(), payload.as_bytes(), &ec().key).unwrap();
    assert!(try_verify(&challenge).is_ok(), "ignored, not refused");
    let only_rsa = pool(&[&rsa().certificate]);
    let refused = verify(&challenge, &only_rsa, &settings(), &csr(), now()).unwrap_err();
    assert_eq!(refused.label, Label::SignatureInvalid);
    assert!(refused.reason.contains("0 of 1"), "{}", refused.reason);
}

fn base64_of(octets: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(octets)
}
