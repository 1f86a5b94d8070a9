use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::pkcs7::Pkcs7;

use super::Pair;
use crate::ber::tests::loosened;
use crate::cms::{CertificateId, Signed, SignedParts, degenerate, parse_degenerate};
use crate::der::{self, tag};
use crate::{Certificate, CrlBuilder, Digest, Error, KeyTransport, SignatureScheme, oid};

fn parts<'a>(pair: &'a Pair, certificates: &'a [&'a Certificate]) -> SignedParts<'a> {
    SignedParts {
        content_type: oid::DATA,
        content: Some(b"content"),
        certificates,
        signer: (&pair.certificate, &pair.key),
        digest: Digest::Sha256,
        attributes: &[],
        rsa_encryption_oid: true,
    }
}

#[test]
fn what_is_built_is_read_by_us_and_openssl() {
    let type_attribute = [(oid::SCEP_MESSAGE_TYPE, der::printable_string("3"))];
    for pair in [Pair::rsa(), Pair::ec()] {
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512] {
            for rsa_encryption_oid in [true, false] {
                for content in [Some(&b"content"[..]), Some(&[])] {
                    let certificates = [&pair.certificate];
                    let parts = SignedParts {
                        content,
                        digest,
                        rsa_encryption_oid,
                        attributes: &type_attribute,
                        ..parts(&pair, &certificates)
                    };
                    let message = Signed::build(&parts).unwrap();
                    let signed = Signed::parse(&message).unwrap();
                    signed.check().unwrap();
                    assert_eq!(
                        (signed.content_type(), signed.content()),
                        (oid::DATA, content)
                    );
                    assert_eq!(
                        signed.certificates(),
                        std::slice::from_ref(&pair.certificate)
                    );
                    assert_eq!(signed.signer_certificate(), Some(&pair.certificate));
                    assert_eq!(signed.digest(), Ok(digest));
                    assert_eq!(signed.scheme(), pair.key.scheme(digest));
                    assert_eq!(signed.attributes().len(), 3);
                    assert_eq!(
                        signed.attribute(oid::SCEP_MESSAGE_TYPE),
                        Some(type_attribute[0].1.as_slice())
                    );

                    let mut theirs = CmsContentInfo::from_der(&message).unwrap();
                    let mut out = Vec::new();
                    theirs
                        .verify(
                            None,
                            None,
                            None,
                            Some(&mut out),
                            CMSOptions::NO_SIGNER_CERT_VERIFY,
                        )
                        .unwrap();
                    assert_eq!(Some(out.as_slice()), content);
                    rasn::der::decode::<rasn_cms::ContentInfo>(&message).unwrap();
                }
            }
        }
    }
}

#[test]
fn the_signature_algorithm_is_named_as_asked() {
    let pair = Pair::rsa();
    let named = |rsa_encryption_oid| {
        Signed::build(&SignedParts {
            rsa_encryption_oid,
            ..parts(&pair, &[])
        })
        .unwrap()
    };
    let holds = |message: &[u8], algorithm: Vec<u8>| {
        message
            .windows(algorithm.len())
            .any(|window| window == algorithm)
    };
    let own = SignatureScheme::RsaPkcs1(Digest::Sha256).to_identifier();
    let bare = KeyTransport::Pkcs1v15.to_identifier();
    assert!(holds(&named(true), bare.clone()) && !holds(&named(true), own.clone()));
    assert!(holds(&named(false), own) && !holds(&named(false), bare));
    // Without its certificate the message can be read, but not checked.
    let signed = Signed::parse(&named(true)).unwrap();
    assert_eq!(signed.check(), Err(Error::SignerCertificateMissing));
}

#[test]
fn a_message_without_content_is_signed_over_nothing() {
    let pair = Pair::rsa();
    let certificates = [&pair.certificate];
    let message = Signed::build(&SignedParts {
        content: None,
        ..parts(&pair, &certificates)
    })
    .unwrap();
    let signed = Signed::parse(&message).unwrap();
    signed.check().unwrap();
    assert_eq!(signed.content(), None);
}

#[test]
fn messages_of_openssl_are_read() {
    for pair in [Pair::rsa(), Pair::ec()] {
        for options in [
            CMSOptions::BINARY,
            CMSOptions::BINARY | CMSOptions::USE_KEYID,
        ] {
            let message = CmsContentInfo::sign(
                Some(&pair.x509()),
                Some(&pair.pkey()),
                None,
                Some(b"content"),
                options,
            )
            .unwrap();
            let signed = Signed::parse(&message.to_der().unwrap()).unwrap();
            signed.check().unwrap();
            assert_eq!(signed.content(), Some(&b"content"[..]));
            assert_eq!(
                matches!(signed.signer_id(), CertificateId::KeyId(_)),
                options.contains(CMSOptions::USE_KEYID)
            );
            assert_eq!(signed.signer_certificate(), Some(&pair.certificate));
        }
    }
}

