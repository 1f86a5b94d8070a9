//! Clients that name the RA instead of the CA, or turn names round; and what must be id-data.

use openssl::bn::BigNum;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use pki::{Certificate, Name, PrivateKey, cms::Signed, der, oid};
use scep::client::self_signed;
use scep::{CryptoMode, FailInfo};

use crate::forge::{Envelope, Forge, issuer_and_serial};
use crate::test_env::{WORLD, failure, now, open, refused};

fn turned(name: &str) -> Name {
    let mut parts: Vec<&str> = name.split(", ").collect();
    parts.reverse();
    Name::parse(&parts.join(", ")).unwrap()
}

#[test]
fn an_envelope_may_name_the_ra_or_its_issuer_turned_round() {
    let csr = WORLD.csr(Some("s3cret"));
    for (issuer, findings) in [
        (Name::parse("O=Test, CN=Issuing").unwrap(), 0),
        (turned("O=Test, CN=Issuing"), 1),
        (Name::parse("O=Test, CN=RA").unwrap(), 1),
        (turned("O=Test, CN=RA"), 1),
    ] {
        let envelope = Envelope {
            issuer: Some(issuer.clone()),
            ..Envelope::new(csr.der())
        };
        let opened = open(
            &Forge::new(Some(envelope.build())).build(),
            CryptoMode::Modern,
        );
        let Ok(opened) = opened else {
            panic!("{issuer}")
        };
        assert_eq!(opened.findings.len(), findings, "{issuer}");
        let recipient = opened.reply.recipient.unwrap();
        assert_eq!(recipient.der(), WORLD.ra.certificate.der());
    }
    for issuer in ["O=Test, CN=Old RA", "CN=Issuing", ""] {
        let envelope = Envelope {
            issuer: Some(Name::parse(issuer).unwrap()),
            ..Envelope::new(csr.der())
        };
        let message = Forge::new(Some(envelope.build())).build();
        let refused = refused(&message, CryptoMode::Modern);
        assert_eq!(refused.fail_info, FailInfo::BadMessageCheck, "{issuer}");
    }
}

#[test]
fn a_signer_may_be_named_with_its_issuer_turned_round() {
    let csr = WORLD.csr(Some("s3cret"));
    let device = &WORLD.device.certificate;
    let forge = Forge {
        signer_id: Some(issuer_and_serial(&turned("O=Test, CN=device-1"), device)),
        ..Forge::new(Some(Envelope::new(csr.der()).build()))
    };
    let Ok(opened) = open(&forge.build(), CryptoMode::Modern) else {
        panic!("refused")
    };
    assert_eq!(opened.reply.signer.der(), device.der());
    assert_eq!(opened.findings.len(), 1);
}

#[test]
fn what_is_signed_and_what_is_in_the_envelope_is_id_data() {
    let csr = WORLD.csr(Some("s3cret"));
    let plain = Forge::new(Some(Envelope::new(csr.der()).build()));
    for content_type in [oid::ENVELOPED_DATA, oid::SIGNED_DATA, "1.2.3.4"] {
        let forge = Forge {
            content_type,
            signed_type: content_type,
            ..plain.clone()
        };
        let got = refused(&forge.build(), CryptoMode::Compatible);
        assert_eq!(got.fail_info, FailInfo::BadRequest);
        assert!(got.verified && !got.opaque);
        assert!(got.text.contains("id-data"), "{}", got.text);
        assert!(got.detail.contains(content_type), "{}", got.detail);

        let envelope = Envelope {
            content_type,
            ..Envelope::new(csr.der())
        };
        let got = refused(
            &Forge::new(Some(envelope.build())).build(),
            CryptoMode::Compatible,
        );
        assert_eq!(got.fail_info, FailInfo::BadRequest);
        assert!(
            got.text.contains("envelope") && got.text.contains("id-data"),
            "{}",
            got.text
        );
    }
}

#[test]
fn an_unusable_transaction_id_is_given_back_where_it_can_be_written() {
    let csr = WORLD.csr(Some("s3cret"));
    let plain = Forge::new(Some(Envelope::new(csr.der()).build()));
    let longest = "\u{e4}".repeat(64);
    for (value, expected) in [
        (
            der::printable_string("device_1@corp"),
            Some(der::utf8_string("device_1@corp")),
        ),
        (
            der::utf8_string("ger\u{e4}t"),
            Some(der::utf8_string("ger\u{e4}t")),
        ),
        (der::utf8_string(&longest), Some(der::utf8_string(&longest))),
        (der::utf8_string(&"_".repeat(129)), None),
        (der::utf8_string(""), None),
        (der::octet_string(b"device-1"), None),
    ] {
        let forge = plain
            .clone()
            .attribute(oid::SCEP_TRANSACTION_ID, vec![value]);
        let got = refused(&forge.build(), CryptoMode::Compatible);
        assert_eq!(got.fail_info, FailInfo::BadRequest);
        assert!(got.text.contains("transactionID"), "{}", got.text);
        assert_eq!(
            got.reply.transaction_id, None,
            "it is of no use but for the reply"
        );
        let reply = Signed::parse(&failure(&got, CryptoMode::Compatible)).unwrap();
        reply.check().unwrap();
        assert_eq!(
            reply.attribute(oid::SCEP_TRANSACTION_ID),
            expected.as_deref()
        );
    }
}

/// An RSA key with a public exponent of 72 bits.
fn with_long_exponent() -> PrivateKey {
    let exponent = BigNum::from_hex_str("010000000000000001").unwrap();
    let mut key = Rsa::generate_with_e(2048, &exponent);
    while key.is_err() {
        key = Rsa::generate_with_e(2048, &exponent);
    }
    let key = PKey::from_rsa(key.unwrap()).unwrap();
    PrivateKey::from_pkcs8_der(&key.private_key_to_pkcs8().unwrap()).unwrap()
}

#[test]
fn exponents_of_more_than_64_bits_are_refused_by_name() {
    let key = with_long_exponent();
    let csr = crate::test_env::csr(&key, None);
    // In the request alone: its own signature is good.
    let content = Some(Envelope::new(csr.der()).build());
    let got = refused(&Forge::new(content.clone()).build(), CryptoMode::Compatible);
    assert_eq!(got.fail_info, FailInfo::BadAlg, "{}", got.text);
    assert!(got.text.contains("64 bits"), "{}", got.text);

    // In the signer's certificate.
    let signer: Certificate = self_signed(&Name::parse("CN=device").unwrap(), &key, now()).unwrap();
    let forge = Forge {
        certificates: vec![&signer],
        signer: (&signer, &key),
        ..Forge::new(content)
    };
    let got = refused(&forge.build(), CryptoMode::Compatible);
    assert_eq!(got.fail_info, FailInfo::BadAlg, "{}", got.text);
    assert!(got.text.contains("64 bits"), "{}", got.text);

    // A signature that is not its own proves nothing, and the refusal says nothing.
    let mut forged = csr.der().to_vec();
    let last = forged.last_mut().unwrap();
    *last ^= 1;
    let content = Some(Envelope::new(&forged).build());
    let got = refused(&Forge::new(content).build(), CryptoMode::Compatible);
    assert!(got.opaque, "{}", got.text);
}
