//! From what policy approved to the claims of a token. The provisioner's template writes them into the certificate as they are.

use crate::words::quoted;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use issuer::{Approved, Inexpressible};
use pki::{Certificate, Csr, Extension, KeyUsage, Name, oid};
use serde_json::{Map, Value, json};

/// The claim that the template reads.
pub(super) const CLAIM: &str = "scepd";

/// What a certificate is to say.
pub(super) struct Wish<'a> {
    pub(super) subject: &'a Name,
    pub(super) extensions: Vec<Extension>,
}

impl<'a> Wish<'a> {
    /// # Errors
    /// An extension cannot be encoded, in words.
    pub(super) fn of(approved: &'a Approved) -> Result<Self, String> {
        let failed = |error: pki::Error| error.to_string();
        let mut extensions = vec![Extension::key_usage(approved.key_usage())];
        if !approved.ext_key_usages().is_empty() {
            extensions.push(Extension::ext_key_usage(approved.ext_key_usages()).map_err(failed)?);
        }
        if !approved.sans().is_empty() {
            let names = Extension::subject_alt_names(approved.sans(), approved.subject());
            extensions.push(names.map_err(failed)?);
        }
        if approved.must_staple() {
            extensions.push(Extension::must_staple());
        }
        Ok(Self {
            subject: approved.subject(),
            extensions,
        })
    }

    /// For a registration authority that signs and opens.
    ///
    /// # Errors
    /// An extension cannot be encoded, in words.
    pub(super) fn of_ra(subject: &'a Name, usage: KeyUsage) -> Result<Self, String> {
        let purpose = Extension::ext_key_usage(&[oid::EKU_REQUEST_AGENT]);
        Ok(Self {
            subject,
            extensions: vec![
                Extension::key_usage(usage),
                purpose.map_err(|error| error.to_string())?,
            ],
        })
    }

    /// The claims for a CSR: what the server compares with it, what binds the token to it, and what the template writes.
    pub(super) fn claims(&self, csr: &Csr) -> (String, Map<String, Value>) {
        let names = sans_of(csr);
        let subject = named_by(csr)
            .or_else(|| names.first().cloned())
            .unwrap_or_else(|| "device".to_owned());
        let attributes: Vec<Value> = self
            .subject
            .attributes()
            .iter()
            .map(|one| json!({"type": one.oid, "value": one.value}))
            .collect();
        let extensions: Vec<Value> = self
            .extensions
            .iter()
            .map(|one| {
                json!({"id": one.oid, "critical": one.critical, "value": STANDARD.encode(&one.value)})
            })
            .collect();
        let mut claims = Map::new();
        claims.insert("sans".to_owned(), json!(names));
        // Servers that do not know it pass it over.
        let digest = URL_SAFE_NO_PAD.encode(pki::sha256(csr.der()));
        claims.insert("cnf".to_owned(), json!({"x5rt#S256": digest}));
        claims.insert(
            CLAIM.to_owned(),
            json!({"subject": {"extraNames": attributes}, "extensions": extensions}),
        );
        (subject, claims)
    }
}

/// The common name that the server compares with the token's subject: Go takes the last one.
fn named_by(csr: &Csr) -> Option<String> {
    let attributes = csr.subject().attributes().iter();
    let mut names = attributes.filter(|one| one.oid == oid::COMMON_NAME && !one.value.is_empty());
    names.next_back().map(|one| one.value.clone())
}

/// The names of the CSR that the server compares with those in the token, in all of its kinds.
fn sans_of(csr: &Csr) -> Vec<String> {
    let sans = csr.sans();
    let texts = sans.dns.iter().chain(&sans.email).chain(&sans.uri).cloned();
    texts
        .chain(sans.ip.iter().map(ToString::to_string))
        .collect()
}

/// A time as the API takes it (RFC 3339).
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What the answer depends on beside the approval.
pub(super) struct Way<'a> {
    pub(super) ca: &'a Certificate,
    pub(super) accepts_shorter_validity: bool,
    /// From when to when the X5C certificate is valid.
    pub(super) credential: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Way<'_> {
    /// Whether the token can say all of it.
    pub(super) fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible> {
        let subject = approved.subject();
        if let Some(odd) = subject.attributes().iter().find(|one| !one.is_text) {
            return Err(cannot(
                "subject",
                format!("{} in it is no text", quoted(Name::short_name(&odd.oid))),
                "have devices ask for texts",
            ));
        }
        if !subject.is_flat() {
            return Err(cannot(
                "subject",
                "it has attributes joined by +, which a template writes one by one".to_owned(),
                "have devices ask for attributes one by one",
            ));
        }
        if let Some(other) = approved.sans().other.first() {
            return Err(cannot(
                "subjectAltName",
                format!("{} cannot be written", quoted(other)),
                "change the alternative names that devices ask for",
            ));
        }
        let (end, of) = match self.credential {
            Some((_, end)) if end < self.ca.not_after() => (end, "the X5C certificate"),
            _ => (self.ca.not_after(), "the CA itself"),
        };
        if approved.not_after() > end && !self.accepts_shorter_validity {
            return Err(cannot(
                "notAfter",
                format!(
                    "approved until {}, and {of} ends on {end}",
                    approved.not_after()
                ),
                "shorten max_ttl in the certificate profile, or set accept_shorter_validity = true on the issuer",
            ));
        }
        Ok(())
    }

    /// When a certificate begins and ends.
    pub(super) fn validity(
        &self,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> (DateTime<Utc>, DateTime<Utc>) {
        let end = not_after.min(self.ca.not_after());
        match self.credential {
            Some((begins, ends)) => (not_before.max(begins), end.min(ends)),
            None => (not_before, end),
        }
    }
}

fn cannot(field: &'static str, why: String, remedy: &str) -> Inexpressible {
    Inexpressible {
        field,
        why,
        remedy: remedy.to_owned(),
    }
}
