//! Is a certificate what was approved?
//!
//! Whoever issues elsewhere has rules of its own, and may add, drop or change anything. Its certificate is delivered only
//! when each field is what policy agreed to, or one of the few that are the CA's own.

use chrono::{DateTime, Duration, Utc};
use pki::{Certificate, Digest, Extension, KeyUsage, Name, PublicKey, SignatureScheme, oid};
use std::collections::BTreeSet;
use std::fmt;

use crate::policy::LONGEST_BACKDATE;
use crate::policy::usage::eku_name;
use crate::{Approved, Authority};

/// The first field in which a certificate is not what was approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: approved {approved}, but the certificate has {found}")]
pub struct Difference {
    /// The field, as RFC 5280 calls it.
    pub field: &'static str,
    /// What was approved, in words.
    pub approved: String,
    /// What the certificate has. Text from it is quoted, escaped and cut.
    pub found: String,
}

/// Extensions that a certificate may mark critical: each is looked at here, or means nothing for a device.
const MAY_BE_CRITICAL: [&str; 6] = [
    oid::KEY_USAGE,
    oid::EXT_KEY_USAGE,
    oid::BASIC_CONSTRAINTS,
    oid::SUBJECT_ALT_NAME,
    oid::TLS_FEATURE,
    oid::CERTIFICATE_POLICIES,
];

/// id-ce-nameConstraints (RFC 5280, section 4.2.1.10).
const NAME_CONSTRAINTS: &str = "2.5.29.30";

/// id-pkix-ocsp-nocheck (RFC 6960, section 4.2.2.2.1).
const OCSP_NO_CHECK: &str = "1.3.6.1.5.5.7.48.1.5";

/// Extensions that give a device something which nobody approved, critical or not.
const NEVER: [(&str, &str); 3] = [
    (
        oid::MS_SID,
        "the extension with a Windows SID (1.3.6.1.4.1.311.25.2)",
    ),
    (NAME_CONSTRAINTS, "nameConstraints, which is for CAs"),
    (OCSP_NO_CHECK, "ocsp-nocheck, which is for OCSP responders"),
];

/// By how much a certificate may end earlier than approved and still be the approved one: issuers count lifetimes from
/// their own now.
const CLIPPING_TOLERANCE: Duration = Duration::minutes(5);

/// Octets of a serial number, at most (RFC 5280, section 4.1.2.2).
const LONGEST_SERIAL: usize = 20;

impl Approved {
    /// Compares a certificate with what was approved, field by field. The CA's own fields are left to it: serial number,
    /// issuer, distribution points, certificate policies, and a validity that is no longer than the approved one (it may
    /// begin up to a day earlier, for CAs that backdate).
    ///
    /// # Errors
    /// The first [`Difference`].
    pub fn matches(&self, certificate: &Certificate) -> Result<(), Difference> {
        same_key(self.public_key(), certificate.public_key())?;
        form(certificate)?;
        same_subject(self.subject(), certificate.subject())?;
        self.same_sans(certificate)?;
        self.same_usages(certificate)?;
        no_ca(certificate)?;
        self.within_validity(certificate)?;
        self.same_must_staple(certificate)?;
        self.same_sid(certificate)?;
        extensions(certificate, self.sid().is_some())?;
        key_ids(certificate)
    }

    /// Whether a certificate that [`matches`](Self::matches) lives as long as approved, and from now on: an issuer elsewhere may
    /// cut the end to its own limits, or begin later.
    ///
    /// # Errors
    /// The [`Difference`].
    pub fn whole_validity(&self, certificate: &Certificate) -> Result<(), Difference> {
        let (begins, ends) = (certificate.not_before(), certificate.not_after());
        if ends < self.not_after() - CLIPPING_TOLERANCE {
            let approved = self.not_after().to_string();
            return Err(differ("notAfter", approved, ends.to_string()));
        }
        if begins > self.not_before() + LONGEST_BACKDATE + CLIPPING_TOLERANCE {
            let approved = format!("{} or soon after", self.not_before());
            return Err(differ("notBefore", approved, begins.to_string()));
        }
        Ok(())
    }

    /// Whether a certificate that [`matches`](Self::matches) is valid at `now`, or will be as soon as clocks differ: one that
    /// begins tomorrow is of no use today.
    ///
    /// # Errors
    /// The [`Difference`].
    pub fn has_begun(
        &self,
        certificate: &Certificate,
        now: DateTime<Utc>,
    ) -> Result<(), Difference> {
        let (latest, begins) = (self.not_before().max(now), certificate.not_before());
        if begins > latest + CLIPPING_TOLERANCE {
            let approved = format!("{latest} or earlier");
            return Err(differ("notBefore", approved, begins.to_string()));
        }
        Ok(())
    }

