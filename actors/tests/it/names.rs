//! Names as clients spell them: the RA for the CA, names turned round, sets in any order.

use crate::device::{Device, ask, issued, words};
use crate::test_env::{CHALLENGE, Running, TestEnv};
use pki::{Certificate, Csr, Name, Serial, SubjectAltNames, der, oid};
use scep::client::{Content, Reply, Request, RequestBuilder};

fn turned(name: &Name) -> Name {
    let text = name.to_string();
    let mut parts: Vec<&str> = text.split(", ").collect();
    parts.reverse();
    Name::parse(&parts.join(", ")).unwrap()
}

async fn asked(env: &TestEnv, running: &Running, device: &Device, content: Content<'_>) -> Reply {
    let request = device.request(env, content);
    ask(env, running, "corp", &request).await
}

#[actix::test]
async fn the_crl_is_had_under_the_ras_name_where_the_serial_number_fits() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let certificate = device.enroll(&env, &running, "corp").await;
    let (ca, ra) = (env.issuer_name(), env.ra.certificate.subject().clone());
    let own_serial = env.ra.certificate.serial();
    let unknown = Serial::random().unwrap();
    for (issuer, serial, fits) in [
        (&ca, &unknown, true),
        (&turned(&ca), &unknown, true),
        // As sscep asks: the RA's own number under its own name.
        (&ra, own_serial, true),
        (&turned(&ra), own_serial, true),
        (&ra, certificate.serial(), true),
        (&ra, &unknown, false),
        (&Name::parse("CN=Another CA").unwrap(), own_serial, false),
    ] {
        let content = Content::GetCrl { issuer, serial };
        let reply = asked(&env, &running, &device, content).await;
        assert_eq!(
            matches!(reply, Reply::Crl(_)),
            fits,
            "{issuer}: {}",
            words(&reply)
        );
    }
}

#[actix::test]
async fn a_certificate_is_had_under_the_ras_name_and_names_turned_round() {
    let env = TestEnv::new();
    let mut spec = env.spec("corp");
    spec.open_get_cert = true;
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let certificate = device.enroll(&env, &running, "corp").await;
    let (ca, ra) = (env.issuer_name(), env.ra.certificate.subject().clone());
    for issuer in [&ca, &turned(&ca), &ra, &turned(&ra)] {
        let serial = certificate.serial();
        let content = Content::GetCert { issuer, serial };
        let reply = asked(&env, &running, &device, content).await;
        assert_eq!(issued(reply), certificate, "{issuer}");
        let serial = &Serial::random().unwrap();
        let content = Content::GetCert { issuer, serial };
        let reply = words(&asked(&env, &running, &device, content).await);
        assert!(reply.starts_with("FAILURE badCertId"), "{issuer}: {reply}");
    }
}

/// A CSR of the device under another subject.
fn csr(device: &Device, subject: &Name, challenge: Option<&str>) -> Csr {
    let none = SubjectAltNames::default();
    Csr::build(subject, &none, challenge, &[], &device.key).unwrap()
}

fn renewal(env: &TestEnv, device: &Device, old: &Certificate, subject: &Name) -> Request {
    let csr = csr(device, subject, None);
    let recipients = [&env.ra.certificate];
    RequestBuilder::new(Content::RenewalReq(&csr), (old, &device.key), &recipients)
        .build()
        .unwrap()
}

#[actix::test]
async fn what_enrolled_renews_with_the_same_names() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let attribute = |dotted, value: Vec<u8>| der::seq(&[&der::oid(dotted).unwrap(), &value]);
    let unit = attribute(oid::ORGANIZATIONAL_UNIT, der::utf8_string("Unit"));
    let common = attribute(oid::COMMON_NAME, der::utf8_string("box"));
    let number = attribute(oid::COMMON_NAME, der::ia5_string("#4711"));
    for rdn in [
        // Not in the order that DER has for a set.
        der::set_in_order(&[&unit, &common]),
        der::set_in_order(&[&number]),
    ] {
        let device = Device::new(&env, "laptop-1");
        let subject = Name::from_der(&der::seq(&[&rdn])).unwrap();
        let csr = csr(&device, &subject, Some(CHALLENGE));
        let old = issued(asked(&env, &running, &device, Content::PkcsReq(&csr)).await);
        let request = renewal(&env, &device, &old, &subject);
        let new = issued(ask(&env, &running, "corp", &request).await);
        assert_eq!(new.subject(), old.subject());
        assert_ne!(new.serial(), old.serial());
    }
}

#[actix::test]
async fn a_renewal_with_the_name_turned_round_is_of_the_same_device() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let old = device.enroll(&env, &running, "corp").await;
    let request = renewal(&env, &device, &old, &turned(old.subject()));
    let new = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(
        new.subject(),
        old.subject(),
        "in the order that it had before"
    );
    let other = Name::parse("O=scepd, CN=laptop-2").unwrap();
    let request = renewal(&env, &device, &old, &other);
    let reply = words(&ask(&env, &running, "corp", &request).await);
    assert!(reply.starts_with("FAILURE badRequest"), "{reply}");
}
