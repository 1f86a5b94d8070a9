//! Client to server and back, in every combination that both sides may use.

use pki::{ContentCipher, Crl, CrlBuilder, Digest, KeyTransport, Name, Serial, SignatureScheme};
use proptest::prelude::*;
use scep::client::{Content, Reply, Request, RequestBuilder};
use scep::{Answer, Body, CryptoMode, FailInfo, MessageType, Opened, can_encrypt_to};

use crate::forge::{Envelope, Forge, algorithm, indefinite};
use crate::test_env::{WORLD, now, open, own, rsa, short_rsa};

fn reply(opened: &Opened, answer: &Answer<'_>, mode: CryptoMode) -> Vec<u8> {
    scep::cert_rep(&opened.reply, answer, &WORLD.ra, mode, now()).unwrap()
}

fn opened(message: &[u8], mode: CryptoMode) -> Opened {
    match open(message, mode) {
        Ok(opened) => opened,
        Err(scep::OpenError::Refused {
            fail_info,
            text,
            detail,
            ..
        }) => panic!("{fail_info}: {text} ({detail})"),
        Err(scep::OpenError::Unreadable(words)) => panic!("{words}"),
    }
}

fn read(request: &Request, body: &[u8]) -> Reply {
    request.open_reply(body, &[&WORLD.ra.certificate]).unwrap()
}

const CIPHERS: [ContentCipher; 4] = [
    ContentCipher::Aes128Cbc,
    ContentCipher::Aes192Cbc,
    ContentCipher::Aes256Cbc,
    ContentCipher::DesEde3Cbc,
];
const TRANSPORTS: [KeyTransport; 4] = [
    KeyTransport::Pkcs1v15,
    KeyTransport::oaep(Digest::Sha1),
    KeyTransport::oaep(Digest::Sha256),
    KeyTransport::Oaep {
        digest: Digest::Sha256,
        mgf: Digest::Sha1,
    },
];
const DIGESTS: [Digest; 4] = [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_combination_of_algorithms_comes_back(
        cipher in prop::sample::select(&CIPHERS[..]),
        transport in prop::sample::select(&TRANSPORTS[..]),
        digest in prop::sample::select(&DIGESTS[..]),
        to_old_ra: bool,
        renewal: bool,
        transaction_id in "[A-Za-z0-9 '()+,./:=?-]{1,128}",
        nonce in prop::option::of(prop::collection::vec(any::<u8>(), 0..=64)),
        challenge in prop::option::of("[ -~]{1,40}"),
    ) {
        let env = &*WORLD;
        let csr = env.csr(challenge.as_deref());
        let recipient = if to_old_ra { &env.old_ra.certificate } else { &env.ra.certificate };
        let content = if renewal { Content::RenewalReq(&csr) } else { Content::PkcsReq(&csr) };
        let recipients = [&env.ca.certificate, recipient];
        let request = env.builder(content, &recipients)
            .cipher(cipher).digest(digest).key_transport(transport)
            .transaction_id(transaction_id.clone()).sender_nonce(nonce.clone())
            .build().unwrap();
        let opened = opened(request.message(), CryptoMode::Compatible);
        prop_assert_eq!(opened.reply.transaction_id.as_deref(), Some(transaction_id.as_str()));
        prop_assert_eq!(&opened.reply.sender_nonce, &nonce);
        prop_assert_eq!(opened.reply.cipher, cipher);
        prop_assert_eq!(opened.reply.digest, digest);
        prop_assert_eq!(&opened.reply.key_transport, &transport);
        let usual = nonce.as_ref().is_some_and(|nonce| nonce.len() == 16);
        prop_assert_eq!(opened.findings.is_empty(), usual);
        let (Body::PkcsReq(got) | Body::RenewalReq(got)) = &opened.body else { panic!("no request in it") };
        prop_assert_eq!(got.der(), csr.der());
        prop_assert_eq!(got.challenge_password(), challenge.as_deref());
        prop_assert_eq!(matches!(opened.body, Body::RenewalReq(_)), renewal);

        let leaf = env.certify("O=Test, CN=device-1", csr.public_key());
        let certificates = [leaf.clone(), env.ca.certificate.clone()];
        let body = reply(&opened, &Answer::Success { certificates: &certificates }, CryptoMode::Compatible);
        let signed = pki::cms::Signed::parse(&body).unwrap();
        prop_assert_eq!(signed.digest().unwrap(), digest);
        let envelope = pki::cms::Enveloped::parse(signed.content().unwrap()).unwrap();
        prop_assert_eq!(envelope.cipher().unwrap(), cipher);
        prop_assert_eq!(envelope.recipients()[0].key_transport().unwrap(), transport);
        match read(&request, &body) {
            Reply::Certificate { leaf: got, others, leaf_first } => {
                prop_assert!(got == leaf && leaf_first);
                prop_assert_eq!(&others, &certificates[1..]);
            }
            _ => panic!("no certificate"),
        }
    }
}

