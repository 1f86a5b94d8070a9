//! What is fuzzed: one function a decoder. Each takes octets as a stranger would send them, and checks besides "no panic,
//! no hang" what must hold of a result.
//!
//! `targets/` has the entry points, `src/seeds.rs` makes the first inputs out of messages that real clients sent.
#![forbid(unsafe_code)]

use std::hint::black_box;

use challenge::{CsrFacts, IntuneSettings, TrustAnchors};
use pki::ber::{self, Limits};
use pki::cms::{self, Enveloped, Signed};
use pki::{Certificate, Crl, Csr, Name, PrivateKey, Serial, SubjectAltNames};
use scep::client::CaCertificates;
use scep::{CryptoMode, get};

pub mod keys;

/// BER to DER: what comes out is DER, and DER stays as it is.
pub fn ber(data: &[u8]) {
    let limits = Limits::default();
    if let Ok(der) = ber::to_der(data, &limits) {
        assert_eq!(
            ber::to_der(&der, &limits).as_ref(),
            Ok(&der),
            "DER is a fixed point"
        );
    }
}

/// Certificates: the octets are kept, and PEM is a way there and back.
pub fn certificate(data: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(data) {
        assert_eq!(certificate.der(), data);
        let again = Certificate::from_pem(certificate.to_pem().as_bytes());
        assert_eq!(again.as_ref().map(Certificate::der), Ok(data));
        black_box((
            certificate.subject().to_string(),
            certificate.subject().common_name(),
        ));
        black_box((
            certificate.sans().to_string(),
            certificate.key_usage(),
            certificate.ext_key_usages(),
        ));
        black_box((
            certificate.serial().to_hex(),
            certificate.is_ca(),
            certificate.ski(),
            certificate.aki(),
        ));
        black_box(
            certificate
                .verify_signature_by(certificate.public_key())
                .is_ok(),
        );
    }
}

/// CSRs: the octets are kept, for the signature is over them.
pub fn csr(data: &[u8]) {
    if let Ok(csr) = Csr::from_der(data) {
        assert_eq!(csr.der(), data);
        black_box((
            csr.subject().to_string(),
            csr.sans().to_string(),
            csr.challenge_password(),
        ));
        black_box((
            csr.key_usage(),
            csr.ext_key_usages(),
            csr.wants_ca(),
            csr.validity_request(chrono::DateTime::UNIX_EPOCH),
        ));
        let verified = csr.verify().is_ok();
        black_box((csr.has_sid_extension(), verified));
        // What verifies here is a proof to the library as well, and nothing is wrong with it.
        if let (true, Some(proof)) = (verified, Csr::proof(data)) {
            assert_eq!(proof.unfit, None);
        }
        // What goes into a certificate is written once: writing it again changes nothing.
        if let Ok(subject) = csr.subject().for_certificate(Name::LONGEST_COMMON_NAME) {
            assert_eq!(subject.attributes().len(), csr.subject().attributes().len());
            assert_eq!(
                subject.for_certificate(Name::LONGEST_COMMON_NAME).as_ref(),
                Ok(&subject)
            );
        }
        if let Ok(key) = csr.public_key().for_certificate() {
            assert_eq!(key.for_certificate().as_ref(), Ok(&key));
            assert_eq!(key.kind(), csr.public_key().kind());
        }
    } else {
        black_box(Csr::proof(data));
    }
}

/// OCSP requests: what comes back in an answer stands in the request, octet for octet.
pub fn ocsp_request(data: &[u8]) {
    if let Ok(request) = ocsp::Request::from_der(data) {
        let holds = |part: &[u8]| data.windows(part.len()).any(|window| window == part);
        assert!((1..=ocsp::request::MOST).contains(&request.certificates.len()));
        for id in &request.certificates {
            assert!(holds(&id.der));
            black_box(id.serial.minimal());
        }
        if let ocsp::Nonce::Asked(nonce) = &request.nonce {
            assert!(!nonce.is_empty() && holds(nonce));
        }
    }
}

/// CRLs.
pub fn crl(data: &[u8]) {
    if let Ok(crl) = Crl::from_der(data) {
        assert_eq!(crl.der(), data);
        black_box((
            crl.number(),
            crl.this_update(),
            crl.next_update(),
            crl.entries().len(),
        ));
    }
}

/// SignedData, with the signature checked.
pub fn signed(data: &[u8]) {
    if let Ok(signed) = Signed::parse(data) {
        black_box((signed.content().map(<[u8]>::len), signed.attributes().len()));
        if signed.check().is_ok() {
            assert!(
                signed.signer_certificate().is_some(),
                "a signature that holds has a signer"
            );
        }
    }
}

/// EnvelopedData: once it is read and names us, something always comes out.
pub fn enveloped(data: &[u8]) {
    let Ok(enveloped) = Enveloped::parse(data) else {
        return;
    };
    black_box((enveloped.recipients().len(), enveloped.cipher().is_ok()));
    for ra in keys::ras() {
        if enveloped.recipient_for(&ra.certificate).is_some() {
            if let Ok(plaintext) = enveloped.open(&ra.certificate, &ra.key) {
                black_box((plaintext.bytes().len(), plaintext.well_padded()));
            }
        }
    }
}

