use chrono::{TimeDelta, Timelike};
use ocsp::{Answer, CertId, Refusal, Status};
use openssl::hash::MessageDigest;
use openssl::ocsp::{OcspCertId, OcspCertStatus, OcspFlag, OcspResponse, OcspRevokedStatus};
use openssl::stack::Stack;
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use pki::{Certificate, Digest, RevocationReason, der};
use rasn_ocsp::{BasicOcspResponse, CertStatus, OcspResponseStatus, ResponderId};

use crate::{Ca, now};

fn x509(certificate: &Certificate) -> X509 {
    X509::from_der(certificate.der()).unwrap()
}

fn rasn_basic(response: &[u8]) -> BasicOcspResponse {
    let response: rasn_ocsp::OcspResponse = rasn::der::decode(response).unwrap();
    assert_eq!(response.status, OcspResponseStatus::Successful);
    rasn::der::decode(&response.bytes.unwrap().response).unwrap()
}

#[test]
fn openssl_believes_each_status() {
    let ca = Ca::new("CN=One");
    let responder = ca.responder();
    let subject = responder.certificate().clone();
    let at = now() - TimeDelta::minutes(3);
    for (status, expected) in [
        (Status::Good, (OcspCertStatus::GOOD, None)),
        (Status::Unknown, (OcspCertStatus::UNKNOWN, None)),
        (
            Status::Revoked {
                at,
                reason: Some(RevocationReason::KeyCompromise),
            },
            (
                OcspCertStatus::REVOKED,
                Some(OcspRevokedStatus::KEY_COMPROMISE),
            ),
        ),
        (
            Status::Revoked {
                at,
                reason: Some(RevocationReason::CertificateHold),
            },
            (
                OcspCertStatus::REVOKED,
                Some(OcspRevokedStatus::STATUS_CERTIFICATE_HOLD),
            ),
        ),
        (
            Status::Revoked {
                at,
                reason: Some(RevocationReason::Unspecified),
            },
            (OcspCertStatus::REVOKED, Some(OcspRevokedStatus::NO_STATUS)),
        ),
    ] {
        for digest in [Digest::Sha1, Digest::Sha256] {
            let id = CertId::new(digest, &ca.certificate, subject.serial());
            let answer = Answer {
                id: &id,
                status,
                this_update: now() - TimeDelta::minutes(5),
                next_update: now() + TimeDelta::hours(12),
            };
            let signed = responder.sign(&[answer], now(), None).unwrap();
            let basic = OcspResponse::from_der(&signed).unwrap().basic().unwrap();
            let mut trusted = X509StoreBuilder::new().unwrap();
            trusted.add_cert(x509(&ca.certificate)).unwrap();
            let none = Stack::new().unwrap();
            basic
                .verify(&none, &trusted.build(), OcspFlag::empty())
                .unwrap();
            let message_digest = match digest {
                Digest::Sha1 => MessageDigest::sha1(),
                _ => MessageDigest::sha256(),
            };
            let asked =
                OcspCertId::from_cert(message_digest, &x509(&subject), &x509(&ca.certificate));
            let found = basic.find_status(&asked.unwrap()).unwrap();
            found.check_validity(300, None).unwrap();
            assert_eq!(found.status, expected.0);
            if let Some(reason) = expected.1 {
                assert_eq!(found.reason, reason);
                assert!(found.revocation_time.is_some());
            }
        }
    }
}

