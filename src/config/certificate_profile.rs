//! `[[certificate_profile]]`: what may be signed.

use serde::{Deserialize, Serialize};

use super::Span;

/// A kind of public key that a certificate may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// RSA, sizes by `rsa_bits_min` and `rsa_bits_max`.
    #[serde(rename = "rsa")]
    Rsa,
    /// EC on NIST P-256.
    #[serde(rename = "ec-p256")]
    EcP256,
    /// EC on NIST P-384.
    #[serde(rename = "ec-p384")]
    EcP384,
}

/// A type of subject alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SanType {
    /// dNSName.
    Dns,
    /// rfc822Name.
    Email,
    /// otherName userPrincipalName.
    Upn,
    /// uniformResourceIdentifier.
    Uri,
    /// iPAddress.
    Ip,
}

/// `[[certificate_profile]]`: what a certificate may hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CertificateProfile {
    /// Name that profiles refer to.
    pub id: String,
    /// Kinds of keys.
    pub key_types: Vec<KeyType>,
    /// Smallest RSA key in bits, at least 2048.
    pub rsa_bits_min: u32,
    /// Largest RSA key in bits, at most 8192.
    pub rsa_bits_max: u32,
    /// EKUs of a certificate whose CSR asks for none; names or dotted OIDs.
    pub ekus_default: Vec<String>,
    /// EKUs that a CSR may ask for; names or dotted OIDs.
    pub ekus_allowed: Vec<String>,
    /// Key usages of a certificate whose CSR asks for none. Of these an EC key gets those that it
    /// can do.
    pub key_usages_default: Vec<String>,
    /// Key usages that a CSR may ask for.
    pub key_usages_allowed: Vec<String>,
    /// Longest lifetime.
    pub max_ttl: Span,
    /// What must be left of it from now on, or the request is refused.
    pub min_ttl: Span,
    /// How far notBefore lies in the past, up to 24 h.
    pub backdate: Span,
    /// Whether a lifetime that the CSR asks for is honoured up to `max_ttl`.
    pub honour_requested_validity: bool,
    /// Whether certificates carry id-pe-tlsfeature (must-staple).
    pub must_staple: bool,
    /// Whether an empty subject is accepted where there are SANs.
    pub allow_empty_subject: bool,
    /// Subject attributes that are accepted, by short name or dotted; empty = all that have a name.
    pub subject_attributes: Vec<String>,
    /// Patterns (`*` = any characters) of which the common name must match one, and there must be one; empty = any.
    pub common_name_patterns: Vec<String>,
    /// Most characters in a common name, 1 to 1024; RFC 5280 allows 64.
    pub common_name_max: usize,
    /// Whether names may be placeholders that nobody filled in, such as `{{DeviceName}}`.
    pub allow_placeholders: bool,
    /// Whether names may hold characters without width or such that change the direction of writing, and begin or end
    /// with blanks.
    pub allow_invisible_characters: bool,
    /// `[certificate_profile.san]`.
    pub san: San,
}

impl Default for CertificateProfile {
    fn default() -> Self {
        Self {
            id: String::new(),
            key_types: vec![KeyType::Rsa, KeyType::EcP256, KeyType::EcP384],
            rsa_bits_min: 2048,
            rsa_bits_max: 8192,
            ekus_default: vec!["client_auth".to_owned()],
            ekus_allowed: vec!["client_auth".to_owned()],
            key_usages_default: device_usages(),
            key_usages_allowed: device_usages(),
            max_ttl: Span::days(365),
            min_ttl: Span::minutes(1),
            backdate: Span::minutes(5),
            honour_requested_validity: true,
            must_staple: false,
            allow_empty_subject: false,
            subject_attributes: Vec::new(),
            common_name_patterns: Vec::new(),
            common_name_max: 64,
            allow_placeholders: false,
            allow_invisible_characters: false,
            san: San::default(),
        }
    }
}

fn device_usages() -> Vec<String> {
    ["digital_signature", "key_encipherment"]
        .map(str::to_owned)
        .to_vec()
}

/// `[certificate_profile.san]`: which subject alternative names are accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct San {
    /// Types of names.
    pub types: Vec<SanType>,
    /// Most names in one certificate, at most 1024.
    pub max_names: usize,
    /// Whether a DNS name may begin with `*.`.
    pub wildcard_dns: bool,
    /// Patterns (`*` = any characters) of which each DNS name must match one; empty = any.
    pub dns_patterns: Vec<String>,
    /// The same for e-mail addresses.
    pub email_patterns: Vec<String>,
    /// The same for user principal names.
    pub upn_patterns: Vec<String>,
    /// The same for URIs.
    pub uri_patterns: Vec<String>,
    /// Schemes that a URI may have, in any letter case; empty = any.
    pub uri_schemes: Vec<String>,
    /// Ranges of which each IP address must lie in one; empty = any.
    pub ip_ranges: Vec<super::Cidr>,
}

impl Default for San {
    fn default() -> Self {
        Self {
            types: vec![SanType::Dns, SanType::Email, SanType::Uri, SanType::Ip],
            max_names: 100,
            wildcard_dns: false,
            dns_patterns: Vec::new(),
            email_patterns: Vec::new(),
            upn_patterns: Vec::new(),
            uri_patterns: Vec::new(),
            uri_schemes: issuer::policy::names::USUAL_URI_SCHEMES
                .map(str::to_owned)
                .to_vec(),
            ip_ranges: Vec::new(),
        }
    }
}
