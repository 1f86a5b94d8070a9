//! A CA that makes certificates from CSRs as they ask, and not as they ask.

use chrono::{DateTime, Duration, SubsecRound as _, Utc};
use pki::{
    Certificate, CertificateBuilder, CrlBuilder, Csr, Curve, Digest, Extension, KeyKind, KeyUsage,
    Name, PrivateKey, RevocationReason, RevokedEntry, Serial, SubjectAltNames,
};

/// In what a certificate differs from what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    None,
    /// Ends so many days earlier.
    Clips(i64),
    AddsAnEku,
    DropsNames,
    SwapsTheKey,
    /// Signed by another CA of the same name.
    IsAnImpostor,
    /// As for an RA.
    IsForAnRa,
}

/// Each way in which a certificate can be wrong, with the field that tells.
pub(crate) const WRONG: [(Twist, &str); 5] = [
    (Twist::Clips(30), "notAfter"),
    (Twist::AddsAnEku, "extKeyUsage"),
    (Twist::DropsNames, "subjectAltName (DNS)"),
    (Twist::SwapsTheKey, "subjectPublicKeyInfo"),
    (Twist::IsAnImpostor, "signature"),
];

pub(crate) struct Maker {
    pub(crate) ca: Certificate,
    key: PrivateKey,
    pub(crate) revoked: Vec<(Serial, RevocationReason)>,
    pub(crate) made: Vec<Certificate>,
}

impl Maker {
    pub(crate) fn new(name: &str) -> Self {
        let name = Name::parse(name).unwrap();
        let since = Utc::now() - Duration::minutes(1);
        let kind = KeyKind::Ec(Curve::P256);
        let (ca, key) = issuer::create_root(&name, kind, since, 10).unwrap();
        Self {
            ca,
            key,
            revoked: Vec::new(),
            made: Vec::new(),
        }
    }

    /// Signs with another CA from now on.
    pub(crate) fn rolls_over(&mut self, name: &str) {
        let next = Self::new(name);
        (self.ca, self.key) = (next.ca, next.key);
    }

    pub(crate) fn make(
        &mut self,
        csr: &Csr,
        not_after: DateTime<Utc>,
        twist: Twist,
    ) -> Certificate {
        self.make_as(csr, csr.subject(), csr.sans(), not_after, twist)
    }

    /// With other names than the request has.
    pub(crate) fn make_as(
        &mut self,
        csr: &Csr,
        subject: &Name,
        sans: &SubjectAltNames,
        not_after: DateTime<Utc>,
        twist: Twist,
    ) -> Certificate {
        let clipped = match twist {
            Twist::Clips(days) => Duration::days(days),
            _ => Duration::zero(),
        };
        let other = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let key = match twist {
            Twist::SwapsTheKey => other.public_key(),
            _ => csr.public_key(),
        };
        let mut ekus = match twist {
            Twist::IsForAnRa => vec!["1.3.6.1.4.1.311.20.2.1"],
            _ => vec!["1.3.6.1.5.5.7.3.2"],
        };
        ekus.extend((twist == Twist::AddsAnEku).then_some("1.3.6.1.5.5.7.3.1"));
        let usage = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT);
        let mut extensions = vec![
            Extension::key_usage(usage),
            Extension::ext_key_usage(&ekus).unwrap(),
            Extension::subject_key_id(key),
            Extension::authority_key_id(self.ca.ski().unwrap()),
        ];
        if !sans.is_empty() && twist != Twist::DropsNames {
            extensions.push(Extension::subject_alt_names(sans, subject).unwrap());
        }
        let builder = CertificateBuilder {
            subject: subject.clone(),
            issuer: self.ca.subject().clone(),
            serial: Serial::random().unwrap(),
            not_before: Utc::now().trunc_subsecs(0) - Duration::seconds(30),
            not_after: not_after.trunc_subsecs(0) - clipped,
            public_key: key.clone(),
            extensions,
        };
        let signer = match twist {
            Twist::IsAnImpostor => &other,
            _ => &self.key,
        };
        let scheme = signer.scheme(Digest::Sha256).unwrap();
        let made = builder.sign(signer, &scheme).unwrap();
        self.made.push(made.clone());
        made
    }

    pub(crate) fn crl(&self) -> Vec<u8> {
        let now = Utc::now().trunc_subsecs(0);
        let entries = self.revoked.iter().map(|(serial, reason)| RevokedEntry {
            serial: serial.clone(),
            revoked_at: now,
            reason: Some(*reason),
        });
        let builder = CrlBuilder {
            issuer: self.ca.subject().clone(),
            entries: entries.collect(),
            number: 1 + self.revoked.len() as u64,
            this_update: now,
            next_update: now + Duration::days(3),
            aki: self.ca.ski().map(<[u8]>::to_vec),
        };
        let scheme = self.key.scheme(Digest::Sha256).unwrap();
        builder.sign(&self.key, &scheme).unwrap().der().to_vec()
    }
}

/// The octets of a PEM block.
pub(crate) fn unarmoured(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let text: String = lines.map(str::trim).collect();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
