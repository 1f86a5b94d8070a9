//! GetCACert and GetNextCACert, both ways.

use chrono::{DateTime, TimeDelta, Utc};
use pki::{
    Certificate, CertificateBuilder, Curve, Digest, Extension, KeyKind, KeyUsage, Name, PrivateKey,
    Serial, oid,
};
use scep::client::{CaCertificates, open_next_ca};
use scep::{Error, ca_cert_body, content_type, next_ca_body};

use crate::test_env::{Pair, WORLD, issue, now, own, rsa};

fn chain() -> Vec<Certificate> {
    vec![WORLD.ca.certificate.clone(), WORLD.root.certificate.clone()]
}

#[test]
fn an_ra_stands_before_its_ca() {
    let ras = WORLD.ras();
    let ras: Vec<&Certificate> = ras.iter().map(|ra| &ra.certificate).collect();
    let (kind, body) = ca_cert_body(&ras, &chain()).unwrap();
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
fn a_root_that_is_its_own_ra_is_one_certificate() {
    let root = std::slice::from_ref(&WORLD.root.certificate);
    let (kind, body) = ca_cert_body(&[], root).unwrap();
    assert_eq!(
        (kind, body.as_slice()),
        (content_type::CA_CERT, WORLD.root.certificate.der())
    );
    let read = CaCertificates::read(&body).unwrap();
    assert!(read.ras().is_empty());
    assert_eq!(read.recipient().unwrap(), &WORLD.root.certificate);
    assert_eq!(read.reply_signers(), [&WORLD.root.certificate]);
}

#[test]
fn a_ca_below_a_root_that_is_its_own_ra_comes_with_its_chain() {
    // The root's own certificate may be held back, or not be known.
    for shown in [&chain()[..], &chain()[..1]] {
        let (kind, body) = ca_cert_body(&[], shown).unwrap();
        assert_eq!(kind, content_type::CA_RA_CERT);
        assert_eq!(CaCertificates::read(&body).unwrap().all(), shown);
    }
    let (_, body) = ca_cert_body(&[], &chain()).unwrap();
    let read = CaCertificates::read(&body).unwrap();
    assert!(read.ras().is_empty());
    assert_eq!(read.recipient().unwrap(), &WORLD.ca.certificate);
    assert_eq!(read.reply_signers(), [&WORLD.ca.certificate]);
    assert!(matches!(ca_cert_body(&[], &[]), Err(Error::Incomplete(_))));
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

/// A certificate of the issuing CA, as devices and RAs have.
fn certified(cn: &str, usage: Option<KeyUsage>, ekus: &[&str]) -> Certificate {
    let mut extensions = Vec::new();
    extensions.extend(usage.map(Extension::key_usage));
    if !ekus.is_empty() {
        extensions.push(Extension::ext_key_usage(ekus).unwrap());
    }
    let builder = CertificateBuilder {
        subject: Name::parse(&format!("CN={cn}")).unwrap(),
        issuer: WORLD.ca.certificate.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: now() - TimeDelta::days(1),
        not_after: now() + TimeDelta::days(1),
        public_key: WORLD.device.key.public_key().clone(),
        extensions,
    };
    let scheme = WORLD.ca.key.scheme(Digest::Sha256).unwrap();
    builder.sign(&WORLD.ca.key, &scheme).unwrap()
}

const SIGN: KeyUsage = KeyUsage::DIGITAL_SIGNATURE;
const ENCIPHER: KeyUsage = KeyUsage::KEY_ENCIPHERMENT;
/// Certificate Request Agent, as NDES has it.
const AGENT: &str = "1.3.6.1.4.1.311.20.2.1";

fn fit(ras: &[Certificate], at: DateTime<Utc>) -> Result<CaCertificates, String> {
    let all = [chain().as_slice(), ras].concat();
    let mut read = CaCertificates::from_certificates(all).unwrap();
    read.keep_fit_ras(at)
        .map(|_| read)
        .map_err(|error| error.to_string())
}

#[test]
fn an_ra_is_told_from_a_device() {
    let both = Some(SIGN | ENCIPHER);
    let good = [
        certified("automatic", both, &[]),
        certified("agent", both, &[AGENT]),
        certified("agent and more", both, &[oid::EKU_CLIENT_AUTH, AGENT]),
        certified("cmc", both, &["1.3.6.1.5.5.7.3.28"]),
    ];
    for ra in &good {
        let read = fit(std::slice::from_ref(ra), now()).unwrap();
        assert_eq!(read.recipient().unwrap(), ra);
    }
    for (device, why) in [
        (
            certified("client", both, &[oid::EKU_CLIENT_AUTH]),
            "1.3.6.1.5.5.7.3.2)",
        ),
        (
            certified("server", both, &[oid::EKU_SERVER_AUTH]),
            "1.3.6.1.5.5.7.3.1)",
        ),
        (certified("any", both, &[oid::EKU_ANY]), "2.5.29.37.0"),
        (
            certified("card", both, &["1.3.6.1.4.1.311.20.2.2"]),
            "20.2.2",
        ),
        (certified("unknown", both, &["1.2.3.4"]), "1.2.3.4"),
        (certified("no usage", None, &[]), "no keyUsage"),
        (
            certified("other usage", Some(KeyUsage::KEY_AGREEMENT), &[]),
            "no keyUsage",
        ),
    ] {
        let words = fit(std::slice::from_ref(&device), now()).unwrap_err();
        assert!(words.contains(why), "{words}");
        // Beside an RA it is nobody.
        let read = fit(&[device, good[0].clone()], now()).unwrap();
        assert_eq!(read.ras(), &good[..1]);
    }
    let late = fit(&good[..1], now() + TimeDelta::days(2)).unwrap_err();
    assert!(late.contains("not now"), "{late}");
    assert!(fit(&[], now()).unwrap().ras().is_empty(), "the CA itself");
}

#[test]
fn ndes_has_one_ra_to_sign_and_one_to_encrypt_to() {
    let signs = certified("EnrollmentAgentOffline", Some(SIGN), &[AGENT]);
    let deciphers = certified("CEPEncryption", Some(ENCIPHER), &[AGENT]);
    let read = fit(&[signs.clone(), deciphers.clone()], now()).unwrap();
    assert_eq!(read.recipient().unwrap(), &deciphers);
    assert_eq!(read.reply_signers(), [&signs]);
    let words = fit(&[signs], now()).unwrap_err();
    assert!(words.contains("to encrypt to"), "{words}");
    let words = fit(&[deciphers], now()).unwrap_err();
    assert!(words.contains("to sign replies"), "{words}");
}

#[test]
fn an_ra_of_a_ca_that_came_along_gets_nothing() {
    // Whoever stands between shows the CA that is expected, a certificate of it, and a CA and RA of his own.
    let key = rsa();
    let ca = issue("CN=Mine", None, key.public_key(), &key, true);
    let mine = issue("CN=My RA", Some(&ca), key.public_key(), &key, false);
    let device = certified("device", Some(SIGN | ENCIPHER), &[oid::EKU_CLIENT_AUTH]);
    let mut all = chain();
    all.extend([mine, ca, device.clone()]);
    let mut read = CaCertificates::from_certificates(all).unwrap();
    assert_eq!(read.issuing(), &WORLD.ca.certificate);
    assert_eq!(read.ras(), [device]);
    assert!(read.keep_fit_ras(now()).is_err());
}
