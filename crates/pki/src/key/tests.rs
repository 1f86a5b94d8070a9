#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::{Digest, Error, KeyTransport, SignatureScheme, der};

fn rsa() -> PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap())
        .clone()
}

#[test]
fn signatures_verify_and_altered_ones_do_not() {
    let ec = |curve| PrivateKey::generate(KeyKind::Ec(curve)).unwrap();
    let cases = [
        (rsa(), SignatureScheme::RsaPkcs1(Digest::Sha1)),
        (rsa(), SignatureScheme::RsaPkcs1(Digest::Sha256)),
        (rsa(), SignatureScheme::RsaPkcs1(Digest::Sha512)),
        (
            rsa(),
            SignatureScheme::RsaPss {
                digest: Digest::Sha256,
                mgf: Digest::Sha256,
                salt_len: 32,
            },
        ),
        (
            rsa(),
            SignatureScheme::RsaPss {
                digest: Digest::Sha384,
                mgf: Digest::Sha1,
                salt_len: 7,
            },
        ),
        (ec(Curve::P256), SignatureScheme::Ecdsa(Digest::Sha256)),
        (ec(Curve::P384), SignatureScheme::Ecdsa(Digest::Sha384)),
        (ec(Curve::P521), SignatureScheme::Ecdsa(Digest::Sha512)),
    ];
    for (key, scheme) in cases {
        let mut signature = key.sign(&scheme, b"message").unwrap();
        let public = key.public_key();
        public.verify(&scheme, b"message", &signature).unwrap();
        let bad = Err(Error::BadSignature { what: "message" });
        assert_eq!(
            public.verify(&scheme, b"messagf", &signature),
            bad,
            "{scheme:?}"
        );
        assert_eq!(
            public.verify(&scheme, b"message", &signature[1..]),
            bad,
            "{scheme:?}"
        );
        assert_eq!(public.verify(&scheme, b"message", b""), bad, "{scheme:?}");
        *signature.last_mut().unwrap() ^= 1;
        assert_eq!(
            public.verify(&scheme, b"message", &signature),
            bad,
            "{scheme:?}"
        );
    }
}

#[test]
fn a_scheme_for_another_kind_of_key_and_md5_are_refused() {
    let ec = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    assert!(matches!(
        ec.sign(&SignatureScheme::RsaPkcs1(Digest::Sha256), b""),
        Err(Error::WrongKey { .. })
    ));
    assert!(matches!(
        rsa().sign(&SignatureScheme::Ecdsa(Digest::Sha256), b""),
        Err(Error::WrongKey { .. })
    ));
    let md5 = SignatureScheme::RsaPkcs1(Digest::Md5);
    assert!(matches!(
        rsa().sign(&md5, b""),
        Err(Error::Unsupported { .. })
    ));
    assert!(matches!(
        rsa().public_key().verify(&md5, b"", b""),
        Err(Error::Unsupported { .. })
    ));
    assert!(matches!(
        ec.public_key().encrypt(&KeyTransport::Pkcs1v15, b"k"),
        Err(Error::WrongKey { .. })
    ));
    assert!(matches!(
        ec.decrypt_content_key(&KeyTransport::Pkcs1v15, b"k", 16),
        Err(Error::WrongKey { .. })
    ));
    assert!(PrivateKey::generate(KeyKind::Rsa { bits: 1024 }).is_err());
}

#[test]
fn keys_survive_the_round_trip() {
    for kind in [
        KeyKind::Rsa { bits: 2048 },
        KeyKind::Ec(Curve::P256),
        KeyKind::Ec(Curve::P384),
    ] {
        let key = PrivateKey::generate(kind.clone()).unwrap();
        assert_eq!(*key.kind(), kind);
        let pem = key.to_pkcs8_pem().unwrap();
        let again = PrivateKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(
            PublicKey::from_spki_der(key.public_key().spki_der()).unwrap(),
            *key.public_key()
        );
    }
}

#[test]
fn older_pem_forms_are_read_and_encrypted_ones_named() {
    let rsa = Rsa::generate(2048).unwrap();
    let old = rsa.private_key_to_pem().unwrap();
    assert_eq!(
        *PrivateKey::from_pem(&old).unwrap().kind(),
        KeyKind::Rsa { bits: 2048 }
    );
    let cipher = openssl::symm::Cipher::aes_128_cbc();
    let pkcs8 = PKey::from_rsa(rsa.clone())
        .unwrap()
        .private_key_to_pem_pkcs8_passphrase(cipher, b"pass")
        .unwrap();
    for pem in [
        rsa.private_key_to_pem_passphrase(cipher, b"pass").unwrap(),
        pkcs8,
    ] {
        let Err(Error::Malformed { problem, .. }) = PrivateKey::from_pem(&pem) else {
            panic!("read an encrypted key")
        };
        assert!(problem.contains("encrypted"), "{problem}");
    }
}

