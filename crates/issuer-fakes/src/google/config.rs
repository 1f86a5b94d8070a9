//! `config` of a certificate: the subject, the names, the usages and the key, from JSON.

use serde_json::Value;

use super::invalid;
use crate::certificate::{Draft, general_name, ip_name, other_name};
use crate::csr::SUBJECT_ALT_NAME;
use crate::message::Answer;
use crate::name::{Attribute, Name};
use crate::text::{strict_base64, unarmoured};

/// The named members of a subject, in the order in which they are written, and the names of their types.
const MEMBERS: [(&str, &str, &str); 8] = [
    ("countryCode", "COUNTRY_CODE", "2.5.4.6"),
    ("organization", "ORGANIZATION", "2.5.4.10"),
    ("organizationalUnit", "ORGANIZATIONAL_UNIT", "2.5.4.11"),
    ("locality", "LOCALITY", "2.5.4.7"),
    ("province", "PROVINCE", "2.5.4.8"),
    ("streetAddress", "STREET_ADDRESS", "2.5.4.9"),
    ("postalCode", "POSTAL_CODE", "2.5.4.17"),
    ("commonName", "COMMON_NAME", "2.5.4.3"),
];

/// The bits of keyUsage, the first the highest of sixteen.
const KEY_USAGES: [(&str, u16); 9] = [
    ("digitalSignature", 0x8000),
    ("contentCommitment", 0x4000),
    ("keyEncipherment", 0x2000),
    ("dataEncipherment", 0x1000),
    ("keyAgreement", 0x0800),
    ("certSign", 0x0400),
    ("crlSign", 0x0200),
    ("encipherOnly", 0x0100),
    ("decipherOnly", 0x0080),
];

const USAGES: [(&str, &str); 6] = [
    ("serverAuth", "1.3.6.1.5.5.7.3.1"),
    ("clientAuth", "1.3.6.1.5.5.7.3.2"),
    ("codeSigning", "1.3.6.1.5.5.7.3.3"),
    ("emailProtection", "1.3.6.1.5.5.7.3.4"),
    ("timeStamping", "1.3.6.1.5.5.7.3.8"),
    ("ocspSigning", "1.3.6.1.5.5.7.3.9"),
];

/// # Errors
/// A part is missing or of no known form.
pub(super) fn drafted(config: &Value, by_sequence: bool) -> Result<Draft, Answer> {
    only(
        config,
        "config",
        &["subjectConfig", "x509Config", "publicKey", "subjectKeyId"],
    )?;
    let mut draft = Draft {
        key: key(&config["publicKey"])?,
        subject: subject(&config["subjectConfig"]["subject"], by_sequence)?,
        ..Draft::default()
    };
    only(
        &config["subjectConfig"],
        "subject_config",
        &["subject", "subjectAltName"],
    )?;
    names(&mut draft, &config["subjectConfig"]["subjectAltName"])?;
    values(&mut draft, &config["x509Config"])?;
    Ok(draft)
}

/// # Errors
/// An object has a member that it cannot have.
fn only(object: &Value, place: &str, members: &[&str]) -> Result<(), Answer> {
    let known = object.as_object().into_iter().flatten();
    let mut others = known.filter(|(name, _)| !members.contains(&name.as_str()));
    match others.next() {
        None => Ok(()),
        Some((other, _)) => {
            let words = format!(
                "Invalid JSON payload received. Unknown name \"{other}\" at 'certificate.{place}': Cannot find field."
            );
            Err(invalid(&words).problem(words))
        }
    }
}

/// # Errors
/// There is no public key in PEM.
fn key(key: &Value) -> Result<Vec<u8>, Answer> {
    let no_key = || invalid("The public key is invalid.");
    only(key, "config.public_key", &["key", "format"])?;
    if key["format"] != "PEM" {
        return Err(invalid("The public key's format must be PEM."));
    }
    let pem = key["key"]
        .as_str()
        .and_then(strict_base64)
        .ok_or_else(no_key)?;
    let pem = String::from_utf8(pem).map_err(|_| no_key())?;
    let is_key = pem.trim_start().starts_with("-----BEGIN PUBLIC KEY-----");
    unarmoured(&pem).filter(|_| is_key).ok_or_else(no_key)
}

/// `{"objectIdPath": [1, 3, 6]}` with dots.
fn identifier(id: &Value) -> Option<String> {
    let arcs = id.get("objectIdPath")?.as_array()?;
    let arcs = arcs.iter().map(|arc| Some(arc.as_u64()?.to_string()));
    let arcs = arcs.collect::<Option<Vec<_>>>()?;
    (arcs.len() >= 2).then(|| arcs.join("."))
}

/// # Errors
/// The subject is of another form than its mode has.
fn subject(subject: &Value, by_sequence: bool) -> Result<Name, Answer> {
    if !subject.is_object() {
        return Err(invalid("The subject must be set."));
    }
    let named: Vec<Vec<Attribute>> = MEMBERS
        .iter()
        .filter_map(|(name, _, oid)| Some(vec![Attribute::new(oid, subject.get(*name)?.as_str()?)]))
        .collect();
    let sequence = subject.get("rdnSequence").and_then(Value::as_array);
    match (sequence, by_sequence) {
        (None, false) => Ok(Name(named)),
        (Some(_), false) => Err(invalid("rdn_sequence needs the subject mode RDN_SEQUENCE.")),
        (None, true) if named.is_empty() => Ok(Name(Vec::new())),
        (Some(sequence), true) if named.is_empty() => {
            let names = sequence.iter().map(relative).collect::<Option<Vec<_>>>();
            names.map(Name).ok_or_else(|| invalid("An RDN is invalid."))
        }
        _ => Err(invalid(
            "Either rdn_sequence or the named fields of the subject may be set.",
        )),
    }
}

