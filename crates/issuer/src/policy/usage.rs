//! Key usages and extended key usages: a choice among what the policy offers.

use pki::{Csr, KeyKind, KeyUsage, oid};

use super::CertificatePolicy;
use crate::approved::{PolicyRefusal, Rule};

/// id-kp-clientAuth, the usual purpose of a device certificate.
pub const CLIENT_AUTH: &str = oid::EKU_CLIENT_AUTH;

/// Purposes by which clients know an RA: Microsoft's Certificate Request Agent, and id-kp-cmcRA (RFC 6402, section 2.10).
pub(super) const ONLY_FOR_RAS: [&str; 2] = [oid::EKU_REQUEST_AGENT, "1.3.6.1.5.5.7.3.28"];

/// Whether an extended key usage, a dotted identifier, is one by which clients know an RA: no device has it.
#[must_use]
pub fn is_for_ras(usage: &str) -> bool {
    ONLY_FOR_RAS.contains(&usage)
}

/// What may never be in a device's certificate, whatever a policy says.
pub(super) const ONLY_FOR_CAS: KeyUsage = KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN);

/// digitalSignature and keyEncipherment.
#[must_use]
pub fn device_default() -> KeyUsage {
    KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT)
}

impl CertificatePolicy {
    /// What the CSR asks for when all of it is offered, the default when it asks for nothing; in either case only
    /// what a key of its kind can do (RFC 3279, section 2.3.1; RFC 5480, section 3).
    pub(super) fn key_usage_for(
        &self,
        csr: &Csr,
        notes: &mut Vec<String>,
    ) -> Result<KeyUsage, PolicyRefusal> {
        let wanted = csr.key_usage();
        if wanted.is_none() && asks_for(csr, oid::KEY_USAGE) {
            return Err(PolicyRefusal::new(
                Rule::KeyUsage,
                "the key usage of the request cannot be read",
            ));
        }
        let offered = without(
            self.key_usage_allowed.union(self.key_usage_default),
            ONLY_FOR_CAS,
        );
        let wanted = match wanted {
            Some(wanted) if !wanted.is_empty() => wanted,
            _ => both(self.key_usage_default, offered),
        };
        let beyond = without(wanted, offered);
        if !beyond.is_empty() {
            return Err(PolicyRefusal::new(
                Rule::KeyUsage,
                format!("the key usage {beyond} is not allowed; allowed are: {offered}"),
            ));
        }
        let unfit = both(wanted, unfit_for(csr.public_key().kind()));
        if !unfit.is_empty() && csr.key_usage().is_some() {
            notes.push(format!(
                "the key usage {unfit} was left out: a key of this kind cannot do it"
            ));
        }
        let granted = without(wanted, unfit);
        if granted.is_empty() {
            return Err(PolicyRefusal::new(
                Rule::KeyUsage,
                format!("a key of this kind has no use for the key usage {wanted}"),
            ));
        }
        Ok(granted)
    }

    /// What the CSR asks for when all of it is offered, the default when it asks for nothing.
    pub(super) fn ekus_for(&self, csr: &Csr) -> Result<Vec<String>, PolicyRefusal> {
        let wanted = csr.ext_key_usages();
        if wanted.is_empty() {
            if asks_for(csr, oid::EXT_KEY_USAGE) {
                return Err(PolicyRefusal::new(
                    Rule::ExtendedKeyUsage,
                    "the extended key usage of the request cannot be read",
                ));
            }
            return for_devices(self.ekus_default.clone());
        }
        let wanted = for_devices(wanted)?;
        let mut granted: Vec<String> = Vec::with_capacity(wanted.len());
        for purpose in wanted {
            if !self.ekus_allowed.contains(&purpose) && !self.ekus_default.contains(&purpose) {
                return Err(PolicyRefusal::new(
                    Rule::ExtendedKeyUsage,
                    format!(
                        "the extended key usage {} is not allowed",
                        eku_name(&purpose)
                    ),
                ));
            }
            if !granted.contains(&purpose) {
                granted.push(purpose);
            }
        }
        Ok(granted)
    }
}

/// Refuses the purpose by which an RA of this server is known: who has it could pass for one.
fn for_devices(purposes: Vec<String>) -> Result<Vec<String>, PolicyRefusal> {
    let of_ras = |purpose: &&String| ONLY_FOR_RAS.contains(&purpose.as_str());
    if let Some(purpose) = purposes.iter().find(of_ras) {
        return Err(PolicyRefusal::new(
            Rule::ExtendedKeyUsage,
            format!(
                "the extended key usage {} is that of registration authorities, which no device gets",
                eku_name(purpose)
            ),
        ));
    }
    Ok(purposes)
}

