//! From what policy approved to the fields of the API (config mode): the CSR is not sent at all, only its key.

use crate::words::quoted;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use issuer::{Approved, Inexpressible};
use pki::{Extension, KeyUsage, Name, PublicKey, oid};
use serde_json::{Map, Value, json};

/// Subject attributes that have a name of their own in the API.
const TYPES: [(&str, &str); 8] = [
    ("2.5.4.3", "COMMON_NAME"),
    ("2.5.4.6", "COUNTRY_CODE"),
    ("2.5.4.10", "ORGANIZATION"),
    ("2.5.4.11", "ORGANIZATIONAL_UNIT"),
    ("2.5.4.7", "LOCALITY"),
    ("2.5.4.8", "PROVINCE"),
    ("2.5.4.9", "STREET_ADDRESS"),
    ("2.5.4.17", "POSTAL_CODE"),
];

const USAGES: [(KeyUsage, &str); 7] = [
    (KeyUsage::DIGITAL_SIGNATURE, "digitalSignature"),
    (KeyUsage::NON_REPUDIATION, "contentCommitment"),
    (KeyUsage::KEY_ENCIPHERMENT, "keyEncipherment"),
    (KeyUsage::DATA_ENCIPHERMENT, "dataEncipherment"),
    (KeyUsage::KEY_AGREEMENT, "keyAgreement"),
    (KeyUsage::ENCIPHER_ONLY, "encipherOnly"),
    (KeyUsage::DECIPHER_ONLY, "decipherOnly"),
];

/// Extended key usages that have a name of their own in the API.
const PURPOSES: [(&str, &str); 6] = [
    ("1.3.6.1.5.5.7.3.1", "serverAuth"),
    ("1.3.6.1.5.5.7.3.2", "clientAuth"),
    ("1.3.6.1.5.5.7.3.3", "codeSigning"),
    ("1.3.6.1.5.5.7.3.4", "emailProtection"),
    ("1.3.6.1.5.5.7.3.8", "timeStamping"),
    ("1.3.6.1.5.5.7.3.9", "ocspSigning"),
];

/// `config` for an approval.
pub(super) fn config(approved: &Approved) -> Value {
    let sans = approved.sans();
    let upns: Vec<Value> = sans
        .upn
        .iter()
        .map(|upn| {
            json!({
                "objectId": object_id(oid::MS_UPN),
                "critical": false,
                "value": STANDARD.encode(pki::der::utf8_string(upn)),
            })
        })
        .collect();
    let mut x509 = usages(approved.key_usage(), approved.ext_key_usages());
    if approved.must_staple() {
        let extension = Extension::must_staple();
        x509["additionalExtensions"] = json!([{
            "objectId": object_id(&extension.oid),
            "critical": extension.critical,
            "value": STANDARD.encode(&extension.value),
        }]);
    }
    json!({
        "subjectConfig": {
            "subject": {"rdnSequence": names(approved.subject())},
            "subjectAltName": {
                "dnsNames": sans.dns,
                "emailAddresses": sans.email,
                "uris": sans.uri,
                "ipAddresses": sans.ip.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "customSans": upns,
            },
        },
        "x509Config": x509,
        "publicKey": key(approved.public_key()),
    })
}

fn names(subject: &Name) -> Value {
    let attributes = subject.attributes().iter().map(|one| {
        let known = TYPES.iter().find(|(dotted, _)| *dotted == one.oid);
        let attribute = match known {
            Some((_, name)) => json!({"type": name, "value": one.value}),
            None => json!({"objectId": object_id(&one.oid), "value": one.value}),
        };
        json!({"attributes": [attribute]})
    });
    attributes.collect::<Vec<_>>().into()
}

fn usages(usage: KeyUsage, purposes: &[String]) -> Value {
    let base: Map<String, Value> = USAGES
        .iter()
        .filter(|(bit, _)| usage.contains(*bit))
        .map(|(_, name)| ((*name).to_owned(), true.into()))
        .collect();
    let named = |dotted: &String| PURPOSES.iter().find(|(known, _)| known == dotted);
    let extended: Map<String, Value> = purposes
        .iter()
        .filter_map(named)
        .map(|(_, name)| ((*name).to_owned(), true.into()))
        .collect();
    let unknown: Vec<Value> = purposes
        .iter()
        .filter(|dotted| named(dotted).is_none())
        .map(|dotted| object_id(dotted))
        .collect();
    json!({
        "keyUsage": {
            "baseKeyUsage": base,
            "extendedKeyUsage": extended,
            "unknownExtendedKeyUsages": unknown,
        },
        "caOptions": {"isCa": false},
    })
}

fn object_id(dotted: &str) -> Value {
    let path = dotted.split('.').filter_map(|arc| arc.parse::<u32>().ok());
    json!({"objectIdPath": path.collect::<Vec<_>>()})
}

fn key(key: &PublicKey) -> Value {
    let text = STANDARD.encode(key.spki_der());
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    json!({"format": "PEM", "key": STANDARD.encode(pem)})
}

/// Whether there are fields for all of it.
pub(super) fn can_express(approved: &Approved) -> Result<(), Inexpressible> {
    let cannot = |field: &'static str, why: String, remedy: &str| {
        Err(Inexpressible {
            field,
            why,
            remedy: remedy.to_owned(),
        })
    };
    let subject = approved.subject();
    if let Some(odd) = subject.attributes().iter().find(|one| !one.is_text) {
        let name = quoted(Name::short_name(&odd.oid));
        let why = format!("{name} in it is no text");
        return cannot("subject", why, "have devices ask for texts");
    }
    if !subject.is_flat() {
        let why = "it has attributes joined by +, which are asked for one by one".to_owned();
        let remedy = "have devices ask for attributes one by one";
        return cannot("subject", why, remedy);
    }
    if let Some(other) = approved.sans().other.first() {
        let why = format!("there is no field for {}", quoted(other));
        let remedy = "change the alternative names that devices ask for";
        return cannot("subjectAltName", why, remedy);
    }
    Ok(())
}
