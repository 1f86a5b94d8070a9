//! Nothing that comes from outside makes the crate panic, hang or blow up.

use std::time::{Duration, Instant};

use pki::der;
use proptest::prelude::*;
use scep::client::{CaCertificates, open_next_ca};
use scep::{Answer, CryptoMode, OpenError};

use crate::forge::{Envelope, Forge};
use crate::test_env::{WORLD, now, open};
use crate::vectors;

/// Whatever came out can be answered.
fn answerable(result: Result<scep::Opened, OpenError>) {
    if let Err(OpenError::Refused {
        reply,
        fail_info,
        text,
        ..
    }) = result
    {
        let answer = Answer::Failure {
            fail_info,
            text: &text,
        };
        scep::cert_rep(&reply, &answer, &WORLD.ra, CryptoMode::Modern, now()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_octets(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        answerable(open(&octets, CryptoMode::Compatible));
        let (_, request) = WORLD.pkcs_req();
        let _ = request.open_reply(&octets, &[&WORLD.ra.certificate]);
        let _ = CaCertificates::read(&octets);
        let _ = scep::client::peek_status(&octets);
    }

    #[test]
    fn captured_messages_with_changes(
        which in 0usize..22,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut message = vectors::all().swap_remove(which).message;
        for (at, octet) in changes {
            let at = at.index(message.len());
            message[at] = octet;
        }
        if let Some(cut) = cut {
            message.truncate(cut.index(message.len()));
        }
        answerable(open(&message, CryptoMode::Compatible));
    }

    #[test]
    fn signed_envelopes_with_changes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut envelope = Envelope::new(WORLD.csr(None).der()).build();
        for (at, octet) in changes {
            let at = at.index(envelope.len());
            envelope[at] = octet;
        }
        answerable(open(&Forge::new(Some(envelope)).build(), CryptoMode::Compatible));
    }

    #[test]
    fn decrypted_content_with_changes(
        message_type in prop::sample::select(vec!["17", "19", "20", "21", "22"]),
        octets in prop::collection::vec(any::<u8>(), 0..100),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        from_request: bool,
    ) {
        let mut content = if from_request { WORLD.csr(None).der().to_vec() } else { octets };
        for (at, octet) in changes {
            if !content.is_empty() {
                let at = at.index(content.len());
                content[at] = octet;
            }
        }
        let forge = Forge::new(Some(Envelope::new(&content).build()))
            .attribute(pki::oid::SCEP_MESSAGE_TYPE, vec![der::printable_string(message_type)]);
        answerable(open(&forge.build(), CryptoMode::Compatible));
    }

    #[test]
    fn replies_with_changes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (csr, request) = WORLD.pkcs_req();
        let Ok(opened) = open(request.message(), CryptoMode::Modern) else { panic!("refused") };
        let certificates = [WORLD.certify("CN=x", csr.public_key())];
        let answer = Answer::Success { certificates: &certificates };
        let good = scep::cert_rep(&opened.reply, &answer, &WORLD.ra, CryptoMode::Modern, now()).unwrap();
        let mut reply = good.clone();
        for (at, octet) in changes {
            let at = at.index(reply.len());
            reply[at] = octet;
        }
        let result = request.open_reply(&reply, &[&WORLD.ra.certificate]);
        let _ = open_next_ca(&reply, &CaCertificates::from_certificates(vec![WORLD.ca.certificate.clone()]).unwrap());
        // What a signature does not cover may change; what is believed may not.
        if let Ok(scep::client::Reply::Certificate { leaf, .. }) = result {
            prop_assert_eq!(&leaf, &certificates[0]);
        }
    }
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the time that it takes is what is tested"
)]
fn bombs_are_refused_in_little_time() {
    let deep = |levels: usize| {
        let mut message = [0x30, 0x80].repeat(levels);
        message.extend([0, 0].repeat(levels));
        message
    };
    let wide = |elements: usize| {
        let content = [5, 0].repeat(elements);
        der::tlv(0x30, &content)
    };
    let in_signature = |content: Vec<u8>| Forge::new(Some(content)).build();
    let attributes = |n: usize| {
        let mut forge = Forge::new(None);
        let names: Vec<String> = (0..n).map(|i| format!("1.2.3.{i}")).collect();
        let names: &'static [String] = Box::leak(names.into_boxed_slice());
        forge
            .attributes
            .extend(names.iter().map(|name| (name.as_str(), vec![der::null()])));
        forge.build()
    };
    let many: Vec<&pki::Certificate> = vec![&WORLD.device.certificate; 300];
    let bombs: Vec<(&str, Vec<u8>)> = vec![
        ("deep", deep(60_000)),
        ("deep and open", [0x30, 0x80].repeat(120_000)),
        ("wide", wide(120_000)),
        (
            "pieces",
            [&[0x24, 0x80][..], &[4, 0].repeat(120_000), &[0, 0]].concat(),
        ),
        ("a deep envelope", in_signature(deep(50_000))),
        ("a wide envelope", in_signature(wide(100_000))),
        ("attributes", attributes(5_000)),
        (
            "certificates",
            Forge {
                certificates: many,
                ..Forge::new(None)
            }
            .build(),
        ),
        (
            "a length that is a lie",
            vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
        ),
    ];
    for (name, message) in bombs {
        let start = Instant::now();
        let result = open(&message, CryptoMode::Modern);
        let took = start.elapsed();
        assert!(result.is_err(), "{name}");
        assert!(
            took < Duration::from_secs(2),
            "{name} took {took:?} for {} octets",
            message.len()
        );
    }
}
