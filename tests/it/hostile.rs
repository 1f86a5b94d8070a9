//! Devices that want more than they may have, over HTTP.

use actors::Revocation;
use chrono::Duration;
use pki::cms::{Signed, SignedParts};
use pki::{
    Certificate, CertificateBuilder, Csr, Curve, Digest, Extension, KeyKind, KeyUsage, Name,
    PrivateKey, RevocationReason, Serial, SubjectAltNames, der, oid,
};
use scep::FailInfo;
use scep::client::{Content, peek_fail_info, self_signed};
use store::{Outcome, StoredEvent};

use crate::device::{Device, issued, refused};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, Running, TestEnv};

const SID_EXTENSION: &str = "1.3.6.1.4.1.311.25.2";

/// RSA with 1024 bits, which nothing here makes; of no use but to be refused.
const WEAK_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBANz16BJInRl+fMrS
/CYFSqICvJK111AYxrZeEqROrnLxjgCH8ALh7Ds8VBGi2F0ZF7xdbphKmQ9PiAef
IuAtKUBSf1gppZRkI+BHB8lLUoL9+K3tYIP4Irk4Oj1GvsHukK1INf6TIqLqobgF
SrqLqTvBTwlFM0bzH8ljwEptaTchAgMBAAECgYB4sAf2FJtaVXAsCFmZGsLNAtmk
+JWGNkIzUea0wBUgyzdYquc5a9Tv9d+lUmEDWLVSOWYy4GwBpNsT7qPJ9mDUsMx8
SbHOQTGvzvlXQhZ3YrzNwYF4ICaKgBRe4HybzegnFAzoV/y6914pog4Etn6ha0kG
q5BLvXDr175HG28mkQJBAP7Nw+w3zwx43S8wOmPJlaVwZ+ds2APS8291ftCkxO1A
ebfSg86JFrFStUJAHs0Ll92kugBl6vmxUDkn6iLNqxMCQQDd/3eIMPt5I1pH+ocv
S97Gx9VwoZZ844j6AityNvbzfyNBv9GVGvFRlmfTx1z6aH1mWeH1e86WnqqJWoIm
O4d7AkEAoKxD9Xqjtyun3g+9YhtFoBMnkglSlea51vjyRMMB4tGbb0zyDJTpmFud
LO+d/JJo6zzqhUG/UEB9Y+1FeTjTvQJAbAv/iGiWrGHZefjkPM/HcKYoKvZqgQRZ
UZ0muiMoVGDHryOGBPUlCJmUlQ2OIk4i4mLSyCDm7oXw6IMFn0gP6wJBAJJY3oOa
X/+748O1fJYSVeV55UuFSTB3vzdc6vGUNRoHqG+J3SnYXIZ/pvII5IrzuPVZT07J
O0aE/V8JapwqXQs=
-----END PRIVATE KEY-----
";

async fn device(server: &Running, path_id: &str) -> Device {
    Device::at(server.http(path_id), server.client(), device_key()).await
}

fn certificates(server: &Running) -> u64 {
    let store = &server.server.runtime().services.store;
    store.sizes().unwrap().certificates
}

/// The newest enrollment event, whatever kind.
fn newest(server: &Running) -> StoredEvent {
    let events = ["scep_pkcsreq", "scep_renewalreq"].map(|action| server.events(action));
    let all = events.into_iter().flatten();
    all.max_by_key(|event| event.id).unwrap()
}

/// The reason in the newest event, which is a failure.
fn reason(server: &Running) -> String {
    let details = newest(server).event.details;
    assert_eq!(details.outcome, Some(Outcome::Failure));
    details.reason.unwrap()
}

fn csr(name: &str, sans: &str, challenge: Option<&str>, key: &PrivateKey) -> Csr {
    let subject = Name::parse(&format!("O=Example, CN={name}")).unwrap();
    let sans = SubjectAltNames::parse(sans).unwrap();
    Csr::build(&subject, &sans, challenge, &[], key).unwrap()
}

