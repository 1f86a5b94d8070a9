//! Whatever goes wrong after the private key was used looks the same from outside.

use openssl::rsa::Padding;
use pki::{Csr, der, oid};
use scep::{CryptoMode, FailInfo};

use crate::forge::{CONTENT_KEY, Envelope, Forge, cbc, padded, wrap};
use crate::test_env::{Refused, WORLD, failure, refused};

/// Every class of ciphertext that does not become a request, by name.
pub fn broken() -> Vec<(&'static str, Envelope)> {
    let csr = WORLD.csr(Some("s3cret"));
    let good = Envelope::new(csr.der());
    let changed = |change: &dyn Fn(&mut Envelope)| {
        let mut envelope = good.clone();
        change(&mut envelope);
        envelope
    };
    vec![
        (
            "the RSA padding is wrong",
            changed(&|e| e.encrypted_key = wrap(&[0x37; 256], Padding::NONE)),
        ),
        (
            "no RSA padding at all",
            changed(&|e| {
                e.encrypted_key = wrap(&[&[0; 240][..], &CONTENT_KEY].concat(), Padding::NONE)
            }),
        ),
        (
            "the content key is short",
            changed(&|e| e.encrypted_key = wrap(&CONTENT_KEY[..15], Padding::PKCS1)),
        ),
        (
            "the content key is long",
            changed(&|e| e.encrypted_key = wrap(&[0x31; 32], Padding::PKCS1)),
        ),
        (
            "the content key is empty",
            changed(&|e| e.encrypted_key = wrap(&[], Padding::PKCS1)),
        ),
        (
            "another content key",
            changed(&|e| e.encrypted_key = wrap(&[0x32; 16], Padding::PKCS1)),
        ),
        (
            "a number above the modulus",
            changed(&|e| e.encrypted_key = vec![0xff; 256]),
        ),
        (
            "too few octets for RSA",
            changed(&|e| e.encrypted_key = vec![0x41; 255]),
        ),
        (
            "too many octets for RSA",
            changed(&|e| e.encrypted_key = vec![0x41; 257]),
        ),
        (
            "no octets for RSA",
            changed(&|e| e.encrypted_key = Vec::new()),
        ),
        (
            "the CBC padding is 0",
            changed(&|e| e.encrypted = cbc(&[0; 64])),
        ),
        (
            "the CBC padding is 17",
            changed(&|e| e.encrypted = cbc(&[17; 64])),
        ),
        (
            "the CBC padding is uneven",
            changed(&|e| e.encrypted = cbc(&[&[0; 62][..], &[3, 2]].concat())),
        ),
        (
            "nothing but padding",
            changed(&|e| e.encrypted = cbc(&[16; 16])),
        ),
        (
            "an empty ciphertext",
            changed(&|e| e.encrypted = Vec::new()),
        ),
        (
            "not whole blocks",
            changed(&|e| e.encrypted.truncate(e.encrypted.len() - 1)),
        ),
        (
            "a block is missing",
            changed(&|e| e.encrypted.truncate(e.encrypted.len() - 16)),
        ),
        (
            "well-padded garbage",
            changed(&|e| e.encrypted = cbc(&padded(&[0x55; 100], 16))),
        ),
        (
            "a cut request",
            changed(&|e| e.encrypted = cbc(&padded(&csr.der()[..csr.der().len() - 1], 16))),
        ),
        (
            "an octet after the request",
            changed(&|e| e.encrypted = cbc(&padded(&[csr.der(), &[0]].concat(), 16))),
        ),
        (
            "a request that somebody changed",
            changed(&|e| e.encrypted = cbc(&padded(&broken_csr(&csr), 16))),
        ),
        (
            "a request signed with MD5",
            changed(&|e| e.encrypted = cbc(&padded(&md5_csr(&csr), 16))),
        ),
        (
            "a request signed by another key",
            changed(&|e| e.encrypted = cbc(&padded(&foreign_csr(&csr), 16))),
        ),
    ]
}

fn broken_csr(csr: &Csr) -> Vec<u8> {
    let mut der = csr.der().to_vec();
    *der.last_mut().unwrap() ^= 1;
    assert!(Csr::from_der(&der).unwrap().verify().is_err());
    der
}