#[test]
fn a_modern_profile_answers_with_modern_algorithms_whatever_it_is_told() {
    let (_, request) = WORLD.pkcs_req();
    let mut opened = opened(request.message(), CryptoMode::Modern);
    opened.reply.digest = Digest::Md5;
    opened.reply.cipher = ContentCipher::DesEde3Cbc;
    let certificates = [WORLD.certify("CN=device-1", WORLD.device.key.public_key())];
    let body = reply(
        &opened,
        &Answer::Success {
            certificates: &certificates,
        },
        CryptoMode::Modern,
    );
    let signed = pki::cms::Signed::parse(&body).unwrap();
    assert_eq!(signed.digest().unwrap(), Digest::Sha256);
    let envelope = pki::cms::Enveloped::parse(signed.content().unwrap()).unwrap();
    assert_eq!(envelope.cipher().unwrap(), ContentCipher::Aes256Cbc);
    assert!(matches!(read(&request, &body), Reply::Certificate { .. }));
}

#[test]
fn pending_and_failure_carry_an_empty_content_and_their_words() {
    let (_, request) = WORLD.pkcs_req();
    let opened = opened(request.message(), CryptoMode::Modern);
    let body = reply(&opened, &Answer::Pending, CryptoMode::Modern);
    assert!(matches!(read(&request, &body), Reply::Pending));
    assert_eq!(
        pki::cms::Signed::parse(&body).unwrap().content(),
        Some(&[][..])
    );
    assert_eq!(
        scep::client::peek_status(&body),
        Some(scep::PkiStatus::Pending)
    );

    for fail_info in FailInfo::ALL {
        let text = "grüße: not today";
        let body = reply(
            &opened,
            &Answer::Failure { fail_info, text },
            CryptoMode::Modern,
        );
        assert_eq!(
            pki::cms::Signed::parse(&body).unwrap().content(),
            Some(&[][..])
        );
        assert_eq!(scep::client::peek_fail_info(&body), Some(fail_info));
        match read(&request, &body) {
            Reply::Failure {
                fail_info: got,
                text: words,
            } => {
                assert_eq!((got, words.as_deref()), (fail_info, Some(text)));
            }
            _ => panic!("no failure"),
        }
    }
}

#[test]
fn polls_certificates_and_crls() {
    let env = &*WORLD;
    let issuer = env.ca.certificate.subject();
    let subject = Name::parse("O=Test, CN=device-1").unwrap();
    let key = env.device.key.public_key();
    let recipients = [&env.ra.certificate];
    let leaf = env.certify("O=Test, CN=device-1", key);
    let certificates = [leaf.clone()];

    let poll = env.builder(
        Content::CertPoll {
            issuer,
            subject: &subject,
            key,
        },
        &recipients,
    );
    let poll = poll.transaction_id("1").build().unwrap();
    let got = opened(poll.message(), CryptoMode::Modern);
    match &got.body {
        Body::CertPoll {
            issuer: i,
            subject: s,
        } => assert!(i == issuer && *s == subject),
        _ => panic!("no poll"),
    }
    let body = reply(
        &got,
        &Answer::Success {
            certificates: &certificates,
        },
        CryptoMode::Modern,
    );
    assert!(matches!(read(&poll, &body), Reply::Certificate { leaf: got, .. } if got == leaf));

    let get = env
        .builder(
            Content::GetCert {
                issuer,
                serial: leaf.serial(),
            },
            &recipients,
        )
        .build()
        .unwrap();
    let got = opened(get.message(), CryptoMode::Modern);
    assert!(matches!(&got.body, Body::GetCert { serial, .. } if serial == leaf.serial()));
    let body = reply(
        &got,
        &Answer::Success {
            certificates: &certificates,
        },
        CryptoMode::Modern,
    );
    assert!(matches!(read(&get, &body), Reply::Certificate { leaf: got, .. } if got == leaf));

    let crl = crl();
    let get = env
        .builder(
            Content::GetCrl {
                issuer,
                serial: leaf.serial(),
            },
            &recipients,
        )
        .build()
        .unwrap();
    let got = opened(get.message(), CryptoMode::Modern);
    assert!(matches!(&got.body, Body::GetCrl { issuer: i, .. } if i == issuer));
    let body = reply(&got, &Answer::Crl(crl.der()), CryptoMode::Modern);
    assert!(matches!(read(&get, &body), Reply::Crl(got) if got.der() == crl.der()));
}