#[test]
fn ber_of_every_kind_says_the_same() {
    let pair = Pair::rsa();
    let certificates = [&pair.certificate];
    let message = Signed::build(&parts(&pair, &certificates)).unwrap();
    for choice in 0..16u8 {
        let ber = loosened(&message, &mut std::iter::repeat(choice));
        let signed = Signed::parse(&ber).unwrap();
        assert_eq!(signed.content(), Some(&b"content"[..]));
        signed.check().unwrap();
    }
}

/// Builds a message from its pieces, so that each can be wrong.
struct Forge {
    pair: Pair,
    content_type: &'static str,
    content: Vec<u8>,
    sid: Vec<u8>,
    /// As sent.
    attributes: Vec<Vec<u8>>,
    /// What is signed, where that is not the SET of the attributes as sent.
    signed_over: Option<Vec<u8>>,
    digest_algorithm: Vec<u8>,
    signers: usize,
}

fn attribute(oid: &str, value: Vec<u8>) -> Vec<u8> {
    der::seq(&[&der::oid(oid).unwrap(), &der::set_of(vec![value])])
}

impl Forge {
    fn new(pair: Pair) -> Self {
        let sid = CertificateId::issuer_and_serial(&pair.certificate);
        Self {
            pair,
            content_type: oid::DATA,
            content: b"content".to_vec(),
            sid,
            attributes: vec![
                attribute(oid::CONTENT_TYPE, der::oid(oid::DATA).unwrap()),
                attribute(
                    oid::MESSAGE_DIGEST,
                    der::octet_string(&Digest::Sha256.hash(b"content")),
                ),
            ],
            signed_over: None,
            digest_algorithm: Digest::Sha256.to_identifier(),
            signers: 1,
        }
    }

    fn message(&self) -> Vec<u8> {
        let set = der::tlv(tag::SET, &self.attributes.concat());
        let scheme = self.pair.key.scheme(Digest::Sha256).unwrap();
        let signature = self
            .pair
            .key
            .sign(&scheme, self.signed_over.as_ref().unwrap_or(&set))
            .unwrap();
        let attributes = match self.attributes.as_slice() {
            [] => Vec::new(),
            attributes => der::implicit(0, true, &attributes.concat()),
        };
        let signer = der::seq(&[
            &der::integer_u64(1),
            &self.sid,
            &self.digest_algorithm,
            &attributes,
            &scheme.to_identifier(),
            &der::octet_string(&signature),
        ]);
        let content = der::explicit(0, &der::octet_string(&self.content));
        let signed_data = der::seq(&[
            &der::integer_u64(1),
            &der::set_of(vec![self.digest_algorithm.clone()]),
            &der::seq(&[&der::oid(self.content_type).unwrap(), &content]),
            &der::implicit(0, true, self.pair.certificate.der()),
            &der::tlv(tag::SET, &signer.repeat(self.signers)),
        ]);
        der::seq(&[
            &der::oid(oid::SIGNED_DATA).unwrap(),
            &der::explicit(0, &signed_data),
        ])
    }

    fn check(&self) -> Result<(), Error> {
        Signed::parse(&self.message())?.check()
    }
}

#[test]
fn attributes_in_any_order_verify_over_what_was_signed() {
    let mut forge = Forge::new(Pair::ec());
    forge.check().unwrap();
    let sorted = der::set_of(forge.attributes.clone());
    forge.attributes.reverse();
    assert_ne!(der::tlv(tag::SET, &forge.attributes.concat()), sorted);
    // Signed as sent.
    forge.check().unwrap();
    // Signed in DER order, sent in another.
    forge.signed_over = Some(sorted);
    forge.check().unwrap();
    // Signed in yet another order than either: nobody's signature.
    forge.attributes.reverse();
    forge.signed_over = Some(der::tlv(
        tag::SET,
        &[&forge.attributes[1][..], &forge.attributes[0]].concat(),
    ));
    assert_eq!(forge.check(), Err(Error::BadSignature { what: "message" }));
}

#[test]
fn a_signer_may_be_named_by_key_identifier() {
    let pair = Pair::ec();
    let sid = der::implicit(0, false, &pair.key.public_key().key_id());
    Forge {
        sid,
        ..Forge::new(pair.clone())
    }
    .check()
    .unwrap();
    let sid = der::implicit(0, false, &[1; 20]);
    assert_eq!(
        Forge {
            sid,
            ..Forge::new(pair)
        }
        .check(),
        Err(Error::SignerCertificateMissing)
    );
}