    fn same_sans(&self, certificate: &Certificate) -> Result<(), Difference> {
        let (approved, found) = (self.sans(), certificate.sans());
        for (field, approved, found) in [
            ("subjectAltName (DNS)", &approved.dns, &found.dns),
            ("subjectAltName (e-mail)", &approved.email, &found.email),
            ("subjectAltName (UPN)", &approved.upn, &found.upn),
            ("subjectAltName (URI)", &approved.uri, &found.uri),
            (
                "subjectAltName (other kinds)",
                &approved.other,
                &found.other,
            ),
        ] {
            if sorted(approved) != sorted(found) {
                return Err(differ(field, list(approved), list(found)));
            }
        }
        let (ips, found_ips) = (sorted(&approved.ip), sorted(&found.ip));
        if ips != found_ips {
            let words = |ips: &[std::net::IpAddr]| {
                list(&ips.iter().map(ToString::to_string).collect::<Vec<_>>())
            };
            return Err(differ(
                "subjectAltName (IP address)",
                words(&approved.ip),
                words(&found.ip),
            ));
        }
        Ok(())
    }

    fn same_usages(&self, certificate: &Certificate) -> Result<(), Difference> {
        let found = certificate.key_usage();
        if found != Some(self.key_usage()) {
            let found = found.map_or("none".to_owned(), |usage: KeyUsage| usage.to_string());
            return Err(differ("keyUsage", self.key_usage().to_string(), found));
        }
        let approved: BTreeSet<&String> = self.ext_key_usages().iter().collect();
        let found = certificate.ext_key_usages();
        let is_there = certificate.extension(oid::EXT_KEY_USAGE).is_some();
        if found.iter().collect::<BTreeSet<_>>() != approved || is_there == approved.is_empty() {
            let words =
                |ekus: &[String]| list(&ekus.iter().map(|eku| eku_name(eku)).collect::<Vec<_>>());
            return Err(differ(
                "extKeyUsage",
                words(self.ext_key_usages()),
                words(&found),
            ));
        }
        Ok(())
    }

    fn within_validity(&self, certificate: &Certificate) -> Result<(), Difference> {
        let earliest = self
            .not_before()
            .checked_sub_signed(LONGEST_BACKDATE)
            .unwrap_or(DateTime::<Utc>::MIN_UTC);
        let (begins, ends) = (certificate.not_before(), certificate.not_after());
        if begins < earliest {
            let approved = format!("{} or later", earliest);
            return Err(differ("notBefore", approved, begins.to_string()));
        }
        if ends > self.not_after() {
            let approved = format!("{} at the latest", self.not_after());
            return Err(differ("notAfter", approved, ends.to_string()));
        }
        if ends - begins < Duration::seconds(1) || ends <= self.not_before() {
            let approved = format!("a validity from {}", self.not_before());
            return Err(differ("notAfter", approved, ends.to_string()));
        }
        Ok(())
    }

    fn same_sid(&self, certificate: &Certificate) -> Result<(), Difference> {
        let Some(sid) = self.sid() else { return Ok(()) };
        let approved = Extension::ms_sid(sid).ok().map(|extension| extension.value);
        match certificate.extension(oid::MS_SID) == approved.as_deref() {
            true => Ok(()),
            false => Err(differ(
                "the extension with a Windows SID",
                quoted(sid),
                "none, or another one".to_owned(),
            )),
        }
    }

    fn same_must_staple(&self, certificate: &Certificate) -> Result<(), Difference> {
        let found = certificate.extension(oid::TLS_FEATURE).is_some();
        if found == self.must_staple() {
            return Ok(());
        }
        let words = |there| if there { "TLS feature" } else { "none" }.to_owned();
        Err(differ(
            "TLS feature (must-staple)",
            words(self.must_staple()),
            words(found),
        ))
    }
}

impl Authority {
    /// Whether the current CA made this certificate: issuer, signature and authority key identifier.
    ///
    /// # Errors
    /// The first [`Difference`].
    pub fn made(&self, certificate: &Certificate) -> Result<(), Difference> {
        let ca = self.certificate();
        let subject = quoted(&ca.subject().to_string());
        if !certificate.issuer().matches(ca.subject()) {
            let found = quoted(&certificate.issuer().to_string());
            return Err(differ("issuer", subject, found));
        }
        if certificate.verify_signature_by(ca.public_key()).is_err() {
            return Err(differ(
                "signature",
                format!("one by the key of {subject}"),
                "another".to_owned(),
            ));
        }
        if let (Some(aki), Some(ski)) = (certificate.aki(), ca.ski())
            && aki != ski
        {
            let name = "authorityKeyIdentifier";
            return Err(differ(name, hex(ski), hex(aki)));
        }
        Ok(())
    }
}

