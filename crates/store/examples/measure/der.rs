//! Certificates that nobody signed: one that was, with other names, numbers, keys and signatures in their places.

use std::error::Error;
use std::ops::Range;
use std::sync::OnceLock;

use chrono::Duration;
use pki::{
    CertificateBuilder, Digest, Extension, KeyKind, KeyUsage, Name, PrivateKey, Serial,
    SubjectAltNames, oid,
};

use crate::records::{at, random};

/// As wide as the number in the template's names.
const DIGITS: &str = "000000000";

/// A certificate for an RSA key, signed by an RSA CA, both of 2048 bits.
struct Template {
    der: Vec<u8>,
    serial: Range<usize>,
    /// Where numbers of the device are.
    digits: Vec<Range<usize>>,
    /// What is random in every certificate: the key, its identifier, the signature.
    random: Vec<Range<usize>>,
}

/// As a certificate of device `n` is, but for its key and signature.
pub(super) fn certificate(n: u64, serial: &[u8; 20]) -> Result<Vec<u8>, Box<dyn Error>> {
    static TEMPLATE: OnceLock<Result<Template, String>> = OnceLock::new();
    let template = TEMPLATE
        .get_or_init(|| template().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(Clone::clone)?;
    let mut der = template.der.clone();
    der[template.serial.clone()].copy_from_slice(serial);
    for place in &template.digits {
        der[place.clone()].copy_from_slice(format!("{:09}", n % 1_000_000_000).as_bytes());
    }
    for place in &template.random {
        let octets = random::<256>()?;
        der[place.clone()].copy_from_slice(&octets[..place.len()]);
    }
    Ok(der)
}

fn template() -> Result<Template, Box<dyn Error>> {
    let rsa = KeyKind::Rsa { bits: 2048 };
    let (ca, device) = (
        PrivateKey::generate(rsa.clone())?,
        PrivateKey::generate(rsa)?,
    );
    let serial = Serial::random()?;
    let subject = Name::parse(&format!("CN=Device-{DIGITS}, O=Corp"))?;
    let names = format!("dns:device-{DIGITS}.corp.example, upn:user{DIGITS}@corp.example");
    let extensions = vec![
        Extension::basic_constraints(false, None),
        Extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
        Extension::ext_key_usage(&[oid::EKU_CLIENT_AUTH])?,
        Extension::subject_key_id(device.public_key()),
        Extension::authority_key_id(&ca.public_key().key_id()),
        Extension::subject_alt_names(&SubjectAltNames::parse(&names)?, &subject)?,
        Extension::crl_distribution_points(&["http://pki.corp.example/crl/local.crl"])?,
        Extension::authority_info_access(
            &["http://pki.corp.example/ocsp/local"],
            &["http://pki.corp.example/ca/local.cer"],
        )?,
    ];
    let builder = CertificateBuilder {
        subject,
        issuer: Name::parse("CN=Corp Issuing CA 1, O=Corp")?,
        serial: serial.clone(),
        not_before: at(0) - Duration::minutes(5),
        not_after: at(0) + Duration::days(365),
        public_key: device.public_key().clone(),
        extensions,
    };
    let der = builder
        .sign(&ca, &ca.scheme(Digest::Sha256)?)?
        .der()
        .to_vec();
    // The modulus stands before the exponent, 5 octets, at the end of the key.
    let spki = device.public_key().spki_der();
    let modulus = spki.get(spki.len() - 261..spki.len() - 5);
    let key = modulus.ok_or("the key is short")?;
    let one = |octets: &[u8]| {
        places(&der, octets)
            .into_iter()
            .next()
            .ok_or("it is not there")
    };
    let random = vec![
        one(key)?,
        one(&device.public_key().key_id())?,
        der.len() - 256..der.len(),
    ];
    Ok(Template {
        serial: one(serial.as_bytes())?,
        digits: places(&der, DIGITS.as_bytes()),
        random,
        der,
    })
}

/// Where these octets are.
fn places(der: &[u8], octets: &[u8]) -> Vec<Range<usize>> {
    let windows = der.windows(octets.len()).enumerate();
    let found = windows.filter(|(_, window)| *window == octets);
    found.map(|(from, _)| from..from + octets.len()).collect()
}
