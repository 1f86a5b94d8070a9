//! What policy let through, and what it refused.

use crate::sid::names_a_sid;
use chrono::{DateTime, Duration, SubsecRound, Utc};
use pki::{KeyUsage, Name, PublicKey, SubjectAltNames};

/// A certificate that policy has agreed to, down to every field but those that belong to the CA.
///
/// Only [`CertificatePolicy::approve`](crate::CertificatePolicy::approve) makes one. It is not stored: a request
/// that waits for a person is kept as its CSR and approved again when it is released.
#[derive(Clone)]
pub struct Approved {
    pub(crate) policy_id: String,
    pub(crate) subject: Name,
    pub(crate) sans: SubjectAltNames,
    pub(crate) public_key: PublicKey,
    pub(crate) key_usage: KeyUsage,
    pub(crate) ekus: Vec<String>,
    pub(crate) not_before: DateTime<Utc>,
    pub(crate) not_after: DateTime<Utc>,
    pub(crate) must_staple: bool,
    pub(crate) sid: Option<String>,
    pub(crate) notes: Vec<String>,
}

impl Approved {
    /// The id of the policy that agreed.
    #[must_use]
    pub fn policy_id(&self) -> &str {
        &self.policy_id
    }

    /// The subject, in DER and with the CSR's own string types where they are valid; empty only when there are
    /// alternative names.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The alternative names, each of which a rule allows.
    #[must_use]
    pub fn sans(&self) -> &SubjectAltNames {
        &self.sans
    }

    /// The key to be certified, in the encoding that a certificate has for it.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Key usages (RFC 5280, section 4.2.1.3); never keyCertSign or cRLSign.
    #[must_use]
    pub fn key_usage(&self) -> KeyUsage {
        self.key_usage
    }

    /// Extended key usages as dotted OIDs, in the order in which they go into the certificate.
    #[must_use]
    pub fn ext_key_usages(&self) -> &[String] {
        &self.ekus
    }

    /// First moment of validity, in whole seconds, already backdated.
    #[must_use]
    pub fn not_before(&self) -> DateTime<Utc> {
        self.not_before
    }

    /// Last moment of validity, in whole seconds. The issuer may shorten it to its own.
    #[must_use]
    pub fn not_after(&self) -> DateTime<Utc> {
        self.not_after
    }

    /// Whether the certificate demands a stapled OCSP answer (RFC 7633).
    #[must_use]
    pub fn must_staple(&self) -> bool {
        self.must_staple
    }

    /// The Windows SID that the certificate's security extension is to name; `None` = it has no such extension.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// The same for a certificate that is valid for no longer than `life` from now.
    #[must_use]
    pub fn no_longer_than(mut self, life: Duration, now: DateTime<Utc>) -> Self {
        let end = now.checked_add_signed(life).map(|end| end.trunc_subsecs(0));
        if let Some(end) = end.filter(|end| *end < self.not_after) {
            self.not_after = end;
            self.notes.push(format!("valid until {end} only"));
        }
        self
    }

    /// The same without URIs that name a Windows SID.
    #[must_use]
    pub fn without_sid(mut self) -> Self {
        let before = self.sans.uri.len();
        self.sans.uri.retain(|uri| !names_a_sid(uri));
        if self.sans.uri.len() < before {
            self.notes.push("the URI with a SID is left out".to_owned());
        }
        self
    }

    /// The same with the security extension that names this SID; whoever calls has made sure whose it is.
    #[must_use]
    pub fn with_sid(mut self, sid: &str) -> Self {
        self.sid = Some(sid.to_owned());
        self
    }

    /// What was left out or changed on the way, in plain words for the audit event.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// A request that policy refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PolicyRefusal {
    /// Whether SCEP answers badAlg (the key or its algorithm); badRequest otherwise.
    pub fail_info_is_alg: bool,
    /// The rule that refused.
    pub rule: Rule,
    /// What was asked for and why it may not be, naming it. May hold text from the CSR, control characters
    /// already escaped.
    pub reason: String,
}

impl PolicyRefusal {
    pub(crate) fn new(rule: Rule, reason: impl Into<String>) -> PolicyRefusal {
        PolicyRefusal {
            fail_info_is_alg: rule == Rule::Key,
            rule,
            reason: reason.into(),
        }
    }
}

/// The rules of a policy, one label each for audit events and statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Kind, size or quality of the key.
    Key,
    /// The subject's attributes.
    Subject,
    /// Type, form or pattern of an alternative name.
    SubjectAltName,
    /// Key usages.
    KeyUsage,
    /// Extended key usages.
    ExtendedKeyUsage,
    /// A request to become a CA.
    BasicConstraints,
    /// A critical extension that is not known, or more extensions or attributes than are looked at.
    Extension,
    /// The validity asked for.
    Validity,
    /// A renewal that asks for other names than before.
    Renewal,
    /// The profile's issuer cannot make such a certificate.
    Issuer,
}

impl Rule {
    /// The label, in snake case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Key => "policy_key",
            Rule::Subject => "policy_subject",
            Rule::SubjectAltName => "policy_san",
            Rule::KeyUsage => "policy_key_usage",
            Rule::ExtendedKeyUsage => "policy_eku",
            Rule::BasicConstraints => "policy_ca",
            Rule::Extension => "policy_extension",
            Rule::Validity => "policy_validity",
            Rule::Renewal => "policy_renewal",
            Rule::Issuer => "policy_issuer",
        }
    }
}