#[test]
fn an_answer_is_signed_by_nobody_else() {
    let (ca, other) = (Ca::new("CN=One"), Ca::new("CN=One"));
    let responder = other.responder();
    let id = CertId::new(
        Digest::Sha1,
        &ca.certificate,
        responder.certificate().serial(),
    );
    let answer = Answer {
        id: &id,
        status: Status::Good,
        this_update: now(),
        next_update: now() + TimeDelta::hours(1),
    };
    let signed = responder.sign(&[answer], now(), None).unwrap();
    let basic = OcspResponse::from_der(&signed).unwrap().basic().unwrap();
    let mut trusted = X509StoreBuilder::new().unwrap();
    trusted.add_cert(x509(&ca.certificate)).unwrap();
    let none = Stack::new().unwrap();
    assert!(
        basic
            .verify(&none, &trusted.build(), OcspFlag::empty())
            .is_err()
    );
    let stranger = ca.responder();
    let key = pki::PrivateKey::generate(pki::KeyKind::Ec(pki::Curve::P256)).unwrap();
    assert!(ocsp::Responder::new(stranger.certificate().clone(), key).is_err());
}

#[test]
fn rasn_reads_what_is_written_and_writes_the_same() {
    let ca = Ca::new("CN=One");
    let responder = ca.responder();
    let ids = [1_u8, 2, 3]
        .map(|serial| CertId::new(Digest::Sha256, &ca.certificate, &pki::Serial::new([serial])));
    let produced = now().with_nanosecond(700_000_000).unwrap();
    let answers: Vec<Answer<'_>> = ids
        .iter()
        .zip([
            Status::Good,
            Status::Revoked {
                at: now(),
                reason: Some(RevocationReason::Superseded),
            },
            Status::Unknown,
        ])
        .map(|(id, status)| Answer {
            id,
            status,
            this_update: now(),
            next_update: now() + TimeDelta::hours(1),
        })
        .collect();
    let nonce = der::octet_string(&[9; 32]);
    let signed = responder.sign(&answers, produced, Some(&nonce)).unwrap();
    let outer: rasn_ocsp::OcspResponse = rasn::der::decode(&signed).unwrap();
    assert_eq!(rasn::der::encode(&outer).unwrap(), signed);
    let basic = rasn_basic(&signed);
    let data = &basic.tbs_response_data;
    assert_eq!(data.produced_at, now());
    assert_eq!(
        data.responder_id,
        ResponderId::ByKey(
            responder
                .certificate()
                .public_key()
                .key_id()
                .to_vec()
                .into()
        )
    );
    let statuses: Vec<&CertStatus> = data.responses.iter().map(|one| &one.cert_status).collect();
    assert!(matches!(
        statuses.as_slice(),
        [
            CertStatus::Good,
            CertStatus::Revoked(_),
            CertStatus::Unknown(())
        ]
    ));
    for (one, id) in data.responses.iter().zip(&ids) {
        assert_eq!(rasn::der::encode(&one.cert_id).unwrap(), id.der);
    }
    let extensions = data.response_extensions.as_ref().unwrap();
    assert_eq!(extensions.len(), 1);
    assert_eq!(extensions[0].extn_value.as_ref(), nonce);
    // What is signed is what rasn writes of it, fields with defaults left out.
    assert_eq!(rasn::der::encode(data).unwrap(), signed_data(&outer));
    assert_eq!(basic.certs.unwrap().len(), 1);
}

/// The ResponseData as it stands in the response.
fn signed_data(response: &rasn_ocsp::OcspResponse) -> Vec<u8> {
    let octets = &response.bytes.as_ref().unwrap().response;
    let mut outer = der::Reader::new(octets, "BasicOCSPResponse");
    let mut parts = outer.sequence().unwrap();
    parts.element().unwrap().raw.to_vec()
}

#[test]
fn refusals_are_five_octets_that_others_read() {
    for (refusal, status) in [
        (
            Refusal::MalformedRequest,
            OcspResponseStatus::MalformedRequest,
        ),
        (Refusal::InternalError, OcspResponseStatus::InternalError),
        (Refusal::TryLater, OcspResponseStatus::TryLater),
        (Refusal::Unauthorized, OcspResponseStatus::Unauthorized),
    ] {
        let response: rasn_ocsp::OcspResponse = rasn::der::decode(&refusal.der()).unwrap();
        assert_eq!((response.status, response.bytes), (status, None));
        assert!(OcspResponse::from_der(&refusal.der()).is_ok());
    }
}
