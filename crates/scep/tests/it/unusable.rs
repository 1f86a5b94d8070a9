//! Requests that their maker has signed well, and that are of no use: the refusal says why, and only then.

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use pki::{Csr, Name, der, oid};
use scep::{CryptoMode, FailInfo};

use crate::forge::{Envelope, Forge, algorithm};
use crate::test_env::{Refused, WORLD, refused};

fn info(spki: &[u8], attributes: &[u8]) -> Vec<u8> {
    der::seq(&[
        &der::integer_u64(0),
        Name::parse("CN=x").unwrap().der(),
        spki,
        &der::implicit(0, true, attributes),
    ])
}

/// A request with this key, signed with it.
fn request(
    key: &PKey<Private>,
    digest: Option<MessageDigest>,
    scheme: &[u8],
    attributes: &[u8],
) -> Vec<u8> {
    let info = info(&key.public_key_to_der().unwrap(), attributes);
    let mut signer = match digest {
        Some(digest) => Signer::new(digest, key).unwrap(),
        None => Signer::new_without_digest(key).unwrap(),
    };
    let signature = signer.sign_oneshot_to_vec(&info).unwrap();
    der::seq(&[&info, scheme, &der::bit_string(0, &signature)])
}

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

fn ec(curve: Nid, form: Asn1Flag) -> PKey<Private> {
    let mut group = EcGroup::from_curve_name(curve).unwrap();
    group.set_asn1_flag(form);
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A request with an RSA key of 9689 bits. Its modulus is a prime, so that it need not be looked for.
fn huge() -> Vec<u8> {
    let mut context = BigNumContext::new().unwrap();
    let one = BigNum::from_u32(1).unwrap();
    let mut modulus = BigNum::new().unwrap();
    modulus.lshift(&one, 9689).unwrap();
    modulus.sub_word(1).unwrap();
    let mut order = modulus.to_owned().unwrap();
    order.sub_word(1).unwrap();
    let exponent = BigNum::from_u32(65_537).unwrap();
    let mut private = BigNum::new().unwrap();
    private
        .mod_inverse(&exponent, &order, &mut context)
        .unwrap();
    let public = Rsa::from_public_components(modulus.to_owned().unwrap(), exponent).unwrap();
    let info = info(&public.public_key_to_der().unwrap(), &[]);
    let digest = der::seq(&[
        &algorithm(oid::SHA256, &der::null()),
        &der::octet_string(&pki::sha256(&info)),
    ]);
    let mut block = vec![0xff; 9689usize.div_ceil(8)];
    block[..2].copy_from_slice(&[0, 1]);
    let at = block.len() - digest.len();
    block[at - 1] = 0;
    block[at..].copy_from_slice(&digest);
    let mut signature = BigNum::new().unwrap();
    signature
        .mod_exp(
            &BigNum::from_slice(&block).unwrap(),
            &private,
            &modulus,
            &mut context,
        )
        .unwrap();
    let length = i32::try_from(block.len()).unwrap();
    let signature = signature.to_vec_padded(length).unwrap();
    let scheme = algorithm(oid::SHA256_WITH_RSA, &der::null());
    der::seq(&[&info, &scheme, &der::bit_string(0, &signature)])
}

fn sent(csr: &[u8]) -> Refused {
    let envelope = Envelope::new(csr).build();
    refused(&Forge::new(Some(envelope)).build(), CryptoMode::Compatible)
}

fn with_broken_signature(csr: &[u8]) -> Vec<u8> {
    let mut csr = csr.to_vec();
    *csr.last_mut().unwrap() ^= 1;
    csr
}

#[test]
fn a_key_or_algorithm_that_is_not_taken_is_named() {
    let sha256 = Some(MessageDigest::sha256());
    let with_rsa = algorithm(oid::SHA256_WITH_RSA, &der::null());
    let ecdsa = der::seq(&[&der::oid(oid::ECDSA_SHA256).unwrap()]);
    let ed25519 = der::seq(&[&der::oid(oid::ED25519).unwrap()]);
    let usual = rsa(2048);
    let named = Asn1Flag::NAMED_CURVE;
    let p224 = ec(Nid::SECP224R1, named);
    let k256 = ec(Nid::SECP256K1, named);
    let explicit = ec(Nid::X9_62_PRIME256V1, Asn1Flag::EXPLICIT_CURVE);
    let edwards = PKey::generate_ed25519().unwrap();
    let signed = |digest, oid| request(&usual, Some(digest), &algorithm(oid, &der::null()), &[]);
    for (name, csr) in [
        ("RSA 512", request(&rsa(512), sha256, &with_rsa, &[])),
        ("RSA 768", request(&rsa(768), sha256, &with_rsa, &[])),
        ("RSA 9689", huge()),
        ("secp224r1", request(&p224, sha256, &ecdsa, &[])),
        ("secp256k1", request(&k256, sha256, &ecdsa, &[])),
        (
            "EC with explicit parameters",
            request(&explicit, sha256, &ecdsa, &[]),
        ),
        ("Ed25519", request(&edwards, None, &ed25519, &[])),
        ("RSA-MD5", signed(MessageDigest::md5(), oid::MD5_WITH_RSA)),
        (
            "RSA-SHA224",
            signed(MessageDigest::sha224(), "1.2.840.113549.1.1.14"),
        ),
        (
            "with-sha3-256",
            signed(MessageDigest::sha3_256(), "2.16.840.1.101.3.4.3.14"),
        ),
    ] {
        let got = sent(&csr);
        assert_eq!(got.fail_info, FailInfo::BadAlg, "{name}: {}", got.detail);
        assert!(got.text.contains(name), "{name}: {}", got.text);
        assert!(!got.opaque, "{name}");

        let got = sent(&with_broken_signature(&csr));
        assert_eq!(got.fail_info, FailInfo::BadMessageCheck, "{name}");
        assert!(got.opaque && !got.text.contains(name), "{name}");
    }
}

#[test]
fn a_part_that_cannot_be_read_is_named() {
    let key = rsa(2048);
    let attribute = |oid: &str, values: Vec<Vec<u8>>| {
        der::seq(&[&der::oid(oid).unwrap(), &der::set_of(values)])
    };
    let extension =
        |oid: &str, value: &[u8]| der::seq(&[&der::oid(oid).unwrap(), &der::octet_string(value)]);
    let asking =
        |extensions: &[&[u8]]| attribute(oid::EXTENSION_REQUEST, vec![der::seq(extensions)]);
    let challenge = attribute(oid::CHALLENGE_PASSWORD, vec![der::printable_string("a")]);
    let usage = extension(oid::KEY_USAGE, &der::bit_string(5, &[0xa0]));
    for (name, attributes) in [
        (
            "keyUsage",
            asking(&[&extension(oid::KEY_USAGE, &der::null())]),
        ),
        (
            "extKeyUsage",
            asking(&[&extension(oid::EXT_KEY_USAGE, &der::null())]),
        ),
        (
            "subjectAltName",
            asking(&[&extension(oid::SUBJECT_ALT_NAME, &der::null())]),
        ),
        ("extension is there twice", asking(&[&usage, &usage])),
        (
            "challengePassword is there twice",
            [challenge.clone(), challenge].concat(),
        ),
    ] {
        let scheme = algorithm(oid::SHA256_WITH_RSA, &der::null());
        let csr = request(&key, Some(MessageDigest::sha256()), &scheme, &attributes);
        assert!(Csr::from_der(&csr).is_err(), "{name}");
        let got = sent(&csr);
        assert_eq!(got.fail_info, FailInfo::BadRequest, "{name}: {}", got.text);
        assert!(got.text.contains(name), "{name}: {}", got.text);
        let got = sent(&with_broken_signature(&csr));
        assert_eq!(got.fail_info, FailInfo::BadMessageCheck, "{name}");
    }
}

#[test]
fn a_signer_whose_key_is_too_short_for_the_reply_is_told_so_first() {
    use pki::{ContentCipher, Digest, KeyTransport};
    let device = crate::test_env::own("CN=short", crate::test_env::short_rsa());
    let csr = WORLD.csr(None);
    let recipients = [&WORLD.ra.certificate];
    for (digest, fits) in [(Digest::Sha256, true), (Digest::Sha512, false)] {
        let request = scep::client::RequestBuilder::new(
            scep::client::Content::PkcsReq(&csr),
            (&device.certificate, &device.key),
            &recipients,
        )
        .cipher(ContentCipher::Aes256Cbc)
        .key_transport(KeyTransport::oaep(digest))
        .build()
        .unwrap();
        if fits {
            assert!(crate::test_env::open(request.message(), CryptoMode::Modern).is_ok());
        } else {
            let got = refused(request.message(), CryptoMode::Modern);
            assert_eq!(got.fail_info, FailInfo::BadAlg, "{}", got.detail);
            assert!(got.text.contains("shorter digest"), "{}", got.text);
        }
    }
}
