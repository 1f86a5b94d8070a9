use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::stack::Stack;
use openssl::symm::Cipher;

use super::Pair;
use crate::ber::tests::loosened;
use crate::cms::{CertificateId, Enveloped};
use crate::der::{self, tag};
use crate::{ContentCipher, Digest, Error, KeyTransport, oid};

const TRANSPORTS: [KeyTransport; 4] = [
    KeyTransport::Pkcs1v15,
    KeyTransport::oaep(Digest::Sha1),
    KeyTransport::oaep(Digest::Sha256),
    KeyTransport::Oaep {
        digest: Digest::Sha512,
        mgf: Digest::Sha1,
    },
];

#[test]
fn what_is_built_opens_here_and_in_openssl() {
    let (one, two) = (Pair::rsa(), Pair::other_rsa());
    for cipher in ContentCipher::ALL {
        for transport in TRANSPORTS {
            for content in [&b""[..], b"content", &[7; 5000]] {
                let message = Enveloped::build(
                    content,
                    &[&one.certificate, &two.certificate],
                    cipher,
                    &transport,
                )
                .unwrap();
                let enveloped = Enveloped::parse(&message).unwrap();
                assert_eq!(enveloped.cipher(), Ok(cipher));
                assert_eq!(enveloped.recipients().len(), 2);
                for pair in [&one, &two] {
                    let recipient = enveloped.recipient_for(&pair.certificate).unwrap();
                    assert_eq!(recipient.key_transport(), Ok(transport));
                    let plaintext = enveloped.open(&pair.certificate, &pair.key).unwrap();
                    assert!(plaintext.well_padded());
                    assert_eq!(plaintext.bytes(), content);
                    let theirs = CmsContentInfo::from_der(&message).unwrap();
                    assert_eq!(theirs.decrypt(&pair.pkey(), &pair.x509()).unwrap(), content);
                }
                rasn::der::decode::<rasn_cms::ContentInfo>(&message).unwrap();
            }
        }
    }
}

#[test]
fn envelopes_of_openssl_open() {
    let pair = Pair::rsa();
    let mut recipients = Stack::new().unwrap();
    recipients.push(pair.x509()).unwrap();
    let ciphers = [
        Cipher::aes_128_cbc(),
        Cipher::aes_192_cbc(),
        Cipher::aes_256_cbc(),
        Cipher::des_ede3_cbc(),
    ];
    for (theirs, ours) in ciphers.into_iter().zip(ContentCipher::ALL) {
        for options in [
            CMSOptions::BINARY,
            CMSOptions::BINARY | CMSOptions::USE_KEYID,
        ] {
            let message =
                CmsContentInfo::encrypt(&recipients, b"content", theirs, options).unwrap();
            let enveloped = Enveloped::parse(&message.to_der().unwrap()).unwrap();
            assert_eq!(enveloped.cipher(), Ok(ours));
            let by_key_id = matches!(enveloped.recipients()[0].id(), CertificateId::KeyId(_));
            assert_eq!(by_key_id, options.contains(CMSOptions::USE_KEYID));
            let plaintext = enveloped.open(&pair.certificate, &pair.key).unwrap();
            assert_eq!(
                (plaintext.bytes(), plaintext.well_padded()),
                (&b"content"[..], true)
            );
        }
    }
}

#[test]
fn two_envelopes_of_the_same_content_share_nothing() {
    let pair = Pair::rsa();
    let build = || {
        Enveloped::parse(
            &Enveloped::build(
                b"c",
                &[&pair.certificate],
                ContentCipher::Aes128Cbc,
                &KeyTransport::Pkcs1v15,
            )
            .unwrap(),
        )
        .unwrap()
    };
    let (one, two) = (build(), build());
    assert_ne!(one.encrypted, two.encrypted);
    assert_ne!(one.cipher.unwrap().1, two.cipher.unwrap().1);
}

