//! What we write, read by OpenSSL.

use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::pkcs7::Pkcs7;
use openssl::pkey::PKey;
use openssl::stack::Stack;
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyParam;
use pki::cms::Signed;
use pki::der::{Tlv, tag};
use pki::{Certificate, oid};
use scep::{Answer, CryptoMode, FailInfo, ca_cert_body, next_ca_body};

use crate::test_env::{WORLD, now, open};

fn x509(certificate: &Certificate) -> X509 {
    X509::from_der(certificate.der()).unwrap()
}

/// Verifies with chain building up to the root, and gives the content.
fn verified(message: &[u8]) -> Vec<u8> {
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(x509(&WORLD.root.certificate)).unwrap();
    let mut parameters = X509VerifyParam::new().unwrap();
    parameters.set_time(now().timestamp());
    store.set_param(&parameters).unwrap();
    let mut others = Stack::new().unwrap();
    others.push(x509(&WORLD.ca.certificate)).unwrap();
    let mut content = Vec::new();
    let mut cms = CmsContentInfo::from_der(message).unwrap();
    cms.verify(
        Some(&others),
        Some(&store.build()),
        None,
        Some(&mut content),
        CMSOptions::BINARY,
    )
    .unwrap();
    content
}

#[test]
fn openssl_verifies_and_decrypts_a_success_reply() {
    let (csr, request) = WORLD.pkcs_req();
    let opened = open(request.message(), CryptoMode::Modern)
        .map_err(|_| "refused")
        .unwrap();
    let leaf = WORLD.certify("O=Test, CN=device-1", csr.public_key());
    let certificates = [
        leaf.clone(),
        WORLD.ca.certificate.clone(),
        WORLD.root.certificate.clone(),
    ];
    let answer = Answer::Success {
        certificates: &certificates,
    };
    let reply =
        scep::cert_rep(&opened.reply, &answer, &WORLD.ra, CryptoMode::Modern, now()).unwrap();

    let envelope = verified(&reply);
    let device =
        PKey::private_key_from_pem(WORLD.device.key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    let inner = CmsContentInfo::from_der(&envelope)
        .unwrap()
        .decrypt(&device, &x509(&WORLD.device.certificate))
        .unwrap();
    let pkcs7 = Pkcs7::from_der(&inner).unwrap();
    let found: Vec<Vec<u8>> = pkcs7
        .signed()
        .unwrap()
        .certificates()
        .unwrap()
        .iter()
        .map(|c| c.to_der().unwrap())
        .collect();
    let expected: Vec<Vec<u8>> = certificates.iter().map(|c| c.der().to_vec()).collect();
    assert_eq!(found, expected, "the leaf comes first");
}

#[test]
fn openssl_verifies_pending_and_failure() {
    let (_, request) = WORLD.pkcs_req();
    let opened = open(request.message(), CryptoMode::Modern)
        .map_err(|_| "refused")
        .unwrap();
    for answer in [
        Answer::Pending,
        Answer::Failure {
            fail_info: FailInfo::BadRequest,
            text: "no",
        },
    ] {
        let reply =
            scep::cert_rep(&opened.reply, &answer, &WORLD.ra, CryptoMode::Modern, now()).unwrap();
        assert_eq!(verified(&reply), b"");
    }
}

#[test]
fn openssl_reads_ca_certificates() {
    let chain = [WORLD.ca.certificate.clone(), WORLD.root.certificate.clone()];
    let (_, body) = ca_cert_body(&[&WORLD.ra.certificate], &chain).unwrap();
    let pkcs7 = Pkcs7::from_der(&body).unwrap();
    let found: Vec<Vec<u8>> = pkcs7
        .signed()
        .unwrap()
        .certificates()
        .unwrap()
        .iter()
        .map(|c| c.to_der().unwrap())
        .collect();
    assert_eq!(found[0], WORLD.ra.certificate.der());
    assert_eq!(found.len(), 3);

    let next = next_ca_body(&WORLD.ca.certificate, &WORLD.ca.key, &chain[1..]).unwrap();
    let mut cms = CmsContentInfo::from_der(&next).unwrap();
    let mut content = Vec::new();
    let flags = CMSOptions::BINARY | CMSOptions::NO_SIGNER_CERT_VERIFY;
    cms.verify(None, None, None, Some(&mut content), flags)
        .unwrap();
    let inner = Pkcs7::from_der(&content).unwrap();
    let inner = inner
        .signed()
        .unwrap()
        .certificates()
        .unwrap()
        .iter()
        .map(|c| c.to_der().unwrap())
        .collect::<Vec<_>>();
    assert_eq!(inner, [WORLD.root.certificate.der()]);
}

#[test]
fn the_shape_that_clients_insist_on() {
    let (_, request) = WORLD.pkcs_req();
    let opened = open(request.message(), CryptoMode::Modern)
        .map_err(|_| "refused")
        .unwrap();
    let answer = Answer::Failure {
        fail_info: FailInfo::BadRequest,
        text: "no",
    };
    let reply =
        scep::cert_rep(&opened.reply, &answer, &WORLD.ra, CryptoMode::Modern, now()).unwrap();
    let signed = Signed::parse(&reply).unwrap();
    assert_eq!(signed.content_type(), oid::DATA);
    assert_eq!(
        signed.certificates(),
        std::slice::from_ref(&WORLD.ra.certificate)
    );

    let types: Vec<(&str, u8)> = signed
        .attributes()
        .iter()
        .map(|attribute| {
            (
                attribute.oid.as_str(),
                Tlv::parse(&attribute.values[0], "test").unwrap().tag,
            )
        })
        .collect();
    let tag_of = |oid: &str| {
        types
            .iter()
            .find(|(known, _)| *known == oid)
            .map(|(_, tag)| *tag)
    };
    for oid in [
        oid::SCEP_MESSAGE_TYPE,
        oid::SCEP_PKI_STATUS,
        oid::SCEP_FAIL_INFO,
        oid::SCEP_TRANSACTION_ID,
    ] {
        assert_eq!(tag_of(oid), Some(tag::PRINTABLE_STRING), "{oid}");
    }
    for oid in [oid::SCEP_SENDER_NONCE, oid::SCEP_RECIPIENT_NONCE] {
        assert_eq!(tag_of(oid), Some(tag::OCTET_STRING), "{oid}");
    }
    assert_eq!(tag_of(oid::SCEP_FAIL_INFO_TEXT), Some(tag::UTF8_STRING));
    assert_eq!(tag_of(oid::SIGNING_TIME), Some(tag::UTC_TIME));
    let time = signed.attribute(oid::SIGNING_TIME).unwrap();
    let time = pki::der::parse_time(&Tlv::parse(time, "test").unwrap()).unwrap();
    assert_eq!(time, now());
    assert_eq!(types.len(), 10, "{types:?}");
    let nonce = signed.attribute(oid::SCEP_SENDER_NONCE).unwrap();
    assert_eq!(nonce.len(), 2 + 16);

    // rsaEncryption with NULL stands right before the signature.
    let algorithm = crate::forge::algorithm(oid::RSA_ENCRYPTION, &pki::der::null());
    let at = reply.len() - 256 - 4 - algorithm.len();
    assert_eq!(&reply[at..at + algorithm.len()], algorithm);
    // In DER: what is read and written again is the same.
    assert_eq!(
        pki::ber::to_der(&reply, &pki::ber::Limits::default()).unwrap(),
        reply
    );
}