#[test]
fn what_is_wrong_with_the_attributes_is_named() {
    let wrong = |attribute, problem| Err(Error::SignedAttribute { attribute, problem });
    let good = || Forge::new(Pair::ec());
    let [content_type, digest] = [0, 1].map(|index| good().attributes[index].clone());

    let swapped = Forge {
        content: b"another".to_vec(),
        ..good()
    };
    assert_eq!(
        swapped.check(),
        wrong("messageDigest", "not the digest of the content")
    );
    let other_type = Forge {
        content_type: oid::ENVELOPED_DATA,
        ..good()
    };
    assert_eq!(
        other_type.check(),
        wrong("contentType", "not the type of the content")
    );
    let no_digest = Forge {
        attributes: vec![content_type.clone()],
        ..good()
    };
    assert_eq!(no_digest.check(), wrong("messageDigest", "missing"));
    let no_type = Forge {
        attributes: vec![digest.clone()],
        ..good()
    };
    assert_eq!(no_type.check(), wrong("contentType", "missing"));
    let none = Forge {
        attributes: vec![],
        signed_over: Some(b"content".to_vec()),
        ..good()
    };
    assert_eq!(none.check(), wrong("set", "missing"));
    let twice = Forge {
        attributes: vec![content_type.clone(), digest.clone(), digest.clone()],
        ..good()
    };
    assert_eq!(
        twice.check(),
        wrong("set", "not a set: one of them is there twice")
    );
    let value = der::octet_string(&Digest::Sha256.hash(b"content"));
    let two_values = der::seq(&[
        &der::oid(oid::MESSAGE_DIGEST).unwrap(),
        &der::set_of(vec![
            value,
            der::octet_string(&Digest::Sha256.hash(b"another")),
        ]),
    ]);
    let two_values = Forge {
        attributes: vec![content_type, two_values],
        ..good()
    };
    assert_eq!(two_values.check(), wrong("messageDigest", "missing"));
}

#[test]
fn messages_without_exactly_one_signer_and_with_bad_algorithms_are_refused() {
    let good = || Forge::new(Pair::ec());
    for signers in [0, 2] {
        assert!(matches!(
            Forge { signers, ..good() }.check(),
            Err(Error::Malformed { .. })
        ));
    }
    let attributes = vec![
        attribute(oid::CONTENT_TYPE, der::oid(oid::DATA).unwrap()),
        attribute(
            oid::MESSAGE_DIGEST,
            der::octet_string(&Digest::Md5.hash(b"content")),
        ),
    ];
    let md5 = Forge {
        digest_algorithm: Digest::Md5.to_identifier(),
        attributes,
        ..good()
    };
    assert_eq!(
        md5.check(),
        Err(Error::Unsupported {
            what: "digest algorithm",
            oid: oid::MD5.to_owned()
        })
    );
    let unknown = der::seq(&[&der::oid("1.2.3").unwrap()]);
    let unknown = Forge {
        digest_algorithm: unknown,
        ..good()
    };
    let expected = Error::Unsupported {
        what: "digest algorithm",
        oid: "1.2.3".to_owned(),
    };
    assert_eq!(unknown.check(), Err(expected));
}

#[test]
fn another_key_in_a_certificate_of_the_same_name_does_not_verify() {
    let (pair, other) = (Pair::ec(), Pair::rsa());
    let certificates = [&other.certificate];
    let message = Signed::build(&SignedParts {
        signer: (&other.certificate, &pair.key),
        ..parts(&pair, &certificates)
    })
    .unwrap();
    assert!(matches!(
        Signed::parse(&message).unwrap().check(),
        Err(Error::WrongKey { .. })
    ));
}

#[test]
fn the_certs_only_message_keeps_its_order() {
    let pairs = [Pair::rsa(), Pair::ec(), Pair::other_rsa()];
    let crl = CrlBuilder {
        issuer: pairs[1].certificate.subject().clone(),
        entries: Vec::new(),
        number: 1,
        this_update: pairs[1].certificate.not_before(),
        next_update: pairs[1].certificate.not_after(),
        aki: None,
    };
    let key = &pairs[1].key;
    let crl = crl.sign(key, &key.scheme(Digest::Sha256).unwrap()).unwrap();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let certificates = order.map(|index| &pairs[index].certificate);
        for crls in [&[][..], &[crl.der()]] {
            let message = degenerate(&certificates, crls);
            let (read, lists) = parse_degenerate(&message).unwrap();
            assert_eq!(read.iter().collect::<Vec<_>>(), certificates);
            assert_eq!(lists.iter().map(crate::Crl::der).collect::<Vec<_>>(), crls);
            let theirs = Pkcs7::from_der(&message).unwrap();
            let ders: Vec<Vec<u8>> = theirs
                .signed()
                .and_then(|signed| signed.certificates())
                .unwrap()
                .iter()
                .map(|certificate| certificate.to_der().unwrap())
                .collect();
            assert_eq!(
                ders,
                certificates.map(|certificate| certificate.der().to_vec())
            );
        }
    }
    let (none, lists) = parse_degenerate(&degenerate(&[], &[crl.der()])).unwrap();
    assert!(none.is_empty() && lists.len() == 1);
    assert!(Signed::parse(&degenerate(&[&pairs[0].certificate], &[])).is_err());
}