fn crl() -> Crl {
    let ca = &WORLD.ca;
    let builder = CrlBuilder {
        issuer: ca.certificate.subject().clone(),
        entries: Vec::new(),
        number: 7,
        this_update: now(),
        next_update: now() + chrono::TimeDelta::days(1),
        aki: ca.certificate.ski().map(<[u8]>::to_vec),
    };
    builder
        .sign(&ca.key, &SignatureScheme::RsaPkcs1(Digest::Sha256))
        .unwrap()
}

#[test]
fn ber_from_the_outside_in() {
    let (csr, request) = WORLD.pkcs_req();
    for piece in [1, 7, 1000, usize::MAX] {
        let ber = indefinite(request.message(), piece);
        assert_ne!(ber, request.message());
        let opened = opened(&ber, CryptoMode::Modern);
        assert!(matches!(&opened.body, Body::PkcsReq(got) if got.der() == csr.der()));
    }
    // The envelope too, inside the OCTET STRING: the signature is over these very octets.
    let envelope = indefinite(&Envelope::new(csr.der()).build(), 16);
    let message = indefinite(&Forge::new(Some(envelope)).build(), 100);
    let opened = opened(&message, CryptoMode::Modern);
    assert!(matches!(&opened.body, Body::PkcsReq(got) if got.der() == csr.der()));
}

#[test]
fn unusual_but_right_signers_are_taken() {
    let csr = WORLD.csr(None);
    let content = Some(Envelope::new(csr.der()).build());
    let plain = Forge::new(content);
    let pss = |salt: u8| {
        let sha256 = algorithm(pki::oid::SHA256, &pki::der::null());
        let mgf = algorithm(pki::oid::MGF1, &sha256);
        let parameters = pki::der::seq(&[
            &pki::der::explicit(0, &sha256),
            &pki::der::explicit(1, &mgf),
            &pki::der::explicit(2, &pki::der::integer_u64(salt.into())),
        ]);
        algorithm(pki::oid::RSA_PSS, &parameters)
    };
    let forged = [
        (
            "by key identifier",
            Forge {
                by_key_id: true,
                ..plain.clone()
            },
        ),
        (
            "attributes out of order",
            Forge {
                sorted: false,
                ..plain.clone()
            },
        ),
        (
            "another certificate first",
            Forge {
                certificates: vec![&WORLD.ca.certificate, &WORLD.device.certificate],
                ..plain.clone()
            },
        ),
        (
            "sha256WithRSA without parameters",
            Forge {
                scheme_der: Some(pki::der::seq(&[
                    &pki::der::oid(pki::oid::SHA256_WITH_RSA).unwrap()
                ])),
                ..plain.clone()
            },
        ),
        (
            "PSS",
            Forge {
                scheme: SignatureScheme::RsaPss {
                    digest: Digest::Sha256,
                    mgf: Digest::Sha256,
                    salt_len: 20,
                },
                scheme_der: Some(pss(20)),
                ..plain.clone()
            },
        ),
        (
            "nonce of 8",
            plain.clone().attribute(
                pki::oid::SCEP_SENDER_NONCE,
                vec![pki::der::octet_string(&[1; 8])],
            ),
        ),
        (
            "transactionID as UTF8String",
            plain.clone().attribute(
                pki::oid::SCEP_TRANSACTION_ID,
                vec![pki::der::utf8_string("transaction-1")],
            ),
        ),
    ];
    for (name, forge) in forged {
        match open(&forge.build(), CryptoMode::Modern) {
            Ok(opened) => assert!(
                matches!(&opened.body, Body::PkcsReq(got) if got.der() == csr.der()),
                "{name}"
            ),
            Err(scep::OpenError::Refused { text, detail, .. }) => {
                panic!("{name}: {text}: {detail}")
            }
            Err(scep::OpenError::Unreadable(words)) => panic!("{name}: {words}"),
        }
    }
}

