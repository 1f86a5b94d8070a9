//! A small CA, its RA, and a device, made once.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use pki::{
    Certificate, CertificateBuilder, Csr, Curve, Digest, Extension, KeyKind, KeyUsage, Name,
    PrivateKey, PublicKey, Serial, SubjectAltNames,
};
use scep::client::{Content, Request, RequestBuilder, self_signed};
use scep::{Answer, CryptoMode, FailInfo, OpenError, Opened, RaIdentity, ReplyTo};

pub struct Pair {
    pub certificate: Certificate,
    pub key: PrivateKey,
}

pub struct TestEnv {
    pub root: Pair,
    pub ca: Pair,
    pub ra: RaIdentity,
    pub old_ra: RaIdentity,
    pub device: Pair,
    pub ec_device: Pair,
}

pub static WORLD: LazyLock<TestEnv> = LazyLock::new(TestEnv::make);

pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub fn rsa() -> PrivateKey {
    PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap()
}

/// An RSA key that is too short for a certificate, and long enough to be answered.
pub fn short_rsa() -> PrivateKey {
    let key = openssl::rsa::Rsa::generate(1024).unwrap();
    let key = openssl::pkey::PKey::from_rsa(key).unwrap();
    PrivateKey::from_pkcs8_der(&key.private_key_to_pkcs8().unwrap()).unwrap()
}

impl TestEnv {
    fn make() -> TestEnv {
        let root_key = rsa();
        let root = issue(
            "O=Test, CN=Root",
            None,
            root_key.public_key(),
            &root_key,
            true,
        );
        let ca_key = rsa();
        let ca = issue(
            "O=Test, CN=Issuing",
            Some(&root),
            ca_key.public_key(),
            &root_key,
            true,
        );
        let ra = |name: &str| {
            let key = rsa();
            let certificate = issue(name, Some(&ca), key.public_key(), &ca_key, false);
            RaIdentity { certificate, key }
        };
        let device_key = rsa();
        let ec_key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        TestEnv {
            ra: ra("O=Test, CN=RA"),
            old_ra: ra("O=Test, CN=Old RA"),
            device: own("O=Test, CN=device-1", device_key),
            ec_device: own("O=Test, CN=device-2", ec_key),
            root: Pair {
                certificate: root,
                key: root_key,
            },
            ca: Pair {
                certificate: ca,
                key: ca_key,
            },
        }
    }

    pub fn ras(&self) -> Vec<RaIdentity> {
        vec![self.ra.clone(), self.old_ra.clone()]
    }

    /// A certificate of the issuing CA.
    pub fn certify(&self, subject: &str, key: &PublicKey) -> Certificate {
        issue(
            subject,
            Some(&self.ca.certificate),
            key,
            &self.ca.key,
            false,
        )
    }

    pub fn csr(&self, challenge: Option<&str>) -> Csr {
        csr(&self.device.key, challenge)
    }

    /// A request as the client side makes it, ready for changes.
    pub fn builder<'a>(
        &'a self,
        content: Content<'a>,
        recipients: &'a [&'a Certificate],
    ) -> RequestBuilder<'a> {
        RequestBuilder::new(
            content,
            (&self.device.certificate, &self.device.key),
            recipients,
        )
    }

    pub fn pkcs_req(&self) -> (Csr, Request) {
        let csr = self.csr(Some("s3cret"));
        let request = self
            .builder(Content::PkcsReq(&csr), &[&self.ra.certificate])
            .build()
            .unwrap();
        (csr, request)
    }
}

pub fn own(subject: &str, key: PrivateKey) -> Pair {
    let certificate = self_signed(&Name::parse(subject).unwrap(), &key, now()).unwrap();
    Pair { certificate, key }
}

pub fn csr(key: &PrivateKey, challenge: Option<&str>) -> Csr {
    let subject = Name::parse("O=Test, CN=device-1").unwrap();
    let sans = SubjectAltNames {
        dns: vec!["device-1.example.com".to_owned()],
        ..SubjectAltNames::default()
    };
    Csr::build(&subject, &sans, challenge, &[], key).unwrap()
}

pub fn issue(
    subject: &str,
    issuer: Option<&Certificate>,
    key: &PublicKey,
    signing: &PrivateKey,
    is_ca: bool,
) -> Certificate {
    let subject = Name::parse(subject).unwrap();
    let usage = match is_ca {
        true => KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN,
        false => KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT,
    };
    let mut extensions = vec![
        Extension::basic_constraints(is_ca, None),
        Extension::key_usage(usage),
        Extension::subject_key_id(key),
    ];
    if let Some(issuer) = issuer {
        extensions.push(Extension::authority_key_id(issuer.ski().unwrap()));
    }
    let builder = CertificateBuilder {
        issuer: issuer.map_or_else(|| subject.clone(), |issuer| issuer.subject().clone()),
        subject,
        serial: Serial::random().unwrap(),
        not_before: now() - TimeDelta::days(1),
        not_after: now() + TimeDelta::days(365),
        public_key: key.clone(),
        extensions,
    };
    builder
        .sign(signing, &signing.scheme(Digest::Sha256).unwrap())
        .unwrap()
}

/// Opens with both RA identities.
pub fn open(message: &[u8], mode: CryptoMode) -> Result<Opened, OpenError> {
    scep::open(message, &WORLD.ras(), mode)
}

#[derive(Clone)]
pub struct Refused {
    pub reply: ReplyTo,
    pub fail_info: FailInfo,
    pub text: std::borrow::Cow<'static, str>,
    pub detail: String,
    pub verified: bool,
    pub opaque: bool,
}

/// The refusal of a message that must have one.
pub fn refused(message: &[u8], mode: CryptoMode) -> Refused {
    match open(message, mode) {
        Err(OpenError::Refused {
            reply,
            fail_info,
            text,
            detail,
            verified,
            opaque,
            ..
        }) => Refused {
            reply: *reply,
            fail_info,
            text,
            detail,
            verified,
            opaque,
        },
        Err(OpenError::Unreadable(words)) => panic!("unreadable: {words}"),
        Ok(_) => panic!("it was opened"),
    }
}

/// The CertRep of a refusal.
pub fn failure(refused: &Refused, mode: CryptoMode) -> Vec<u8> {
    let answer = Answer::Failure {
        fail_info: refused.fail_info,
        text: &refused.text,
    };
    scep::cert_rep(&refused.reply, &answer, &WORLD.ra, mode, now()).unwrap()
}