#[test]
fn who_is_no_recipient_or_has_no_rsa_key_is_told_so() {
    let (one, two, ec) = (Pair::rsa(), Pair::other_rsa(), Pair::ec());
    let cipher = ContentCipher::Aes256Cbc;
    let message =
        Enveloped::build(b"c", &[&one.certificate], cipher, &KeyTransport::Pkcs1v15).unwrap();
    let enveloped = Enveloped::parse(&message).unwrap();
    assert!(matches!(
        enveloped.open(&two.certificate, &two.key),
        Err(Error::NotARecipient)
    ));
    assert!(matches!(
        enveloped.open(&one.certificate, &ec.key),
        Err(Error::WrongKey { .. })
    ));
    let refused = Enveloped::build(b"c", &[&ec.certificate], cipher, &KeyTransport::Pkcs1v15);
    assert!(matches!(refused, Err(Error::WrongKey { .. })));
    // The right name with another key: an outcome like that of a damaged ciphertext, not an error.
    assert!(enveloped.open(&one.certificate, &two.key).is_ok());
}

#[test]
fn pieces_and_indefinite_lengths_open() {
    let pair = Pair::rsa();
    let content = vec![3; 3000];
    let message = Enveloped::build(
        &content,
        &[&pair.certificate],
        ContentCipher::Aes128Cbc,
        &KeyTransport::Pkcs1v15,
    )
    .unwrap();
    let enveloped = Enveloped::parse(&message).unwrap();
    // The encrypted content in pieces under a constructed [0].
    let at = message.len() - enveloped.encrypted.len();
    let primitive = der::implicit(0, false, &enveloped.encrypted);
    let pieces: Vec<u8> = enveloped
        .encrypted
        .chunks(1000)
        .flat_map(der::octet_string)
        .collect();
    let info_start = at - (primitive.len() - enveloped.encrypted.len());
    assert_eq!(&message[info_start..], primitive);
    let rebuilt = rebuild(&message, &der::implicit(0, true, &pieces));
    for choice in 0..8u8 {
        let ber = loosened(&rebuilt, &mut std::iter::repeat(choice));
        let opened = Enveloped::parse(&ber)
            .unwrap()
            .open(&pair.certificate, &pair.key)
            .unwrap();
        assert!(opened.well_padded());
        assert_eq!(opened.bytes(), content);
    }
    let not_octets = rebuild(&message, &der::implicit(0, true, &der::integer_u64(1)));
    assert!(Enveloped::parse(&not_octets).is_err());
    assert!(Enveloped::parse(&rebuild(&message, &[])).is_err());
}

/// The same message with another last element in its EncryptedContentInfo.
fn rebuild(message: &[u8], encrypted: &[u8]) -> Vec<u8> {
    let mut fields = crate::cms::content(message, oid::ENVELOPED_DATA, "test").unwrap();
    let version = fields.element().unwrap().raw;
    let recipients = fields.element().unwrap().raw;
    let mut info = fields.sequence().unwrap();
    let info = der::seq(&[
        info.element().unwrap().raw,
        info.expect(tag::SEQUENCE).unwrap().raw,
        encrypted,
    ]);
    crate::cms::content_info(
        oid::ENVELOPED_DATA,
        &der::seq(&[version, recipients, &info]),
    )
    .unwrap()
}

#[test]
fn any_octet_of_the_ciphertexts_altered_is_no_error_and_never_the_content() {
    let pair = Pair::rsa();
    let content = [5; 40];
    for transport in [KeyTransport::Pkcs1v15, KeyTransport::oaep(Digest::Sha256)] {
        let message = Enveloped::build(
            &content,
            &[&pair.certificate],
            ContentCipher::Aes128Cbc,
            &transport,
        )
        .unwrap();
        let good = Enveloped::parse(&message).unwrap();
        for at in 0..good.encrypted.len() {
            let mut bad = good.clone();
            bad.encrypted[at] ^= 1;
            let plaintext = bad.open(&pair.certificate, &pair.key).unwrap();
            assert!(
                !plaintext.well_padded() || plaintext.bytes() != content,
                "{at}"
            );
        }
        for at in (0..good.recipients[0].encrypted_key.len()).step_by(16) {
            let mut bad = good.clone();
            bad.recipients[0].encrypted_key[at] ^= 1;
            let plaintext = bad.open(&pair.certificate, &pair.key).unwrap();
            assert!(
                !plaintext.well_padded() || plaintext.bytes() != content,
                "{at}"
            );
            // A random key: never the same outcome twice (but for implicit rejection, which is stable by design).
            assert!(plaintext.bytes().len() <= good.encrypted.len());
        }
        for length in [0, 1, 15, 17] {
            let mut bad = good.clone();
            bad.encrypted.truncate(length);
            assert!(
                !bad.open(&pair.certificate, &pair.key)
                    .unwrap()
                    .well_padded(),
                "{length}"
            );
        }
    }
}
