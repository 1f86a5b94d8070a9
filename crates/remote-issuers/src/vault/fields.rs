//! From what policy approved to the fields of the API. What the API has no field for is said by name.

use super::role::{FREE, Role, SERIAL_NUMBER, USER_ID, attribute, constant_setting};
use crate::pem;
use crate::words::quoted;
use chrono::{DateTime, Utc};
use issuer::{Approved, Inexpressible};
use pki::{Certificate, oid};
use serde::Serialize;
use std::collections::BTreeSet;

/// The body of `sign`. Lists go as arrays: a text would be split at commas, which URIs have.
#[derive(Debug, Serialize)]
pub(super) struct Fields {
    csr: String,
    common_name: String,
    serial_number: String,
    user_ids: Vec<String>,
    /// DNS names and e-mail addresses, with commas between: HashiCorp's takes no array here.
    alt_names: String,
    ip_sans: Vec<String>,
    uri_sans: Vec<String>,
    other_sans: Vec<String>,
    exclude_cn_from_sans: bool,
    /// RFC 3339.
    not_after: String,
    format: &'static str,
}

/// The fields for an approval.
pub(super) fn fields(approved: &Approved, csr: &[u8], ca: &Certificate) -> Fields {
    let values = |dotted: &str| -> Vec<String> {
        let all = approved.subject().attributes().iter();
        all.filter(|one| one.oid == dotted)
            .map(|one| one.value.clone())
            .collect()
    };
    let one = |dotted: &str| values(dotted).into_iter().next().unwrap_or_default();
    let sans = approved.sans();
    let names: Vec<&str> = sans
        .dns
        .iter()
        .chain(&sans.email)
        .map(String::as_str)
        .collect();
    let not_after = approved.not_after().min(ca.not_after());
    Fields {
        csr: pem::csr(csr),
        common_name: one(oid::COMMON_NAME),
        serial_number: one(SERIAL_NUMBER),
        user_ids: values(USER_ID),
        alt_names: names.join(","),
        ip_sans: sans.ip.iter().map(ToString::to_string).collect(),
        uri_sans: sans.uri.clone(),
        other_sans: sans
            .upn
            .iter()
            .map(|upn| format!("{};UTF8:{upn}", oid::MS_UPN))
            .collect(),
        exclude_cn_from_sans: true,
        not_after: moment(not_after),
        format: "pem",
    }
}

/// A time as the API takes it (RFC 3339).
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How certificates are asked for: what the answer depends on beside the approval.
pub(super) struct Way<'a> {
    pub(super) role_name: &'a str,
    /// What is known of the role.
    pub(super) role: Option<&'a Role>,
    pub(super) ca: &'a Certificate,
    pub(super) accepts_shorter_validity: bool,
}