fn md5_csr(csr: &Csr) -> Vec<u8> {
    let mut fields = der::Reader::new(csr.der(), "test").sequence().unwrap();
    let info = fields.element().unwrap().raw;
    let algorithm = der::seq(&[&der::oid(oid::MD5_WITH_RSA).unwrap(), &der::null()]);
    der::seq(&[info, &algorithm, &der::bit_string(0, &[0x11; 256])])
}

fn foreign_csr(csr: &Csr) -> Vec<u8> {
    let mut fields = der::Reader::new(csr.der(), "test").sequence().unwrap();
    let info = fields.element().unwrap().raw;
    let scheme = pki::SignatureScheme::RsaPkcs1(pki::Digest::Sha256);
    let signature = WORLD.ra.key.sign(&scheme, info).unwrap();
    let algorithm = der::seq(&[&der::oid(oid::SHA256_WITH_RSA).unwrap(), &der::null()]);
    der::seq(&[info, &algorithm, &der::bit_string(0, &signature)])
}

/// The reply with what must differ taken out: the fresh senderNonce and the signature.
fn masked(refused: &Refused) -> Vec<u8> {
    let mut reply = failure(refused, CryptoMode::Modern);
    let signed = pki::cms::Signed::parse(&reply).unwrap();
    let nonce = signed.attribute(oid::SCEP_SENDER_NONCE).unwrap().to_vec();
    let at = reply
        .windows(nonce.len())
        .position(|window| window == nonce)
        .unwrap();
    reply[at + 2..at + 18].fill(0);
    let end = reply.len();
    reply[end - 256..].fill(0);
    reply
}

#[test]
fn all_classes_of_broken_ciphertext_get_one_and_the_same_answer() {
    let csr = WORLD.csr(Some("s3cret"));
    let good = Forge::new(Some(Envelope::new(csr.der()).build())).build();
    assert!(
        crate::test_env::open(&good, CryptoMode::Modern).is_ok(),
        "the message around it must be right"
    );

    let mut first: Option<(Vec<u8>, std::borrow::Cow<str>)> = None;
    for (name, envelope) in broken() {
        let got = sent_as("19", &envelope);
        assert_eq!(
            (got.fail_info, got.verified, got.opaque),
            (FailInfo::BadMessageCheck, true, true),
            "{name}: {}",
            got.detail
        );
        let reply = masked(&got);
        let (expected, text) = first.get_or_insert((reply.clone(), got.text.clone()));
        assert_eq!(got.text, *text, "{name}");
        assert_eq!(hex::encode(&reply), hex::encode(expected), "{name}");
    }
}