fn relative(name: &Value) -> Option<Vec<Attribute>> {
    let attributes = name.get("attributes")?.as_array()?;
    let attribute = |one: &Value| {
        let oid = match (one.get("type"), one.get("objectId")) {
            (Some(kind), None) => {
                let known = MEMBERS.iter().find(|(_, name, _)| kind == name)?;
                known.2.to_owned()
            }
            (None, Some(id)) => identifier(id)?,
            _ => return None,
        };
        let value = one
            .get("value")?
            .as_str()
            .filter(|value| !value.is_empty())?;
        Some(Attribute::new(&oid, value))
    };
    let attributes = attributes
        .iter()
        .map(attribute)
        .collect::<Option<Vec<_>>>()?;
    (!attributes.is_empty()).then_some(attributes)
}

/// # Errors
/// A name is of no known form.
fn names(draft: &mut Draft, names: &Value) -> Result<(), Answer> {
    let kinds = [
        "dnsNames",
        "uris",
        "emailAddresses",
        "ipAddresses",
        "customSans",
    ];
    only(names, "config.subject_config.subject_alt_name", &kinds)?;
    let of = |kind: &str| {
        names
            .get(kind)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let mut all = Vec::new();
    for (kind, number) in [("dnsNames", 2), ("uris", 6), ("emailAddresses", 1)] {
        for name in of(kind) {
            let text = name.as_str().filter(|text| !text.is_empty());
            all.push(general_name(
                number,
                text.ok_or_else(|| invalid("A name is no text."))?,
            ));
        }
    }
    for name in of("ipAddresses") {
        let address = name
            .as_str()
            .and_then(|text| text.parse::<std::net::IpAddr>().ok());
        all.push(
            match address.ok_or_else(|| invalid("An IP address is invalid."))? {
                std::net::IpAddr::V4(address) => ip_name(&address.octets()),
                std::net::IpAddr::V6(address) => ip_name(&address.octets()),
            },
        );
    }
    for name in of("customSans") {
        let oid = name.get("objectId").and_then(identifier);
        let value = name
            .get("value")
            .and_then(Value::as_str)
            .and_then(strict_base64);
        // The value is a UTF8String.
        let value = value.filter(|value| value.first() == Some(&0x0c));
        let (Some(oid), Some(value)) = (oid, value) else {
            return Err(invalid(
                "A custom SAN must have an object id and an ASN.1 UTF8String.",
            ));
        };
        all.push(other_name(&oid, &value));
    }
    draft.remove(SUBJECT_ALT_NAME);
    draft.set_alternative_names(&all);
    Ok(())
}

/// # Errors
/// A usage or an extension is of no known form.
fn values(draft: &mut Draft, values: &Value) -> Result<(), Answer> {
    let members = [
        "keyUsage",
        "caOptions",
        "policyIds",
        "aiaOcspServers",
        "nameConstraints",
        "additionalExtensions",
    ];
    only(values, "config.x509_config", &members)?;
    if values["caOptions"]["isCa"] == true {
        return Err(invalid("The issuance policy allows no CA."));
    }
    draft.set_ca(false);
    let usage = &values["keyUsage"];
    let members = [
        "baseKeyUsage",
        "extendedKeyUsage",
        "unknownExtendedKeyUsages",
    ];
    only(usage, "config.x509_config.key_usage", &members)?;
    let base = KEY_USAGES.map(|(name, _)| name);
    only(
        &usage["baseKeyUsage"],
        "config.x509_config.key_usage.base_key_usage",
        &base,
    )?;
    let extended = USAGES.map(|(name, _)| name);
    only(
        &usage["extendedKeyUsage"],
        "config.x509_config.key_usage.extended_key_usage",
        &extended,
    )?;
    let set = |place: &str, name: &str| usage[place][name] == true;
    let bits = KEY_USAGES
        .iter()
        .filter(|(name, _)| set("baseKeyUsage", name));
    draft.set_key_usage(bits.map(|(_, bit)| bit).sum());
    let named = USAGES
        .iter()
        .filter(|(name, _)| set("extendedKeyUsage", name));
    let mut usages: Vec<String> = named.map(|(_, oid)| (*oid).to_owned()).collect();
    for other in usage["unknownExtendedKeyUsages"]
        .as_array()
        .into_iter()
        .flatten()
    {
        usages.push(identifier(other).ok_or_else(|| invalid("An object id is invalid."))?);
    }
    draft.set_usages(&usages);
    for extension in values["additionalExtensions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let oid = extension.get("objectId").and_then(identifier);
        let value = extension
            .get("value")
            .and_then(Value::as_str)
            .and_then(strict_base64);
        let (Some(oid), Some(value)) = (oid, value) else {
            return Err(invalid("An extension must have an object id and a value."));
        };
        draft.put(&oid, extension["critical"] == true, value);
    }
    Ok(())
}
