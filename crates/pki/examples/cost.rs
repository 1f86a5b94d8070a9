//! What each step of an enrollment costs: `cargo run --release -p pki --example cost`.
// A measurement reads the clock and prints.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use pki::cms::{Enveloped, Signed, SignedParts, degenerate};
use pki::{
    Certificate, CertificateBuilder, ContentCipher, CrlBuilder, Csr, Curve, Digest, Extension,
    KeyKind, KeyTransport, PrivateKey, RevocationReason, RevokedEntry, Serial, SignatureScheme,
    SubjectAltNames, oid,
};

fn main() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vectors");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let ca = Certificate::from_pem(&read("keys/ca.pem")).unwrap();
    let key = PrivateKey::from_pem(&read("keys/ca.key")).unwrap();
    let der = read("certmonger-pkcsreq-get.p7");
    let ber = read("jscep-pkcsreq-post.p7");

    println!("{}", pki::openssl_version());
    time("read a signed message, DER", || {
        Signed::parse(&der).unwrap()
    });
    time("read a signed message, BER", || {
        Signed::parse(&ber).unwrap()
    });
    time("  the pass over the BER alone", || {
        pki::ber::to_der(&ber, &pki::ber::Limits::default()).unwrap()
    });
    time("  rasn: ContentInfo, SignedData", || {
        let info: rasn_cms::ContentInfo = rasn::ber::decode(&der).unwrap();
        rasn::ber::decode::<rasn_cms::SignedData>(info.content.as_bytes()).unwrap()
    });
    let signed = Signed::parse(&der).unwrap();
    time("check its signature, a new key each time", || {
        Signed::parse(&der).unwrap().check().unwrap()
    });
    time("check its signature again", || signed.check().unwrap());
    let content = signed.content().unwrap();
    time("read an envelope", || Enveloped::parse(content).unwrap());
    time("  rasn: ContentInfo, EnvelopedData", || {
        let info: rasn_cms::ContentInfo = rasn::ber::decode(content).unwrap();
        rasn::ber::decode::<rasn_cms::EnvelopedData>(info.content.as_bytes()).unwrap()
    });
    let enveloped = Enveloped::parse(content).unwrap();
    time("open it", || enveloped.open(&ca, &key).unwrap());
    let plaintext = enveloped.open(&ca, &key).unwrap();
    time("read a CSR", || Csr::from_der(plaintext.bytes()).unwrap());
    time("read a CSR and check it", || {
        Csr::from_der(plaintext.bytes()).unwrap().verify().unwrap()
    });
    let csr = Csr::from_der(plaintext.bytes()).unwrap();

    let ec = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let revoked = || RevokedEntry {
        serial: Serial::random().unwrap(),
        revoked_at: ca.not_before(),
        reason: Some(RevocationReason::Superseded),
    };
    let list = CrlBuilder {
        issuer: ca.subject().clone(),
        entries: (0..100_000).map(|_| revoked()).collect(),
        number: 1,
        this_update: ca.not_before(),
        next_update: ca.not_after(),
        aki: None,
    };
    let crl_scheme = ec.scheme(Digest::Sha256).unwrap();
    time("sign a CRL of 100,000", || {
        list.sign(&ec, &crl_scheme).unwrap()
    });
    let builder = CertificateBuilder {
        subject: csr.subject().clone(),
        issuer: ca.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: ca.not_before(),
        not_after: ca.not_after(),
        public_key: csr.public_key().clone(),
        extensions: vec![
            Extension::basic_constraints(false, None),
            Extension::ext_key_usage(&[oid::EKU_CLIENT_AUTH]).unwrap(),
            Extension::subject_key_id(csr.public_key()),
            Extension::authority_key_id(ca.ski().unwrap()),
            Extension::subject_alt_names(
                &SubjectAltNames::parse("dns:a.example").unwrap(),
                csr.subject(),
            )
            .unwrap(),
            Extension::crl_distribution_points(&["http://h/crl"]).unwrap(),
        ],
    };
    let rsa_scheme = SignatureScheme::RsaPkcs1(Digest::Sha256);
    let ec_scheme = SignatureScheme::Ecdsa(Digest::Sha256);
    time("make a certificate, RSA", || {
        builder.sign(&key, &rsa_scheme).unwrap()
    });
    time("make a certificate, P-256", || {
        builder.sign(&ec, &ec_scheme).unwrap()
    });
    let certificate = builder.sign(&key, &rsa_scheme).unwrap();
    time("read a certificate", || {
        Certificate::from_der(certificate.der()).unwrap()
    });
    let inner = degenerate(&[&certificate], &[]);
    let to = [signed.signer_certificate().unwrap()];
    let seal = || {
        Enveloped::build(
            &inner,
            &to,
            ContentCipher::Aes256Cbc,
            &KeyTransport::Pkcs1v15,
        )
        .unwrap()
    };
    time("encrypt the reply, a known key", seal);
    let outer = seal();
    let parts = SignedParts {
        content_type: oid::DATA,
        content: Some(&outer),
        certificates: &[&ca],
        signer: (&ca, &key),
        digest: Digest::Sha256,
        attributes: &[(oid::SCEP_TRANSACTION_ID, pki::der::printable_string("1"))],
        rsa_encryption_oid: true,
    };
    time("sign the reply", || Signed::build(&parts).unwrap());

    println!();
    let message = [7; 64];
    let signature = key.sign(&rsa_scheme, &message).unwrap();
    time("RSA sign", || key.sign(&rsa_scheme, &message).unwrap());
    time("P-256 sign", || ec.sign(&ec_scheme, &message).unwrap());
    let public = key.public_key();
    time("RSA verify", || {
        public.verify(&rsa_scheme, &message, &signature).unwrap()
    });
    time("RSA encrypt", || {
        public
            .encrypt(&KeyTransport::Pkcs1v15, &message[..32])
            .unwrap()
    });
    time("RSA key: factors, ROCA, Fermat", || public.weakness());
    time("RSA key: is the modulus a prime", || {
        public.has_prime_modulus()
    });
    let spki = public.spki_der();
    time("RSA verify, a new key each time", || {
        pki::PublicKey::from_spki_der(spki)
            .unwrap()
            .verify(&rsa_scheme, &message, &signature)
            .unwrap();
    });
    let bits = &spki[spki.len() - 270..];
    time("ring RSA verify, a new key each time", || {
        ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, bits)
            .verify(&message, &signature)
            .unwrap();
    });
    println!();
    time("one enrollment, RSA CA", || {
        enrollment(&der, &ca, &key, &builder, &key, &rsa_scheme);
    });
    time("one enrollment, P-256 CA", || {
        enrollment(&der, &ca, &key, &builder, &ec, &ec_scheme);
    });
}

