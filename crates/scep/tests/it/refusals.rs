//! What is refused, with what number, and what is not even answered.

use pki::{Digest, SignatureScheme, der, oid};
use scep::{Answer, CryptoMode, Error, FailInfo, OpenError};

use crate::forge::{Envelope, Forge, algorithm};
use crate::test_env::{WORLD, failure, now, open, own, refused, rsa};

fn right() -> Forge<'static> {
    let csr = WORLD.csr(Some("s3cret"));
    Forge::new(Some(Envelope::new(csr.der()).build()))
}

fn expect(name: &str, forge: &Forge<'_>, fail_info: FailInfo, verified: bool) {
    expect_in(CryptoMode::Compatible, name, forge, fail_info, verified);
}

fn expect_in(mode: CryptoMode, name: &str, forge: &Forge<'_>, fail_info: FailInfo, verified: bool) {
    let got = refused(&forge.build(), mode);
    assert_eq!(
        (got.fail_info, got.verified),
        (fail_info, verified),
        "{name}: {} ({})",
        got.text,
        got.detail
    );
    // And it can be answered.
    let reply = failure(&got, mode);
    assert_eq!(
        scep::client::peek_fail_info(&reply),
        Some(fail_info),
        "{name}"
    );
}

#[test]
fn the_forge_makes_good_messages() {
    assert!(open(&right().build(), CryptoMode::Modern).is_ok());
}

#[test]
fn signatures_that_do_not_hold() {
    let other = WORLD.csr(Some("other"));
    let swapped = Envelope::new(other.der()).build();
    let plain = right();
    let check = FailInfo::BadMessageCheck;
    expect(
        "a changed signature",
        &Forge {
            break_signature: true,
            ..plain.clone()
        },
        check,
        false,
    );
    let digested = plain.content.clone();
    expect(
        "a swapped envelope",
        &Forge {
            content: Some(swapped),
            digested,
            ..plain.clone()
        },
        check,
        false,
    );
    expect(
        "no signed attributes of CMS",
        &Forge {
            bare: true,
            ..plain.clone()
        },
        check,
        false,
    );
    expect(
        "contentType is not the content's",
        &Forge {
            content_type: oid::ENVELOPED_DATA,
            ..plain.clone()
        },
        check,
        false,
    );
    // Signed by one key in the name of another certificate.
    let stranger = rsa();
    expect(
        "re-signed",
        &Forge {
            signer: (&WORLD.device.certificate, &stranger),
            ..plain.clone()
        },
        check,
        false,
    );
    let scheme = SignatureScheme::RsaPkcs1(Digest::Sha512);
    expect(
        "another digest than it says",
        &Forge {
            scheme,
            ..plain.clone()
        },
        check,
        false,
    );

    for attribute in [
        oid::SCEP_MESSAGE_TYPE,
        oid::SCEP_TRANSACTION_ID,
        oid::SCEP_SENDER_NONCE,
    ] {
        let mut twice = plain.clone();
        let same = twice
            .attributes
            .iter()
            .find(|(oid, _)| *oid == attribute)
            .unwrap()
            .clone();
        twice.attributes.push(same);
        expect("an attribute twice", &twice, check, false);
    }
    let mut twice = plain.clone();
    twice
        .attributes
        .push((oid::MESSAGE_DIGEST, vec![der::octet_string(&[0; 32])]));
    expect("messageDigest twice", &twice, check, false);
}

#[test]
fn what_is_no_pki_message_is_not_answered() {
    let plain = right();
    let message = plain.build();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("text", b"GET / HTTP/1.1".to_vec()),
        ("a bare request", WORLD.csr(Some("s3cret")).der().to_vec()),
        (
            "an envelope without a signature",
            plain.content.clone().unwrap(),
        ),
        ("cut short", message[..message.len() - 1].to_vec()),
        ("something after it", [message.as_slice(), &[0]].concat()),
        (
            "two signers",
            Forge {
                signers: 2,
                ..plain.clone()
            }
            .build(),
        ),
        (
            "no signer",
            Forge {
                signers: 0,
                ..plain.clone()
            }
            .build(),
        ),
        (
            "no certificate",
            Forge {
                certificates: Vec::new(),
                ..plain.clone()
            }
            .build(),
        ),
        (
            "another's certificate",
            Forge {
                certificates: vec![&WORLD.ca.certificate],
                ..plain.clone()
            }
            .build(),
        ),
    ];
    for (name, message) in cases {
        match open(&message, CryptoMode::Compatible) {
            Err(OpenError::Unreadable(words)) => {
                assert!(
                    words.starts_with("this is not a SCEP message: ") && words.len() < 200,
                    "{name}: {words}"
                );
            }
            _ => panic!("{name}"),
        }
    }
}