/// Certs-only SignedData: reading what was written gives the same certificates in the same order.
pub fn degenerate(data: &[u8]) {
    if let Ok((certificates, crls)) = cms::parse_degenerate(data) {
        let certificates: Vec<&Certificate> = certificates.iter().collect();
        let crls: Vec<&[u8]> = crls.iter().map(Crl::der).collect();
        let (again, _) = cms::parse_degenerate(&cms::degenerate(&certificates, &crls))
            .expect("what was written is read");
        assert!(again.iter().eq(certificates), "the order is kept");
    }
}

/// PEM bundles and keys.
pub fn pem(data: &[u8]) {
    if let Ok(bundle) = Certificate::bundle_from_pem(data) {
        for certificate in bundle {
            assert!(Certificate::from_der(certificate.der()).is_ok());
        }
    }
    black_box(PrivateKey::from_pem(data).is_ok());
    black_box(PrivateKey::from_pkcs8_der(data).is_ok());
}

/// Text forms: what is written can be read again.
pub fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(name) = Name::parse(text) {
        assert_eq!(Name::from_der(name.der()).as_ref(), Ok(&name));
        black_box(name.to_string());
    }
    // Control characters are for no name; what a certificate holds of them is read as an unknown kind.
    if text.contains(char::is_control) {
        return;
    }
    if let Ok(sans) = SubjectAltNames::parse(text) {
        if let Ok(der) = sans.to_extension_der() {
            let again =
                SubjectAltNames::from_extension_der(&der).expect("what was written is read");
            assert!(sans.same_names(&again));
        }
    }
    if let Ok(serial) = Serial::from_hex(text) {
        assert_eq!(Serial::from_hex(&serial.to_hex()).as_ref(), Ok(&serial));
    }
    let caps = scep::caps::parse(text);
    assert_eq!(scep::caps::parse(&caps.render()), caps);
}

/// The query of a GET, and base64 there and back.
pub fn get_message(data: &[u8]) {
    if !data.is_empty() {
        let text = get::encode_message(data);
        assert_eq!(get::decode_message(&text).as_deref().ok(), Some(data));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let query = get::Query::parse(text);
        if let Some(message) = query.message {
            black_box(get::decode_message(message).is_ok());
        }
        black_box(get::decode_message(text).is_ok());
    }
}

/// A request: opened or refused, never both, in either mode.
pub fn pki_message(data: &[u8]) {
    for mode in [CryptoMode::Modern, CryptoMode::Compatible] {
        if let Ok(opened) = scep::open(data, keys::ras(), mode) {
            assert!(
                opened.reply.transaction_id.is_some(),
                "what is opened can be answered"
            );
        }
    }
}

/// The body of a GetCACert reply.
pub fn ca_cert(data: &[u8]) {
    if let Ok(ca) = CaCertificates::read(data) {
        black_box((
            ca.all().len(),
            ca.ras().len(),
            ca.recipient().is_ok(),
            ca.reply_signers().len(),
        ));
    }
}

/// The reply to a request.
pub fn cert_rep(data: &[u8]) {
    if let Some((request, ra)) = keys::request() {
        black_box(request.open_reply(data, &[ra]).is_ok());
    }
    black_box((
        scep::client::peek_status(data),
        scep::client::peek_fail_info(data),
    ));
}

/// A challenge as it stands in a CSR: what verification accepts, the inspector accepts, and the other way round.
pub fn challenge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    black_box(challenge::looks_like_challenge(text));
    let Some(connector) = keys::connector() else {
        return;
    };
    judge(text, &connector.anchors);
    black_box(challenge::inspect(text, None, &settings(), None, keys::NOW));
}

/// The payload of a challenge whose signature holds: everything behind gate 2.
pub fn claims(data: &[u8]) {
    let Some(connector) = keys::connector() else {
        return;
    };
    let header = br#"{"alg":"ES256"}"#;
    if let Ok(text) = challenge::mint::sign_as_given(header, data, &connector.key) {
        judge(&text, &connector.anchors);
    }
}

/// Trust-anchor files.
pub fn anchors(data: &[u8]) {
    if let Ok(anchors) = TrustAnchors::parse("fuzz.pem", data, keys::NOW) {
        assert!(
            !anchors.anchors().is_empty(),
            "a pool without anchors trusts nobody"
        );
    }
}

fn settings() -> IntuneSettings {
    IntuneSettings {
        audience: Some("https://scep.example/scep/corp".to_owned()),
        ..IntuneSettings::default()
    }
}

fn judge(text: &str, anchors: &TrustAnchors) {
    let csr = CsrFacts {
        common_names: vec!["device-1".to_owned()],
        sans: SubjectAltNames::default(),
    };
    let verdict = challenge::verify(text, anchors, &settings(), &csr, keys::NOW);
    let report = challenge::inspect(text, Some(anchors), &settings(), Some(&csr), keys::NOW);
    if challenge::looks_like_challenge(text) {
        assert_eq!(
            verdict.is_ok(),
            report.refused_by.is_none(),
            "verify and inspect agree"
        );
    }
}
