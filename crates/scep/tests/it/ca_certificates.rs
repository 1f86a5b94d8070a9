//! GetCACert and GetNextCACert, both ways.

use pki::{Certificate, Curve, KeyKind, PrivateKey};
use scep::client::{CaCertificates, open_next_ca};
use scep::{Error, ca_cert_body, content_type, next_ca_body};

use crate::world::{Pair, WORLD, issue, now, own, rsa};

fn chain() -> Vec<Certificate> {
    vec![WORLD.ca.certificate.clone(), WORLD.root.certificate.clone()]
}

#[test]
fn an_ra_stands_before_its_ca() {
    let (kind, body) = ca_cert_body(false, &WORLD.ras(), &chain()).unwrap();
    assert_eq!(kind, content_type::CA_RA_CERT);
    let read = CaCertificates::read(&body).unwrap();
    let mut expected = vec![
        WORLD.ra.certificate.clone(),
        WORLD.old_ra.certificate.clone(),
    ];
    expected.extend(chain());
    assert_eq!(read.all(), expected);
    assert_eq!(read.issuing(), &WORLD.ca.certificate);
    assert_eq!(read.ras(), &expected[..2]);
    assert_eq!(read.recipient().unwrap(), &WORLD.ra.certificate);
    assert_eq!(read.reply_signers(), [&expected[0], &expected[1]]);
}

#[test]
fn a_ca_that_is_its_own_ra_is_one_certificate() {
    let (kind, body) = ca_cert_body(true, &WORLD.ras(), &chain()).unwrap();
    assert_eq!(
        (kind, body.as_slice()),
        (content_type::CA_CERT, WORLD.ca.certificate.der())
    );
    let read = CaCertificates::read(&body).unwrap();
    assert!(read.ras().is_empty());
    assert_eq!(read.recipient().unwrap(), &WORLD.ca.certificate);
    assert_eq!(read.reply_signers(), [&WORLD.ca.certificate]);
    assert!(matches!(
        ca_cert_body(true, &[], &[]),
        Err(Error::Incomplete(_))
    ));
}

#[test]
fn roles_do_not_depend_on_the_order() {
    let mut all = chain();
    all.push(WORLD.ra.certificate.clone());
    for _ in 0..all.len() {
        all.rotate_left(1);
        let read = CaCertificates::from_certificates(all.clone()).unwrap();
        assert_eq!(read.issuing(), &WORLD.ca.certificate);
        assert_eq!(read.recipient().unwrap(), &WORLD.ra.certificate);
    }
    let without_ra = CaCertificates::from_certificates(chain()).unwrap();
    assert_eq!(
        without_ra.issuing(),
        &WORLD.ca.certificate,
        "the lowest CA issues"
    );
}

#[test]
fn an_ra_of_another_ca_is_refused() {
    let stranger = own("O=Test, CN=RA", rsa()).certificate;
    let error = CaCertificates::from_certificates(vec![stranger, WORLD.ca.certificate.clone()])
        .unwrap_err();
    assert!(error.to_string().contains("was not issued by"), "{error}");
    assert!(CaCertificates::read(b"nothing").is_err());
    let error = CaCertificates::from_certificates(Vec::new()).unwrap_err();
    assert!(error.to_string().contains("no CA"), "{error}");
}

#[test]
fn a_ca_without_an_rsa_key_cannot_receive() {
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P384)).unwrap();
    let ca = issue("CN=EC", None, key.public_key(), &key, true);
    let read = CaCertificates::from_certificates(vec![ca]).unwrap();
    assert!(
        read.recipient()
            .unwrap_err()
            .to_string()
            .contains("EC P-384")
    );
}

#[test]
fn chains_are_walked_and_dated() {
    let read = CaCertificates::from_certificates(chain()).unwrap();
    let leaf = WORLD.certify("CN=device", WORLD.device.key.public_key());
    assert_eq!(read.chain(&leaf, now()).unwrap(), chain());
    let only = CaCertificates::from_certificates(chain()[..1].to_vec()).unwrap();
    assert_eq!(
        only.chain(&leaf, now()).unwrap(),
        &chain()[..1],
        "the root may be left out"
    );

    let later = now() + chrono::TimeDelta::days(366);
    assert!(
        read.chain(&leaf, later)
            .unwrap_err()
            .to_string()
            .contains("not now")
    );
    let stranger = own("CN=device", rsa()).certificate;
    assert!(
        read.chain(&stranger, now())
            .unwrap_err()
            .to_string()
            .contains("not issued by")
    );
    // A certificate in the name of the CA, signed by someone else.
    let liar = Pair {
        certificate: WORLD.ca.certificate.clone(),
        key: rsa(),
    };
    let forged = issue(
        "CN=x",
        Some(&liar.certificate),
        WORLD.device.key.public_key(),
        &liar.key,
        false,
    );
    assert!(read.chain(&forged, now()).is_err());
}

#[test]
fn the_next_ca_is_vouched_for_by_the_current_one() {
    let current = CaCertificates::from_certificates(chain()).unwrap();
    let key = rsa();
    let next = issue("O=Test, CN=Issuing 2", None, key.public_key(), &key, true);
    let body = next_ca_body(
        &WORLD.ca.certificate,
        &WORLD.ca.key,
        std::slice::from_ref(&next),
    )
    .unwrap();
    assert_eq!(open_next_ca(&body, &current).unwrap().issuing(), &next);

    let ec_key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let ec_ca = issue("O=Test, CN=EC CA", None, ec_key.public_key(), &ec_key, true);
    let by_ec = next_ca_body(&ec_ca, &ec_key, std::slice::from_ref(&next)).unwrap();
    let ec_current = CaCertificates::from_certificates(vec![ec_ca]).unwrap();
    assert_eq!(open_next_ca(&by_ec, &ec_current).unwrap().issuing(), &next);

    assert!(
        open_next_ca(&by_ec, &current).is_err(),
        "signed by a stranger"
    );
    let mut changed = body;
    *changed.last_mut().unwrap() ^= 1;
    assert!(open_next_ca(&changed, &current).is_err());
    assert!(next_ca_body(&WORLD.ca.certificate, &WORLD.ca.key, &[]).is_err());
}