fn same_key(approved: &PublicKey, found: &PublicKey) -> Result<(), Difference> {
    if approved.spki_der() == found.spki_der() {
        return Ok(());
    }
    let words = |key: &PublicKey| format!("{} {}", key.kind(), hex(&key.key_id()));
    Err(differ(
        "subjectPublicKeyInfo",
        words(approved),
        words(found),
    ))
}

/// Version, serial number and signature algorithm.
fn form(certificate: &Certificate) -> Result<(), Difference> {
    if certificate.version() != 3 {
        let found = certificate.version().to_string();
        return Err(differ("version", "3".to_owned(), found));
    }
    let number = certificate.serial().minimal();
    let is_positive =
        number.first().is_some_and(|first| *first < 0x80) && number.iter().any(|octet| *octet != 0);
    if !is_positive || number.len() > LONGEST_SERIAL {
        let approved = format!("a positive number of at most {LONGEST_SERIAL} octets");
        let found = quoted(&certificate.serial().to_hex());
        return Err(differ("serialNumber", approved, found));
    }
    let strong = "a signature with SHA-256 or better".to_owned();
    let digest = match certificate.signature_scheme() {
        Ok(SignatureScheme::RsaPss { digest, mgf, .. }) => digest.min(mgf),
        Ok(scheme) => scheme.digest(),
        Err(error) => {
            return Err(differ("signatureAlgorithm", strong, error.to_string()));
        }
    };
    if matches!(digest, Digest::Md5 | Digest::Sha1) {
        return Err(differ(
            "signatureAlgorithm",
            strong,
            digest.name().to_owned(),
        ));
    }
    Ok(())
}

fn same_subject(approved: &Name, found: &Name) -> Result<(), Difference> {
    // `matches` sets letter case and spaces aside, as RFC 5280 has it; a certificate says to the letter what was approved.
    if approved.matches(found) && approved.attributes() == found.attributes() {
        return Ok(());
    }
    Err(differ(
        "subject",
        quoted(&approved.to_string()),
        quoted(&found.to_string()),
    ))
}

fn no_ca(certificate: &Certificate) -> Result<(), Difference> {
    if !certificate.is_ca() {
        return Ok(());
    }
    Err(differ(
        "basicConstraints",
        "no CA".to_owned(),
        "CA:TRUE".to_owned(),
    ))
}

fn extensions(certificate: &Certificate, has_sid: bool) -> Result<(), Difference> {
    let mut seen = BTreeSet::new();
    for extension in certificate.extensions() {
        let none = || "no such extension".to_owned();
        let allowed = has_sid && extension.oid == oid::MS_SID;
        if let Some((_, name)) = NEVER
            .iter()
            .find(|(oid, _)| *oid == extension.oid && !allowed)
        {
            return Err(differ("extensions", none(), (*name).to_owned()));
        }
        if extension.critical && !MAY_BE_CRITICAL.contains(&extension.oid.as_str()) {
            let found = format!("{}, critical", extension.oid);
            return Err(differ("extensions", none(), found));
        }
        if !seen.insert(&extension.oid) {
            let found = format!("{} twice", extension.oid);
            return Err(differ("extensions", "each once".to_owned(), found));
        }
    }
    Ok(())
}

/// A subject key identifier is the key's, by one of the usual methods (RFC 5280, section 4.2.1.2; RFC 7093, section 2).
fn key_ids(certificate: &Certificate) -> Result<(), Difference> {
    let key = certificate.public_key();
    let Some(found) = certificate.ski() else {
        return Ok(());
    };
    if key.is_key_id(found) {
        return Ok(());
    }
    Err(differ(
        "subjectKeyIdentifier",
        hex(&key.key_id()),
        hex(found),
    ))
}

fn differ(field: &'static str, approved: String, found: String) -> Difference {
    Difference {
        field,
        approved,
        found,
    }
}

fn sorted<T: Ord>(values: &[T]) -> Vec<&T> {
    let mut sorted: Vec<&T> = values.iter().collect();
    sorted.sort_unstable();
    sorted
}

fn list(values: &[String]) -> String {
    const SHOWN: usize = 5;
    if values.is_empty() {
        return "none".to_owned();
    }
    let mut words: Vec<String> = values.iter().take(SHOWN).map(|text| quoted(text)).collect();
    if values.len() > SHOWN {
        words.push(format!("{} more", values.len() - SHOWN));
    }
    words.join(", ")
}

/// Text from outside: quoted, escaped, not long.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
    }
}

fn hex(octets: &[u8]) -> String {
    struct Hex<'a>(&'a [u8]);
    impl fmt::Display for Hex<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0
                .iter()
                .take(64)
                .try_for_each(|octet| write!(f, "{octet:02x}"))
        }
    }
    Hex(octets).to_string()
}