#[test]
fn content_keys_come_back() {
    let content_key = [7; 24];
    for transport in [
        KeyTransport::Pkcs1v15,
        KeyTransport::oaep(Digest::Sha1),
        KeyTransport::oaep(Digest::Sha256),
        KeyTransport::Oaep {
            digest: Digest::Sha512,
            mgf: Digest::Sha1,
        },
    ] {
        let encrypted = rsa()
            .public_key()
            .encrypt(&transport, &content_key)
            .unwrap();
        let decrypted = rsa()
            .decrypt_content_key(&transport, &encrypted, 24)
            .unwrap();
        assert_eq!(decrypted.as_slice(), content_key, "{transport:?}");
    }
}

#[test]
fn whatever_is_wrong_a_key_of_the_right_length_comes_out() {
    assert!(implicit_rejection_available());
    let public = rsa().public_key().clone();
    for transport in [KeyTransport::Pkcs1v15, KeyTransport::oaep(Digest::Sha256)] {
        let good = public.encrypt(&transport, &[7; 16]).unwrap();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for encrypted in [
            &flipped,
            &good[1..].to_vec(),
            &[0xff; 256].to_vec(),
            &[0; 256].to_vec(),
            &Vec::new(),
        ] {
            let key = rsa()
                .decrypt_content_key(&transport, encrypted, 16)
                .unwrap();
            assert_eq!(key.len(), 16);
            assert_ne!(key.as_slice(), [7; 16]);
        }
        // A good decryption of another length than the cipher's.
        let longer = rsa().decrypt_content_key(&transport, &good, 32).unwrap();
        assert_eq!(longer.len(), 32);
        assert_ne!(&longer[..16], [7; 16]);
    }
}

#[test]
fn unusable_keys_are_named_and_do_nothing() {
    let ed = PKey::generate_ed25519()
        .unwrap()
        .public_key_to_der()
        .unwrap();
    let ed = PublicKey::from_spki_der(&ed).unwrap();
    assert_eq!(ed.kind().to_string(), "Ed25519");
    assert!(matches!(
        ed.verify(&SignatureScheme::Ecdsa(Digest::Sha256), b"", b""),
        Err(Error::WrongKey { .. })
    ));
    let small = PKey::from_rsa(Rsa::generate(512).unwrap())
        .unwrap()
        .public_key_to_der()
        .unwrap();
    let small = PublicKey::from_spki_der(&small).unwrap();
    assert_eq!(*small.kind(), KeyKind::Rsa { bits: 512 });
    assert!(matches!(
        small.verify(&SignatureScheme::RsaPkcs1(Digest::Sha256), b"", &[1; 64]),
        Err(Error::WrongKey { .. })
    ));
    assert!(!openssl_version().is_empty());
}

#[test]
fn the_key_id_is_the_digest_of_the_bit_string() {
    let key = rsa();
    let spki = PKey::public_key_from_der(key.public_key().spki_der()).unwrap();
    let bits = spki.rsa().unwrap().public_key_to_der_pkcs1().unwrap();
    assert_eq!(key.public_key().key_id().to_vec(), Digest::Sha1.hash(&bits));
}

#[test]
fn the_same_key_in_another_encoding_is_the_same_key() {
    let key = rsa();
    let bits = PKey::public_key_from_der(key.public_key().spki_der())
        .unwrap()
        .rsa()
        .unwrap();
    let bits = bits.public_key_to_der_pkcs1().unwrap();
    // The same numbers, the algorithm without its NULL.
    let bare = der::seq(&[
        &der::seq(&[&der::oid(crate::oid::RSA_ENCRYPTION).unwrap()]),
        &der::bit_string(0, &bits),
    ]);
    let bare = PublicKey::from_spki_der(&bare).unwrap();
    assert_ne!(bare.spki_der(), key.public_key().spki_der());
    assert_eq!(&bare, key.public_key());
    assert_ne!(
        bare,
        *PrivateKey::generate(KeyKind::Ec(Curve::P256))
            .unwrap()
            .public_key()
    );
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(PublicKey::from_spki_der(&octets).is_err());
        prop_assert!(PrivateKey::from_pkcs8_der(&octets).is_err());
        prop_assert!(PrivateKey::from_pem(&octets).is_err());
    }

    #[test]
    fn a_damaged_public_key_never_panics(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let ec = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        for key in [rsa(), ec] {
            let scheme = key.scheme(Digest::Sha256).unwrap();
            let signature = key.sign(&scheme, b"m").unwrap();
            let mut spki = key.public_key().spki_der().to_vec();
            let at = at.index(spki.len());
            spki[at] ^= flip;
            if let Ok(damaged) = PublicKey::from_spki_der(&spki)
                && damaged != *key.public_key()
            {
                prop_assert!(damaged.verify(&scheme, b"m", &signature).is_err());
                let _ = damaged.encrypt(&KeyTransport::Pkcs1v15, b"k");
            }
        }
    }
}