/// All the cryptography of one enrollment, from the octets of the request to those of the reply.
fn enrollment(
    der: &[u8],
    ra: &Certificate,
    ra_key: &PrivateKey,
    builder: &CertificateBuilder,
    ca_key: &PrivateKey,
    scheme: &SignatureScheme,
) -> Vec<u8> {
    let signed = Signed::parse(der).unwrap();
    signed.check().unwrap();
    let plaintext = Enveloped::parse(signed.content().unwrap())
        .unwrap()
        .open(ra, ra_key)
        .unwrap();
    let csr = Csr::from_der(plaintext.bytes()).unwrap();
    csr.verify().unwrap();
    let certificate = builder.sign(ca_key, scheme).unwrap();
    let to = [signed.signer_certificate().unwrap()];
    let inner = degenerate(&[&certificate], &[]);
    let outer = Enveloped::build(
        &inner,
        &to,
        ContentCipher::Aes256Cbc,
        &KeyTransport::Pkcs1v15,
    )
    .unwrap();
    Signed::build(&SignedParts {
        content_type: oid::DATA,
        content: Some(&outer),
        certificates: &[ra],
        signer: (ra, ra_key),
        digest: Digest::Sha256,
        attributes: &[],
        rsa_encryption_oid: true,
    })
    .unwrap()
}

/// The best of many short rounds: other work on the machine makes a round slower, never faster.
fn time<T>(what: &str, mut run: impl FnMut() -> T) {
    let start = Instant::now();
    black_box(run());
    let runs = (500e-6 / start.elapsed().as_secs_f64()).clamp(1.0, 200.0) as u32;
    let mut best = f64::MAX;
    let begin = Instant::now();
    while begin.elapsed().as_millis() < 500 {
        let start = Instant::now();
        for _ in 0..runs {
            black_box(run());
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(runs));
    }
    println!("{what:45} {:9.2} us", best * 1e6);
}
