//! From what was approved to the fields of the API.

use crate::asked::cannot;
use crate::words::quoted;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use issuer::{Approved, Inexpressible};
use pki::{Csr, KeyUsage, SubjectAltNames, der, oid};
use serde_json::{Map, Value, json};

/// Most attributes of a subject.
const MOST_ATTRIBUTES: usize = 150;

/// Extended key usages that have a name in the API.
const NAMED: [(&str, &str); 8] = [
    ("1.3.6.1.5.5.7.3.1", "SERVER_AUTH"),
    ("1.3.6.1.5.5.7.3.2", "CLIENT_AUTH"),
    ("1.3.6.1.5.5.7.3.3", "CODE_SIGNING"),
    ("1.3.6.1.5.5.7.3.4", "EMAIL_PROTECTION"),
    ("1.3.6.1.5.5.7.3.8", "TIME_STAMPING"),
    ("1.3.6.1.5.5.7.3.9", "OCSP_SIGNING"),
    ("1.3.6.1.4.1.311.20.2.2", "SMART_CARD_LOGIN"),
    ("1.3.6.1.4.1.311.10.3.12", "DOCUMENT_SIGNING"),
];

/// Key usages and their members.
const USAGES: [(KeyUsage, &str); 5] = [
    (KeyUsage::DIGITAL_SIGNATURE, "DigitalSignature"),
    (KeyUsage::NON_REPUDIATION, "NonRepudiation"),
    (KeyUsage::KEY_ENCIPHERMENT, "KeyEncipherment"),
    (KeyUsage::DATA_ENCIPHERMENT, "DataEncipherment"),
    (KeyUsage::KEY_AGREEMENT, "KeyAgreement"),
];

/// Whether there are fields for all of it, whatever the request.
pub(super) fn can_express(approved: &Approved) -> Result<(), Inexpressible> {
    let attributes = approved.subject().attributes();
    if let Some(other) = attributes.iter().find(|one| !one.is_text) {
        return Err(cannot(
            "subject",
            format!("{} is no text", quoted(&other.oid)),
            "have devices ask for texts".to_owned(),
        ));
    }
    if attributes.len() > MOST_ATTRIBUTES {
        return Err(cannot(
            "subject",
            format!(
                "it has {} attributes, and {MOST_ATTRIBUTES} can be asked for",
                attributes.len()
            ),
            "have devices ask for fewer".to_owned(),
        ));
    }
    if let Some(other) = approved.sans().other.first() {
        return Err(cannot(
            "subjectAltName",
            format!("there is no field for {}", quoted(other)),
            "change the alternative names that devices ask for".to_owned(),
        ));
    }
    Ok(())
}

/// What is left out of the call is taken from the request: so nothing that it asks for may be left out.
pub(super) fn leaves_nothing(approved: &Approved, csr: &Csr) -> Result<(), Inexpressible> {
    let fields = [
        (
            "subject",
            approved.subject().is_empty(),
            csr.subject().is_empty(),
        ),
        (
            "subjectAltName",
            approved.sans().is_empty(),
            csr.sans().is_empty(),
        ),
    ];
    for (field, is_empty, asks_for_none) in fields {
        if is_empty && !asks_for_none {
            return Err(cannot(
                field,
                "none was approved, and it would take the one of the request".to_owned(),
                "have devices ask for none".to_owned(),
            ));
        }
    }
    Ok(())
}

/// `ApiPassthrough`.
pub(super) fn passthrough(approved: &Approved) -> Value {
    let mut fields = Map::new();
    let attributes = approved.subject().attributes();
    if !attributes.is_empty() {
        let all: Vec<Value> = attributes
            .iter()
            .map(|one| json!({"ObjectIdentifier": one.oid, "Value": one.value}))
            .collect();
        fields.insert("Subject".to_owned(), json!({"CustomAttributes": all}));
    }
    fields.insert(
        "Extensions".to_owned(),
        extensions(
            approved.key_usage(),
            approved.ext_key_usages(),
            Some(approved.sans()),
            approved.must_staple(),
        ),
    );
    Value::Object(fields)
}

/// The extensions of a certificate.
pub(super) fn extensions(
    usage: KeyUsage,
    ekus: &[String],
    sans: Option<&SubjectAltNames>,
    must_staple: bool,
) -> Value {
    let mut extensions = Map::new();
    let members: Map<String, Value> = USAGES
        .iter()
        .filter(|(one, _)| usage.contains(*one))
        .map(|(_, name)| ((*name).to_owned(), true.into()))
        .collect();
    if !members.is_empty() {
        extensions.insert("KeyUsage".to_owned(), members.into());
    }
    if !ekus.is_empty() {
        let all = ekus.iter().map(
            |eku| match NAMED.iter().find(|(oid, _)| *oid == eku.as_str()) {
                Some((_, name)) => json!({"ExtendedKeyUsageType": name}),
                None => json!({"ExtendedKeyUsageObjectIdentifier": eku}),
            },
        );
        extensions.insert("ExtendedKeyUsage".to_owned(), all.collect());
    }
    if let Some(sans) = sans.filter(|sans| !sans.is_empty()) {
        extensions.insert("SubjectAlternativeNames".to_owned(), names(sans));
    }
    if must_staple {
        // Features ::= SEQUENCE OF INTEGER, with status_request (RFC 7633, section 4).
        let value = STANDARD.encode(der::seq(&[&der::integer_u64(5)]));
        let staple =
            json!([{"ObjectIdentifier": oid::TLS_FEATURE, "Value": value, "Critical": false}]);
        extensions.insert("CustomExtensions".to_owned(), staple);
    }
    extensions.into()
}

fn names(sans: &SubjectAltNames) -> Value {
    let dns = sans.dns.iter().map(|name| json!({"DnsName": name}));
    let email = sans.email.iter().map(|name| json!({"Rfc822Name": name}));
    let uri = sans
        .uri
        .iter()
        .map(|name| json!({"UniformResourceIdentifier": name}));
    let upn = sans
        .upn
        .iter()
        .map(|name| json!({"OtherName": {"TypeId": oid::MS_UPN, "Value": name}}));
    let ip = sans
        .ip
        .iter()
        .map(|address| json!({"IpAddress": address.to_string()}));
    dns.chain(email).chain(uri).chain(upn).chain(ip).collect()
}