#[test]
fn who_can_be_answered() {
    use pki::{ContentCipher, Digest, KeyTransport};
    let (cipher, transport) = (ContentCipher::Aes256Cbc, KeyTransport::Pkcs1v15);
    assert!(can_encrypt_to(&WORLD.device.certificate, &transport, cipher).is_ok());
    let error = can_encrypt_to(&WORLD.ec_device.certificate, &transport, cipher).unwrap_err();
    assert!(error.to_string().contains("EC P-256"), "{error}");

    // 128 octets carry 62 by OAEP with SHA-256, and none by OAEP with SHA-512.
    let short = own("O=Test, CN=short", short_rsa()).certificate;
    let oaep = |digest| can_encrypt_to(&short, &KeyTransport::oaep(digest), cipher);
    assert!(can_encrypt_to(&short, &transport, cipher).is_ok());
    assert!(oaep(Digest::Sha256).is_ok());
    assert!(oaep(Digest::Sha512).is_err());
}

#[test]
fn the_client_refuses_replies_that_are_not_for_it() {
    let env = &*WORLD;
    let (csr, request) = env.pkcs_req();
    let got = opened(request.message(), CryptoMode::Modern);
    let leaf = env.certify("O=Test, CN=device-1", csr.public_key());
    let foreign = env.certify("O=Test, CN=device-1", rsa().public_key());
    let good = [leaf];
    let body = reply(
        &got,
        &Answer::Success {
            certificates: &good,
        },
        CryptoMode::Modern,
    );
    let complaint = |request: &Request, body: &[u8], signers: &[&pki::Certificate]| match request
        .open_reply(body, signers)
    {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };
    let ra = [&env.ra.certificate];

    assert!(complaint(&request, &body, &[&env.old_ra.certificate]).contains("signer"));
    let mut changed = body.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(complaint(&request, &changed, &ra).contains("signature"));
    assert!(complaint(&request, b"<html>", &ra).contains("PKIMessage"));
    // A request is no reply.
    let own = env.builder(Content::PkcsReq(&csr), &ra);
    assert!(
        complaint(
            &request,
            own.build().unwrap().message(),
            &[&env.device.certificate]
        )
        .contains("CertRep")
    );

    let (_, other) = env.pkcs_req();
    assert!(complaint(&other, &body, &ra).contains("transactionID"));
    let same_id = env
        .builder(Content::PkcsReq(&csr), &ra)
        .transaction_id(request.transaction_id())
        .build()
        .unwrap();
    assert!(complaint(&same_id, &body, &ra).contains("recipientNonce"));

    let strange = [foreign];
    let body = reply(
        &got,
        &Answer::Success {
            certificates: &strange,
        },
        CryptoMode::Modern,
    );
    assert!(complaint(&request, &body, &ra).contains("about another key"));

    let mut elsewhere = got.reply.clone();
    elsewhere.signer = own_certificate();
    let body = scep::cert_rep(
        &elsewhere,
        &Answer::Success {
            certificates: &good,
        },
        &env.ra,
        CryptoMode::Modern,
        now(),
    );
    assert!(complaint(&request, &body.unwrap(), &ra).contains("envelope"));
}

fn own_certificate() -> pki::Certificate {
    own("CN=someone else", rsa()).certificate
}

#[test]
fn the_client_says_when_the_leaf_is_not_first() {
    let env = &*WORLD;
    let (csr, request) = env.pkcs_req();
    let got = opened(request.message(), CryptoMode::Modern);
    let leaf = env.certify("O=Test, CN=device-1", csr.public_key());
    let certificates = [env.ca.certificate.clone(), leaf.clone()];
    let body = reply(
        &got,
        &Answer::Success {
            certificates: &certificates,
        },
        CryptoMode::Modern,
    );
    match read(&request, &body) {
        Reply::Certificate {
            leaf: found,
            leaf_first: false,
            ..
        } => assert_eq!(found, leaf),
        _ => panic!("wrong reply"),
    }
}

#[test]
fn a_message_type_can_be_forced_and_numbers_compare_as_numbers() {
    let env = &*WORLD;
    let issuer = env.ca.certificate.subject();
    let serial = Serial::new([0, 0x12]);
    let request = RequestBuilder::new(
        Content::GetCert {
            issuer,
            serial: &serial,
        },
        (&env.device.certificate, &env.device.key),
        &[&env.ra.certificate],
    )
    .message_type(MessageType::GetCrl)
    .build()
    .unwrap();
    assert!(matches!(
        opened(request.message(), CryptoMode::Modern).body,
        Body::GetCrl { .. }
    ));
}