#[test]
fn attributes_that_scep_needs() {
    let plain = right();
    let request = FailInfo::BadRequest;
    let text = |text: &str| vec![der::printable_string(text)];
    let with = |oid: &'static str, values: Vec<Vec<u8>>| plain.clone().attribute(oid, values);
    expect(
        "no messageType",
        &with(oid::SCEP_MESSAGE_TYPE, vec![]),
        request,
        true,
    );
    expect(
        "no transactionID",
        &with(oid::SCEP_TRANSACTION_ID, vec![]),
        request,
        true,
    );
    for (name, id) in [
        ("empty", String::new()),
        ("too long", "a".repeat(129)),
        ("line feed", "a\r\nb".to_owned()),
        ("markup", "<img onerror=x>".to_owned()),
    ] {
        let forge = with(oid::SCEP_TRANSACTION_ID, text(&id));
        expect(name, &forge, request, true);
        assert_eq!(
            refused(&forge.build(), CryptoMode::Modern)
                .reply
                .transaction_id,
            None,
            "{name}"
        );
    }
    expect(
        "two transactionIDs in one",
        &with(oid::SCEP_TRANSACTION_ID, [text("a"), text("b")].concat()),
        request,
        true,
    );
    expect(
        "no string",
        &with(oid::SCEP_TRANSACTION_ID, vec![der::integer_u64(7)]),
        request,
        true,
    );
    expect(
        "a long nonce",
        &with(oid::SCEP_SENDER_NONCE, vec![der::octet_string(&[0; 65])]),
        request,
        true,
    );
    expect(
        "a nonce of text",
        &with(oid::SCEP_SENDER_NONCE, text("abc")),
        request,
        true,
    );
    for message_type in ["3", "18", "0", "23", "20 ", "PKCSReq", "99999999999999999"] {
        expect(
            message_type,
            &with(oid::SCEP_MESSAGE_TYPE, text(message_type)),
            request,
            true,
        );
    }
    let longest = with(oid::SCEP_TRANSACTION_ID, text(&"a".repeat(128)));
    assert!(open(&longest.build(), CryptoMode::Modern).is_ok());
}

#[test]
fn algorithms() {
    let plain = right();
    let alg = FailInfo::BadAlg;
    let sha1 = Forge {
        digest: Digest::Sha1,
        digest_oid: oid::SHA1,
        scheme: SignatureScheme::RsaPkcs1(Digest::Sha1),
        ..plain.clone()
    };
    expect_in(CryptoMode::Modern, "SHA-1", &sha1, alg, true);
    assert!(open(&sha1.build(), CryptoMode::Compatible).is_ok());
    // SHA-256 over the content and SHA-1 in the signature is SHA-1.
    let mixed = Forge {
        scheme: SignatureScheme::RsaPkcs1(Digest::Sha1),
        scheme_der: Some(algorithm(oid::SHA1_WITH_RSA, &der::null())),
        ..plain.clone()
    };
    expect_in(CryptoMode::Modern, "mixed", &mixed, alg, true);
    let digest = Digest::Md5;
    expect(
        "MD5",
        &Forge {
            digest,
            digest_oid: oid::MD5,
            ..plain.clone()
        },
        alg,
        false,
    );
    expect(
        "an unknown digest",
        &Forge {
            digest_oid: "1.2.3.4",
            ..plain.clone()
        },
        alg,
        false,
    );
    let scheme_der = Some(algorithm("1.2.840.113549.1.1.4", &der::null()));
    expect(
        "md5WithRSA",
        &Forge {
            scheme_der,
            ..plain.clone()
        },
        alg,
        false,
    );
    expect(
        "Ed25519",
        &Forge {
            scheme_der: Some(algorithm(oid::ED25519, &[])),
            ..plain.clone()
        },
        alg,
        false,
    );

    let csr = WORLD.csr(None);
    let envelope = |change: fn(&mut Envelope)| {
        let mut envelope = Envelope::new(csr.der());
        change(&mut envelope);
        Forge::new(Some(envelope.build()))
    };
    expect(
        "single DES",
        &envelope(|e| (e.cipher, e.iv) = (oid::DES_CBC, vec![0; 8])),
        alg,
        true,
    );
    expect(
        "RC2",
        &envelope(|e| e.cipher = "1.2.840.113549.3.2"),
        alg,
        true,
    );
    expect(
        "another key transport",
        &envelope(|e| e.transport = oid::EC_PUBLIC_KEY),
        alg,
        true,
    );
    let triple =
        envelope(|e| (e.cipher, e.iv, e.encrypted) = (oid::DES_EDE3_CBC, vec![0; 8], vec![0; 64]));
    expect_in(CryptoMode::Modern, "triple DES", &triple, alg, true);
    expect_in(
        CryptoMode::Compatible,
        "triple DES with a wrong key",
        &triple,
        FailInfo::BadMessageCheck,
        true,
    );
}