/// The same device, signing with this certificate.
fn signing_with(device: &Device, signer: &Certificate) -> Device {
    Device {
        signer: signer.clone(),
        ..device.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_are_for_holders_under_their_own_name() {
    let server = TestEnv::with_ca(KeyKind::Rsa { bits: 2048 })
        .with("[[certificate_profile]]\nid = 'device'\nmax_ttl = '10d'")
        .profile("corp", "")
        .profile("iot", "")
        .start()
        .await;
    let fresh = device(&server, "corp").await;
    let own = fresh.enroll().await;
    let holder = signing_with(&fresh, &own);
    let good = holder.csr(None);
    let foreign_profile = signing_with(&fresh, &device(&server, "iot").await.enroll().await);
    let now = chrono::Utc::now();

    // Made by the CA, but not for a device.
    let local = &server.env.local;
    let ra = issuer::RaCertifier::certify_ra(local, fresh.key.public_key(), "corp", now).unwrap();
    // Everything as in the device's own certificate, but another's signature.
    let forger = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let forged = CertificateBuilder {
        subject: own.subject().clone(),
        issuer: own.issuer().clone(),
        serial: own.serial().clone(),
        not_before: own.not_before(),
        not_after: own.not_after(),
        public_key: own.public_key().clone(),
        extensions: own.extensions().to_vec(),
    };
    let forged = forged
        .sign(&forger, &forger.scheme(Digest::Sha256).unwrap())
        .unwrap();
    let ca = Device {
        key: server.env.ca_key.clone(),
        signer: server.env.ca.clone(),
        ..fresh.clone()
    };
    let mut abuses = vec![
        (fresh.clone(), good.clone(), "renewal_foreign"),
        (
            signing_with(&fresh, &forged),
            good.clone(),
            "renewal_foreign",
        ),
        (ca, good.clone(), "renewal_foreign"),
        (signing_with(&fresh, &ra), good.clone(), "renewal_unknown"),
        (foreign_profile, good.clone(), "renewal_foreign_profile"),
    ];
    for (name, sans) in [
        ("admin", "dns:box-4.example.org"),
        ("box-4, CN=admin", "dns:box-4.example.org"),
        ("box-4", ""),
        ("box-4", "dns:admin.example.org"),
        ("box-4", "dns:box-4.example.org,dns:admin.example.org"),
        ("box-4", "dns:box-4.example.org,email:admin@example.org"),
    ] {
        let other = csr(name, sans, None, &fresh.key);
        abuses.push((holder.clone(), other, "renewal_names"));
    }
    let issued_before = certificates(&server);
    for (who, csr, expected) in &abuses {
        let words = format!("{expected} {} [{}]", csr.subject(), csr.sans());
        let (fail_info, text) = refused(who.post(&who.request(Content::RenewalReq(csr))).await);
        assert_eq!(fail_info, FailInfo::BadRequest, "{words}: {text}");
        assert_eq!(&reason(&server), expected, "{words}");
        // As PKCSReq the same certificate opens nothing either, without a challenge.
        let (fail_info, text) = refused(who.post(&who.request(Content::PkcsReq(csr))).await);
        assert_eq!(fail_info, FailInfo::BadRequest, "{words}: {text}");
    }
    assert_eq!(certificates(&server), issued_before);

    // With both kinds of message and a new key it works for the one it was issued to.
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let rekeyed = csr("box-4", "dns:box-4.example.org", None, &key);
    issued(
        holder
            .post(&holder.request(Content::RenewalReq(&rekeyed)))
            .await,
    );
    let renewed = issued(holder.post(&holder.request(Content::PkcsReq(&good))).await);

    let order = Revocation {
        ca: store::CaId::of_issuer(&own).unwrap(),
        serial: own.serial().clone(),
        reason: RevocationReason::KeyCompromise,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "1".to_owned(),
    };
    let services = &server.server.runtime().services;
    actors::revoke(services, order).await.unwrap();
    refused(
        holder
            .post(&holder.request(Content::RenewalReq(&good)))
            .await,
    );
    assert_eq!(reason(&server), "renewal_revoked");
    let renewed = signing_with(&fresh, &renewed);
    server.env.clock.advance(Duration::days(11));
    refused(
        renewed
            .post(&renewed.request(Content::RenewalReq(&good)))
            .await,
    );
    assert_eq!(reason(&server), "renewal_expired");
    assert_eq!(certificates(&server), issued_before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policy_does_not_allow_is_refused_by_name() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = device(&server, "corp").await;
    let subject = Name::parse("O=Example, CN=box-4").unwrap();
    let unknown = Extension {
        oid: "1.3.6.1.4.1.55555.9".to_owned(),
        critical: true,
        value: der::null(),
    };
    let eku = |purpose: &str| Extension::ext_key_usage(&[purpose]).unwrap();
    let extensions = [
        (
            Extension::basic_constraints(true, None),
            "policy_ca",
            "CA:TRUE",
        ),
        (
            Extension::basic_constraints(true, Some(0)),
            "policy_ca",
            "CA:TRUE",
        ),
        (
            Extension::key_usage(KeyUsage::KEY_CERT_SIGN),
            "policy_key_usage",
            "",
        ),
        (eku("1.3.6.1.5.5.7.3.3"), "policy_eku", ""),
        (eku("1.3.6.1.5.5.7.3.1"), "policy_eku", ""),
        // anyExtendedKeyUsage, smart card logon.
        (eku("2.5.29.37.0"), "policy_eku", ""),
        (eku("1.3.6.1.4.1.311.20.2.2"), "policy_eku", ""),
        (unknown, "policy_extension", "1.3.6.1.4.1.55555.9"),
    ];
    for (extension, rule, named) in extensions {
        let words = format!("{} {rule}", extension.oid);
        let sans = SubjectAltNames::default();
        let csr = Csr::build(&subject, &sans, Some(CHALLENGE), &[extension], &device.key).unwrap();
        let reply = device.post(&device.request(Content::PkcsReq(&csr))).await;
        let (fail_info, text) = refused(reply);
        assert_eq!(fail_info, FailInfo::BadRequest, "{words}: {text}");
        assert!(text.contains(named), "{words}: {text}");
        assert_eq!(reason(&server), rule, "{words}");
    }
    for sans in [
        "upn:admin@corp.example.org",
        "dns:*.example.org",
        "uri:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500",
        "uri:TAG:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500",
    ] {
        let csr = csr("box-4", sans, Some(CHALLENGE), &device.key);
        let reply = device.post(&device.request(Content::PkcsReq(&csr))).await;
        assert_eq!(refused(reply).0, FailInfo::BadRequest, "{sans}");
        assert_eq!(reason(&server), "policy_san", "{sans}");
    }
    let weak = PrivateKey::from_pem(WEAK_KEY.as_bytes()).unwrap();
    let csr = csr("box-4", "", Some(CHALLENGE), &weak);
    let (fail_info, text) = refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
    assert_eq!(fail_info, FailInfo::BadAlg, "{text}");
    assert!(text.contains("1024"), "{text}");
    assert_eq!(reason(&server), "policy_key");
    assert_eq!(certificates(&server), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sid_extension_is_dropped_and_said_so() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = device(&server, "corp").await;
    let subject = Name::parse("O=Example, CN=box-4").unwrap();
    for critical in [false, true] {
        let sid = Extension {
            oid: SID_EXTENSION.to_owned(),
            critical,
            value: der::seq(&[&der::octet_string(b"S-1-5-21-1-2-3-500")]),
        };
        let sans = SubjectAltNames::default();
        let csr = Csr::build(&subject, &sans, Some(CHALLENGE), &[sid], &device.key).unwrap();
        let certificate = issued(device.post(&device.request(Content::PkcsReq(&csr))).await);
        let der = certificate.der();
        assert!(!der.windows(8).any(|window| window == b"S-1-5-21"));
        let oids = certificate.extensions().iter().map(|e| e.oid.as_str());
        assert!(oids.into_iter().all(|oid| oid != SID_EXTENSION));
        assert!(!certificate.is_ca());
        let note = newest(&server).event.details.note.unwrap();
        assert!(note.contains(SID_EXTENSION), "{note}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_no_reply_can_be_encrypted_to_gets_nothing_issued() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let mut device = device(&server, "corp").await;
    let rsa = device.key.clone();
    for kind in [KeyKind::Ec(Curve::P256), KeyKind::Ec(Curve::P384)] {
        device.key = PrivateKey::generate(kind).unwrap();
        let subject = Name::parse("O=Example, CN=box-4").unwrap();
        device.signer = self_signed(&subject, &device.key, chrono::Utc::now()).unwrap();
        for key in [&device.key, &rsa] {
            let csr = csr("box-4", "", Some(CHALLENGE), key);
            let request = device.request(Content::PkcsReq(&csr));
            let (fail_info, text) = refused(device.post(&request).await);
            assert_eq!(fail_info, FailInfo::BadAlg);
            assert!(text.contains("RSA"), "{text}");
            assert_eq!(reason(&server), "badAlg");
        }
    }
    let sizes = server.server.runtime().services.store.sizes().unwrap();
    assert_eq!((sizes.certificates, sizes.transactions), (0, 0));
}

/// Posts octets that no builder makes; the failInfo of the reply.
async fn fail_info_of(device: &Device, message: Vec<u8>) -> Option<FailInfo> {
    let sent = device.http.post(&device.url).body(message);
    let reply = sent.send().await.unwrap();
    assert_eq!(reply.status(), 200);
    peek_fail_info(&reply.bytes().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_in_somebody_elses_message() {
    let server = TestEnv::new()
        .profile("corp", "require_signer_key_match = true")
        .start()
        .await;
    let device = device(&server, "corp").await;
    let envelope = |message: &[u8]| Signed::parse(message).unwrap().content().unwrap().to_vec();
    // Equally long, so that only the octets of the envelope change.
    let victim = device.request(Content::PkcsReq(&device.csr(Some(CHALLENGE))));
    let poor = device.request(Content::PkcsReq(&device.csr(Some("open-sesame-0000"))));
    let (rich, without) = (envelope(victim.message()), envelope(poor.message()));
    assert_eq!(rich.len(), without.len());
    let message = poor.message();
    let at = message
        .windows(without.len())
        .position(|window| window == without)
        .unwrap();
    let mut swapped = message.to_vec();
    swapped[at..at + rich.len()].copy_from_slice(&rich);
    let answer = fail_info_of(&device, swapped).await;
    assert_eq!(answer, Some(FailInfo::BadMessageCheck));

    // Taken from the wire and signed anew: whoever signs would be answered.
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let subject = Name::parse("CN=mallory").unwrap();
    let mallory = self_signed(&subject, &key, chrono::Utc::now()).unwrap();
    let attributes = [
        (oid::SCEP_MESSAGE_TYPE, der::printable_string("19")),
        (oid::SCEP_TRANSACTION_ID, der::printable_string("1")),
        (oid::SCEP_SENDER_NONCE, der::octet_string(&[1; 16])),
    ];
    let signed_anew = Signed::build(&SignedParts {
        content_type: oid::DATA,
        content: Some(&rich),
        certificates: &[&mallory],
        signer: (&mallory, &key),
        digest: Digest::Sha256,
        attributes: &attributes,
        rsa_encryption_oid: true,
    })
    .unwrap();
    let answer = fail_info_of(&device, signed_anew).await;
    assert_eq!(answer, Some(FailInfo::BadRequest));
    assert_eq!(reason(&server), "signer_key");
    assert_eq!(certificates(&server), 0);
    // The message itself is still good.
    issued(device.post(&victim).await);
}

/// A subject whose common name is this text, whatever is in it.
fn subject(common_name: &str) -> Name {
    let attribute = der::seq(&[
        &der::oid("2.5.4.3").unwrap(),
        &der::utf8_string(common_name),
    ]);
    Name::from_der(&der::seq(&[&der::set_of(vec![attribute])])).unwrap()
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// The words of the newest event are safe to print, and so is what its device was told.
fn assert_plain(server: &Running, text: &str, case: &str) {
    let message = newest(server).event.details.message.unwrap();
    assert!(is_plain(&message), "{case}: {message:?}");
    assert!(is_plain(text), "{case}: {text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_would_forge_lines_or_deceive_readers() {
    // Where the profile does not allow them, names that deceive are refused as the others are.
    let allowed = "[[certificate_profile]]\nid = 'device'\nallow_invisible_characters = true";
    let server = TestEnv::new()
        .with(allowed)
        .profile("corp", "")
        .start()
        .await;
    let fresh = device(&server, "corp").await;
    let holder = signing_with(&fresh, &fresh.enroll().await);
    let mut count = certificates(&server);
    let hostile = [
        "box-4\r\n2026-01-01 INFO all is well",
        "box-4\0.evil.example",
        "box\u{1b}[2J-4",
        "box-4\u{85}next",
        "box-4\u{202e}gro.elpmaxe",
        "\u{2066}box-4\u{2069}",
    ];
    for name in hostile {
        let case = format!("{name:?}");
        let sans = SubjectAltNames::default();
        let built = Csr::build(&subject(name), &sans, Some(CHALLENGE), &[], &fresh.key).unwrap();
        let reply = fresh.post(&fresh.request(Content::PkcsReq(&built))).await;
        if name.chars().any(char::is_control) {
            let (fail_info, text) = refused(reply);
            assert_eq!(fail_info, FailInfo::BadRequest, "{case}");
            assert_eq!(reason(&server), "policy_subject", "{case}");
            assert_plain(&server, &text, &case);
        } else {
            // Names in scripts of any direction are names; who shows them keeps them apart from the rest.
            let certificate = issued(reply);
            assert_eq!(certificate.subject().der(), built.subject().der(), "{case}");
            assert!(is_plain(&newest(&server).event.details.message.unwrap()));
            count += 1;
        }
        let reply = holder
            .post(&holder.request(Content::RenewalReq(&built)))
            .await;
        let (_, text) = refused(reply);
        assert_eq!(reason(&server), "renewal_names", "{case}");
        assert_plain(&server, &text, &case);

        // As a signer: its subject is what the events of unreadable requests name.
        let named = Device {
            signer: self_signed(&subject(name), &fresh.key, chrono::Utc::now()).unwrap(),
            ..fresh.clone()
        };
        let nobody = Serial::random().unwrap();
        let query = Content::GetCert {
            issuer: fresh.signer.issuer(),
            serial: &nobody,
        };
        assert_eq!(
            refused(named.post(&named.request(query)).await).0,
            FailInfo::BadCertId
        );

        let names = SubjectAltNames {
            dns: vec![name.to_owned()],
            ..SubjectAltNames::default()
        };
        let subject = Name::parse("O=Example, CN=box-4").unwrap();
        // What is not ASCII fits no dNSName.
        let Ok(built) = Csr::build(&subject, &names, Some(CHALLENGE), &[], &fresh.key) else {
            continue;
        };
        let (_, text) = refused(fresh.post(&fresh.request(Content::PkcsReq(&built))).await);
        assert_eq!(reason(&server), "policy_san", "{case}");
        assert_plain(&server, &text, &case);
        let (_, text) = refused(
            holder
                .post(&holder.request(Content::RenewalReq(&built)))
                .await,
        );
        assert_eq!(reason(&server), "renewal_names", "{case}");
        assert_plain(&server, &text, &case);
    }
    assert_eq!(certificates(&server), count);
}