#[test]
fn no_octet_of_the_ciphertext_tells_anything() {
    let csr = WORLD.csr(Some("s3cret"));
    let good = Envelope::new(csr.der());
    let mut texts = std::collections::HashSet::new();
    for at in 0..good.encrypted.len() {
        for bit in [0x01, 0x80] {
            let mut envelope = good.clone();
            envelope.encrypted[at] ^= bit;
            let got = refused(
                &Forge::new(Some(envelope.build())).build(),
                CryptoMode::Modern,
            );
            texts.insert((got.fail_info, got.text, got.reply.cipher, got.reply.digest));
        }
    }
    for at in 0..16 {
        let mut envelope = good.clone();
        envelope.iv[at] ^= 1;
        let got = refused(
            &Forge::new(Some(envelope.build())).build(),
            CryptoMode::Modern,
        );
        texts.insert((got.fail_info, got.text, got.reply.cipher, got.reply.digest));
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}

/// The same envelope in a message of another type.
fn sent_as(message_type: &str, envelope: &Envelope) -> Refused {
    let forge = Forge::new(Some(envelope.build())).attribute(
        oid::SCEP_MESSAGE_TYPE,
        vec![der::printable_string(message_type)],
    );
    refused(&forge.build(), CryptoMode::Modern)
}

#[test]
fn a_renewal_has_the_same_refusal() {
    let expected = {
        let (_, envelope) = broken().remove(0);
        sent_as("19", &envelope).text
    };
    for (name, envelope) in broken() {
        let got = sent_as("17", &envelope);
        assert_eq!(
            (got.fail_info, &got.text, got.opaque),
            (FailInfo::BadMessageCheck, &expected, true),
            "{name}"
        );
    }
}

#[test]
fn questions_have_one_refusal_of_their_own() {
    let csr = WORLD.csr(Some("s3cret"));
    let mut classes = broken();
    classes.push(("a whole request", Envelope::new(csr.der())));
    classes.push((
        "one name",
        Envelope::new(WORLD.ca.certificate.subject().der()),
    ));
    for message_type in ["20", "21", "22"] {
        let mut first: Option<Vec<u8>> = None;
        for (name, envelope) in &classes {
            let got = sent_as(message_type, envelope);
            assert_eq!(
                (got.fail_info, &*got.text, got.verified, got.opaque),
                (FailInfo::BadCertId, scep::NOT_FOUND, true, true),
                "{message_type} {name}: {}",
                got.detail
            );
            let reply = masked(&got);
            let expected = first.get_or_insert(reply.clone());
            assert_eq!(hex::encode(&reply), hex::encode(expected), "{name}");
        }
    }
}

/// What an eavesdropper makes of a caught envelope: with the first block of the plaintext known, the initialisation
/// vector turns it into the beginning of two names, or of a name and a number, that reach to the padding which is to be
/// tried. That it can be read must be all that comes of it: the issuer is nobody.
#[test]
fn a_changed_envelope_that_can_be_read_names_no_issuer() {
    let csr = WORLD.csr(Some("s3cret"));
    let good = Envelope::new(csr.der());
    let blocks = good.encrypted.len() / 16;
    let left = u8::try_from(16 * 3 - 1).unwrap();
    let wanted = [0x30, left - 2, 0x30, 0, 0x02, left - 6];
    let mut forged = good.clone();
    forged.encrypted = [
        &good.encrypted[..16],
        // The last two blocks: the padding is that of the request itself.
        &good.encrypted[16 * (blocks - 2)..],
    ]
    .concat();
    let padding = 16 - csr.der().len() % 16;
    for (at, octet) in wanted.into_iter().enumerate() {
        let octet = match at {
            1 | 5 => octet + 1 - u8::try_from(padding).unwrap(),
            _ => octet,
        };
        forged.iv[at] ^= csr.der()[at] ^ octet;
    }
    for message_type in ["21", "22"] {
        let forge = Forge::new(Some(forged.build())).attribute(
            oid::SCEP_MESSAGE_TYPE,
            vec![der::printable_string(message_type)],
        );
        let Ok(opened) = crate::test_env::open(&forge.build(), CryptoMode::Modern) else {
            panic!("the attack is not the one that is meant")
        };
        let (scep::Body::GetCert { issuer, serial } | scep::Body::GetCrl { issuer, serial }) =
            opened.body
        else {
            panic!("no question")
        };
        assert!(issuer.is_empty());
        assert!(serial.as_bytes().len() > 20);
    }
}

/// Not run by itself: other work on the machine disturbs it. `cargo test --release -p scep -- --ignored timing --nocapture`
#[test]
#[ignore = "a measurement"]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures time and tells"
)]
fn timing_of_the_classes() {
    let classes: Vec<(&str, Vec<u8>)> = broken()
        .into_iter()
        .map(|(name, envelope)| (name, Forge::new(Some(envelope.build())).build()))
        .collect();
    let rounds = 400;
    let mut times = vec![Vec::with_capacity(rounds); classes.len()];
    for _ in 0..rounds {
        for ((_, message), times) in classes.iter().zip(&mut times) {
            let start = std::time::Instant::now();
            let _ = std::hint::black_box(crate::test_env::open(message, CryptoMode::Modern));
            times.push(start.elapsed());
        }
    }
    let mut medians = Vec::new();
    for ((name, _), times) in classes.iter().zip(&mut times) {
        times.sort();
        let median = times[rounds / 2];
        println!("{:>8.1} us  {name}", median.as_secs_f64() * 1e6);
        // What anybody sees on the message itself.
        if !name.contains("blocks") && !name.contains("empty ciphertext") {
            medians.push(median.as_secs_f64());
        }
    }
    let least = medians.iter().copied().fold(f64::INFINITY, f64::min);
    let most = medians.iter().copied().fold(0.0, f64::max);
    assert!(most / least < 1.15, "from {least} to {most}");
}