/// The bits that both have.
pub(super) fn both(one: KeyUsage, other: KeyUsage) -> KeyUsage {
    KeyUsage::NAMES
        .into_iter()
        .filter(|(bit, _)| one.contains(*bit) && other.contains(*bit))
        .fold(KeyUsage::empty(), |all, (bit, _)| all.union(bit))
}

/// The bits of `one` that `other` has not.
pub(super) fn without(one: KeyUsage, other: KeyUsage) -> KeyUsage {
    KeyUsage::NAMES
        .into_iter()
        .filter(|(bit, _)| one.contains(*bit) && !other.contains(*bit))
        .fold(KeyUsage::empty(), |all, (bit, _)| all.union(bit))
}

fn asks_for(csr: &Csr, oid: &str) -> bool {
    csr.extensions()
        .iter()
        .any(|extension| extension.oid == oid)
}

fn unfit_for(kind: &KeyKind) -> KeyUsage {
    match kind {
        KeyKind::Ec(_) => KeyUsage::KEY_ENCIPHERMENT.union(KeyUsage::DATA_ENCIPHERMENT),
        _ => KeyUsage::KEY_AGREEMENT
            .union(KeyUsage::ENCIPHER_ONLY)
            .union(KeyUsage::DECIPHER_ONLY),
    }
}

/// Purposes that operators and messages call by name.
const NAMED: [(&str, &str); 15] = [
    ("serverAuth", oid::EKU_SERVER_AUTH),
    ("clientAuth", oid::EKU_CLIENT_AUTH),
    ("codeSigning", oid::EKU_CODE_SIGNING),
    ("emailProtection", oid::EKU_EMAIL_PROTECTION),
    ("ipsecEndSystem", "1.3.6.1.5.5.7.3.5"),
    ("ipsecTunnel", "1.3.6.1.5.5.7.3.6"),
    ("ipsecUser", "1.3.6.1.5.5.7.3.7"),
    ("timeStamping", "1.3.6.1.5.5.7.3.8"),
    ("OCSPSigning", oid::EKU_OCSP_SIGNING),
    ("ipsecIKE", "1.3.6.1.5.5.7.3.17"),
    ("encryptingFileSystem", "1.3.6.1.4.1.311.10.3.4"),
    ("certificateRequestAgent", oid::EKU_REQUEST_AGENT),
    ("smartCardLogon", "1.3.6.1.4.1.311.20.2.2"),
    ("pkInitClientAuth", "1.3.6.1.5.2.3.4"),
    ("anyExtendedKeyUsage", "2.5.29.37.0"),
];

/// A purpose for a message: its name, if it has a common one, and the dotted OID.
#[must_use]
pub fn eku_name(dotted: &str) -> String {
    match NAMED.iter().find(|(_, oid)| *oid == dotted) {
        Some((name, _)) => format!("{name} ({dotted})"),
        None => dotted.to_owned(),
    }
}

/// The usual name of a purpose, if it has one.
#[must_use]
pub fn eku_short_name(dotted: &str) -> Option<&'static str> {
    NAMED
        .iter()
        .find(|(_, oid)| *oid == dotted)
        .map(|(name, _)| *name)
}

/// The dotted OID of a purpose given by name (`clientAuth`, `client_auth`, in any case) or already dotted; `None`
/// when it is neither.
#[must_use]
pub fn eku_from_name(text: &str) -> Option<String> {
    let text = text.trim();
    match NAMED.iter().find(|(name, _)| same_words(name, text)) {
        Some((_, dotted)) => Some((*dotted).to_owned()),
        None => oid::from_dotted(text).is_ok().then(|| text.to_owned()),
    }
}

/// The key usage of that name (`digitalSignature`, `digital_signature`, in any case).
#[must_use]
pub fn key_usage_from_name(text: &str) -> Option<KeyUsage> {
    let text = text.trim();
    let text = if same_words("contentCommitment", text) {
        "nonRepudiation"
    } else {
        text
    };
    KeyUsage::NAMES
        .into_iter()
        .find(|(_, name)| same_words(name, text))
        .map(|(bit, _)| bit)
}

fn same_words(name: &str, text: &str) -> bool {
    let letters = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    letters(name) == letters(text)
}