impl Way<'_> {
    /// Whether there are fields for all of it.
    pub(super) fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible> {
        if approved.must_staple() {
            return Err(cannot(
                "TLS feature (must-staple)",
                "there is no field for it".to_owned(),
                "set must_staple = false in the certificate profile".to_owned(),
            ));
        }
        self.subject(approved)?;
        names(approved)?;
        self.usages(approved)?;
        if approved.not_after() > self.ca.not_after() && !self.accepts_shorter_validity {
            return Err(cannot(
                "notAfter",
                format!(
                    "approved until {}, and the CA itself ends on {}",
                    approved.not_after(),
                    self.ca.not_after()
                ),
                "shorten max_ttl in the certificate profile, or set accept_shorter_validity = true on the issuer".to_owned(),
            ));
        }
        Ok(())
    }

    fn subject(&self, approved: &Approved) -> Result<(), Inexpressible> {
        let refuse = |why: String, remedy: String| Err(cannot("subject", why, remedy));
        let constants = self.role.map(Role::constants).unwrap_or_default();
        let attributes = approved.subject().attributes();
        for one in attributes {
            let name = attribute(&one.oid);
            let is_constant = constants.contains(&(one.oid.as_str(), one.value.as_str()));
            if FREE.contains(&one.oid.as_str()) || is_constant {
                continue;
            }
            let on_role = match (constant_setting(&one.oid), self.role) {
                (Some(setting), Some(_)) => format!(
                    ", or set {setting} on the role {}, which then writes it into every certificate",
                    self.role_name
                ),
                (Some(setting), None) => format!(
                    ", or set {setting} on the role {} and let scepd's token read the role",
                    self.role_name
                ),
                (None, _) => String::new(),
            };
            return refuse(
                format!(
                    "{name}={} cannot be asked for: only CN, serialNumber and UID can",
                    quoted(&one.value)
                ),
                format!("take {name} out of the subject that devices ask for{on_role}"),
            );
        }
        for single in [oid::COMMON_NAME, SERIAL_NUMBER] {
            if attributes.iter().filter(|one| one.oid == single).count() > 1 {
                let name = attribute(single);
                return refuse(
                    format!("it has more than one {name}"),
                    format!("leave one {name} in the subject that devices ask for"),
                );
            }
        }
        let found: Vec<(&str, &str)> = attributes
            .iter()
            .map(|one| (one.oid.as_str(), one.value.as_str()))
            .collect();
        let rank = |dotted: &str| match dotted {
            oid::COMMON_NAME => 1,
            SERIAL_NUMBER => 2,
            USER_ID => 3,
            _ => 0,
        };
        let mut made: Vec<(&str, &str)> = found.clone();
        made.retain(|(dotted, _)| rank(dotted) > 0);
        made.sort_by_key(|(dotted, _)| rank(dotted));
        let made: Vec<(&str, &str)> = constants.into_iter().chain(made).collect();
        if made != found {
            let words = |all: &[(&str, &str)]| {
                let types: Vec<String> = all.iter().map(|(dotted, _)| attribute(dotted)).collect();
                types.join(", ")
            };
            return refuse(
                format!(
                    "it would consist of {}, in this order, and {} was approved",
                    words(&made),
                    words(&found)
                ),
                format!(
                    "have devices ask for the attributes that the role {} makes, in its order",
                    self.role_name
                ),
            );
        }
        if attributes.iter().any(|one| !one.is_text) {
            return refuse(
                "an attribute in it is no text".to_owned(),
                "have devices ask for texts".to_owned(),
            );
        }
        Ok(())
    }

    fn usages(&self, approved: &Approved) -> Result<(), Inexpressible> {
        let Some(role) = self.role else {
            return Ok(());
        };
        let made = role.key_usages();
        if made != approved.key_usage() {
            return Err(cannot(
                "keyUsage",
                format!(
                    "{} was approved, and the role {} makes {made}",
                    approved.key_usage(),
                    self.role_name
                ),
                "set key_usage on the role, or key_usages_default and key_types in the certificate profile".to_owned(),
            ));
        }
        let made = role.ext_key_usages();
        let wanted: BTreeSet<String> = approved.ext_key_usages().iter().cloned().collect();
        if made != wanted {
            let words = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>().join(", ");
            return Err(cannot(
                "extKeyUsage",
                format!(
                    "{} was approved, and the role {} makes {}",
                    words(&wanted),
                    self.role_name,
                    words(&made)
                ),
                "set ext_key_usage_oids on the role, or ekus_default in the certificate profile"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

fn names(approved: &Approved) -> Result<(), Inexpressible> {
    let sans = approved.sans();
    let refuse = |why: String| {
        Err(cannot(
            "subjectAltName",
            why,
            "change the alternative names that devices ask for".to_owned(),
        ))
    };
    if let Some(other) = sans.other.first() {
        return refuse(format!("there is no field for {}", quoted(other)));
    }
    if let Some(bad) = sans.dns.iter().find(|name| !is_host_name(name)) {
        return refuse(format!(
            "the DNS name {} would be left out without a word",
            quoted(bad)
        ));
    }
    let splits = |name: &&String| name.contains(',') || name.trim() != name.as_str();
    if let Some(bad) = sans.email.iter().find(splits) {
        return refuse(format!("the e-mail address {} would be split", quoted(bad)));
    }
    let blank = |name: &&String| name.trim() != name.as_str();
    if let Some(bad) = sans.uri.iter().chain(&sans.upn).find(blank) {
        return refuse(format!(
            "the blanks around {} would be left out",
            quoted(bad)
        ));
    }
    for (kind, all) in [
        ("DNS name", &sans.dns),
        ("e-mail address", &sans.email),
        ("URI", &sans.uri),
        ("user principal name", &sans.upn),
    ] {
        let mut seen = BTreeSet::new();
        if let Some(twice) = all.iter().find(|name| !seen.insert(name.as_str())) {
            return refuse(format!("the {kind} {} is there twice", quoted(twice)));
        }
    }
    Ok(())
}

/// Whether the server keeps a DNS name (hostnameRegex of its PKI engine): other names it drops.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_inner = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    name.split('.').all(|label| {
        let octets = label.as_bytes();
        let ends = [octets.first(), octets.last()];
        octets.iter().all(|c| is_inner(*c))
            && ends
                .iter()
                .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
    })
}

fn cannot(field: &'static str, why: String, remedy: String) -> Inexpressible {
    Inexpressible { field, why, remedy }
}
