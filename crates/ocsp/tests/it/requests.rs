use ocsp::{CaNames, CertId, Nonce, Request, RequestError};
use openssl::hash::MessageDigest;
use openssl::ocsp::{OcspCertId, OcspRequest};
use openssl::x509::X509;
use pki::{Digest, Serial, der, oid};

use crate::{Ca, extension, nonce, request};

const SERIAL: [u8; 3] = [0, 0x81, 7];

#[test]
fn requests_of_openssl_name_the_ca_in_every_digest() {
    let (ca, other) = (Ca::new("CN=One"), Ca::new("CN=Other"));
    let subject = ca.responder().certificate().clone();
    let x509 = |certificate: &pki::Certificate| X509::from_der(certificate.der()).unwrap();
    for digest in [
        MessageDigest::sha1(),
        MessageDigest::sha256(),
        MessageDigest::sha384(),
        MessageDigest::sha512(),
    ] {
        let mut asked = OcspRequest::new().unwrap();
        let id = OcspCertId::from_cert(digest, &x509(&subject), &x509(&ca.certificate)).unwrap();
        asked.add_id(id).unwrap();
        let asked = Request::from_der(&asked.to_der().unwrap()).unwrap();
        let [id] = asked.certificates.as_slice() else {
            panic!("one is asked about");
        };
        assert!(id.serial.same_number(subject.serial()));
        assert!(CaNames::of(&ca.certificate).match_id(id));
        assert!(!CaNames::of(&other.certificate).match_id(id));
        assert_eq!(asked.nonce, Nonce::Absent);
        let ours = CertId::new(id.digest.unwrap(), &ca.certificate, subject.serial());
        assert_eq!(&ours, id);
    }
}

#[test]
fn a_ca_with_the_same_name_or_the_same_key_alone_is_another() {
    let (ca, namesake) = (Ca::new("CN=One"), Ca::new("CN=One"));
    let id = CertId::new(Digest::Sha256, &ca.certificate, &Serial::new(SERIAL));
    assert!(CaNames::of(&ca.certificate).match_id(&id));
    assert!(!CaNames::of(&namesake.certificate).match_id(&id));
    let renamed = CertId {
        name_hash: Digest::Sha256.hash(b"another name"),
        ..id
    };
    assert!(!CaNames::of(&ca.certificate).match_id(&renamed));
}

#[test]
fn several_certificates_are_asked_about_and_too_many_are_not() {
    let ca = Ca::new("CN=One");
    let ids: Vec<CertId> = (1..=ocsp::request::MOST as u8 + 1)
        .map(|serial| CertId::new(Digest::Sha1, &ca.certificate, &Serial::new([serial])))
        .collect();
    let ders: Vec<&[u8]> = ids.iter().map(|id| id.der.as_slice()).collect();
    let three = Request::from_der(&request(&ders[..3], &[])).unwrap();
    assert_eq!(three.certificates, ids[..3]);
    assert!(Request::from_der(&request(&ders[..ocsp::request::MOST], &[])).is_ok());
    assert!(matches!(
        Request::from_der(&request(&ders, &[])),
        Err(RequestError::Count(_))
    ));
    assert_eq!(
        Request::from_der(&request(&[], &[])),
        Err(RequestError::Count(0))
    );
}

#[test]
fn nonces_come_back_from_1_to_32_octets() {
    let ca = Ca::new("CN=One");
    let id = CertId::new(Digest::Sha1, &ca.certificate, &Serial::new(SERIAL));
    let asked = |nonce: Vec<u8>| Request::from_der(&request(&[&id.der], &[nonce]));
    for length in [1, 16, 32] {
        let octets = vec![7; length];
        let kept = Nonce::Asked(der::octet_string(&octets));
        assert_eq!(asked(nonce(&octets)).unwrap().nonce, kept, "{length}");
    }
    for length in [0, 33, 128, 129] {
        let refused = asked(nonce(&vec![7; length]));
        assert_eq!(refused, Err(RequestError::NonceLength(length)));
    }
    // As clients from before RFC 6960 send it.
    let bare = extension(oid::OCSP_NONCE, false, &[0x81; 16]);
    assert_eq!(asked(bare).unwrap().nonce, Nonce::Asked(vec![0x81; 16]));
}

#[test]
fn what_must_be_understood_and_is_not_is_refused() {
    let ca = Ca::new("CN=One");
    let id = CertId::new(Digest::Sha1, &ca.certificate, &Serial::new(SERIAL));
    let asked = |critical| {
        let unknown = extension("1.2.3.4", critical, &[5, 0]);
        Request::from_der(&request(&[&id.der], &[unknown]))
    };
    assert!(asked(false).is_ok());
    assert_eq!(
        asked(true),
        Err(RequestError::Critical("1.2.3.4".to_owned()))
    );
    // A digest that nobody knows is a CA that nobody is.
    let mut md5 = CertId::new(Digest::Md5, &ca.certificate, &Serial::new(SERIAL));
    md5.digest = None;
    let asked = Request::from_der(&request(&[&md5.der], &[])).unwrap();
    assert_eq!(asked.certificates, [md5.clone()]);
    assert!(!CaNames::of(&ca.certificate).match_id(&md5));
}

#[test]
fn versions_names_and_signatures_of_requests_are_passed_over() {
    let ca = Ca::new("CN=One");
    let id = CertId::new(Digest::Sha1, &ca.certificate, &Serial::new(SERIAL));
    let list = der::seq(&[&der::seq(&[&id.der])]);
    let whole = |version: u64| {
        let body = der::seq(&[
            &der::explicit(0, &der::integer_u64(version)),
            &der::explicit(1, &der::explicit(4, &der::seq(&[]))),
            &list,
        ]);
        der::seq(&[&body, &der::explicit(0, &der::seq(&[]))])
    };
    assert_eq!(Request::from_der(&whole(0)).unwrap().certificates, [id]);
    assert!(Request::from_der(&whole(1)).is_err());
    assert!(Request::from_der(&[whole(0), vec![0]].concat()).is_err());
    assert_eq!(
        Request::from_der(&[0; ocsp::request::LONGEST + 1]),
        Err(RequestError::TooLong)
    );
}