#[test]
fn a_request_signed_with_sha1_needs_a_compatible_profile() {
    // pki does not sign with SHA-1 by itself: change the algorithm and sign again.
    let key = &WORLD.device.key;
    let modern = WORLD.csr(None);
    let mut fields = der::Reader::new(modern.der(), "test").sequence().unwrap();
    let info = fields.element().unwrap().raw;
    let signature = key
        .sign(&SignatureScheme::RsaPkcs1(Digest::Sha1), info)
        .unwrap();
    let csr = der::seq(&[
        info,
        &algorithm(oid::SHA1_WITH_RSA, &der::null()),
        &der::bit_string(0, &signature),
    ]);
    let forge = Forge::new(Some(Envelope::new(&csr).build()));
    expect_in(
        CryptoMode::Modern,
        "SHA-1 in the request",
        &forge,
        FailInfo::BadAlg,
        true,
    );
    assert!(open(&forge.build(), CryptoMode::Compatible).is_ok());
}

#[test]
fn signers_that_cannot_be_answered_are_refused_before_anything_else() {
    let csr = WORLD.csr(None);
    let ec = &WORLD.ec_device;
    let forge = Forge {
        certificates: vec![&ec.certificate],
        signer: (&ec.certificate, &ec.key),
        scheme: SignatureScheme::Ecdsa(Digest::Sha256),
        scheme_der: Some(pki::der::seq(&[&der::oid(oid::ECDSA_SHA256).unwrap()])),
        ..Forge::new(Some(Envelope::new(csr.der()).build()))
    };
    expect("an EC signer", &forge, FailInfo::BadAlg, true);
    let got = refused(&forge.build(), CryptoMode::Modern);
    assert!(got.detail.contains("EC P-256"), "{}", got.detail);
    let certificates = [WORLD.certify("CN=x", ec.key.public_key())];
    let success = scep::cert_rep(
        &got.reply,
        &Answer::Success {
            certificates: &certificates,
        },
        &WORLD.ra,
        CryptoMode::Modern,
        now(),
    );
    assert!(matches!(success, Err(Error::CannotEncryptTo(_))));
}

#[test]
fn envelopes_that_are_none() {
    let csr = WORLD.csr(Some("s3cret"));
    let request = FailInfo::BadRequest;
    expect("no content", &Forge::new(None), request, true);
    expect(
        "an empty content",
        &Forge::new(Some(Vec::new())),
        request,
        true,
    );
    expect(
        "a bare request in the signature",
        &Forge::new(Some(csr.der().to_vec())),
        request,
        true,
    );
    expect("garbage", &Forge::new(Some(vec![0x42; 100])), request, true);

    let mut elsewhere = Envelope::new(csr.der());
    elsewhere.recipient = own("CN=another server", rsa()).certificate;
    expect(
        "encrypted to someone else",
        &Forge::new(Some(elsewhere.build())),
        FailInfo::BadMessageCheck,
        true,
    );
}

#[test]
fn an_answer_needs_something_to_say() {
    let (_, message) = WORLD.pkcs_req();
    let opened = open(message.message(), CryptoMode::Modern)
        .map_err(|_| "refused")
        .unwrap();
    let none = scep::cert_rep(
        &opened.reply,
        &Answer::Success { certificates: &[] },
        &WORLD.ra,
        CryptoMode::Modern,
        now(),
    );
    assert!(matches!(none, Err(Error::Incomplete(_))));
}
