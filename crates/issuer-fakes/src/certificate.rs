//! What a certificate is to be, before it is signed, and the extensions that it has.

use crate::csr::{Extension, SUBJECT_ALT_NAME};
use crate::der::{self, BIT_STRING, Element, SEQUENCE};
use crate::name::Name;

pub(crate) const KEY_USAGE: &str = "2.5.29.15";
pub(crate) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub(crate) const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
pub(crate) const AUTHORITY_KEY_ID: &str = "2.5.29.35";
pub(crate) const SUBJECT_KEY_ID: &str = "2.5.29.14";
/// Microsoft's SID of an account, KB5014754.
pub(crate) const SID: &str = "1.3.6.1.4.1.311.25.2";
/// A user principal name, an otherName of subjectAltName.
pub(crate) const UPN: &str = "1.3.6.1.4.1.311.20.2.3";

/// A certificate before it is signed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) subject: Name,
    /// SubjectPublicKeyInfo, DER.
    pub(crate) key: Vec<u8>,
    /// Seconds since 1970.
    pub(crate) not_before: i64,
    /// Seconds since 1970.
    pub(crate) not_after: i64,
    pub(crate) extensions: Vec<Extension>,
    /// Content octets of the serial number; random when empty.
    pub(crate) serial: Vec<u8>,
    /// Another issuer's name than the authority's.
    pub(crate) issuer: Option<Name>,
    /// Signed by another key than the authority's.
    pub(crate) forged: bool,
    /// The answer carries this in the place of the certificate.
    pub(crate) garbage: bool,
}

impl Draft {
    pub(crate) fn extension(&self, oid: &str) -> Option<&Extension> {
        self.extensions.iter().find(|known| known.oid == oid)
    }

    /// Puts an extension in the place of the one of its kind, or at the end.
    pub(crate) fn put(&mut self, oid: &str, critical: bool, value: Vec<u8>) {
        let extension = Extension {
            oid: oid.to_owned(),
            critical,
            value,
        };
        match self.extensions.iter_mut().find(|known| known.oid == oid) {
            Some(known) => *known = extension,
            None => self.extensions.push(extension),
        }
    }

    pub(crate) fn remove(&mut self, oid: &str) {
        self.extensions.retain(|known| known.oid != oid);
    }

    /// Alternative names, each one GeneralName in DER.
    pub(crate) fn alternative_names(&self) -> Vec<Vec<u8>> {
        let names = self.extension(SUBJECT_ALT_NAME);
        names.map_or_else(Vec::new, |names| elements(&names.value))
    }

    pub(crate) fn set_alternative_names(&mut self, names: &[Vec<u8>]) {
        if names.is_empty() {
            self.remove(SUBJECT_ALT_NAME);
            return;
        }
        let critical = self.subject.0.is_empty();
        self.put(
            SUBJECT_ALT_NAME,
            critical,
            der::element(SEQUENCE, &names.concat()),
        );
    }

    /// Extended key usages by object identifier.
    pub(crate) fn usages(&self) -> Vec<String> {
        let usages = self.extension(EXTENDED_KEY_USAGE);
        let usages = usages.map_or_else(Vec::new, |usages| elements(&usages.value));
        let read = |octets: &Vec<u8>| Element::first(octets)?.0.identifier();
        usages.iter().filter_map(read).collect()
    }

    pub(crate) fn set_usages(&mut self, usages: &[String]) {
        if usages.is_empty() {
            self.remove(EXTENDED_KEY_USAGE);
            return;
        }
        let usages: Vec<Vec<u8>> = usages.iter().map(|usage| der::oid(usage)).collect();
        self.put(
            EXTENDED_KEY_USAGE,
            false,
            der::element(SEQUENCE, &usages.concat()),
        );
    }

    /// The bits of keyUsage, digitalSignature the highest.
    pub(crate) fn key_usage(&self) -> u16 {
        let usage = self.extension(KEY_USAGE);
        let content =
            usage.and_then(|usage| Some(Element::only(&usage.value, BIT_STRING)?.content));
        match content {
            Some([_, first]) => u16::from(*first) << 8,
            Some([_, first, second, ..]) => u16::from_be_bytes([*first, *second]),
            _ => 0,
        }
    }

    pub(crate) fn set_key_usage(&mut self, bits: u16) {
        if bits == 0 {
            self.remove(KEY_USAGE);
        } else {
            self.put(KEY_USAGE, true, der::named_bits(bits));
        }
    }

    /// basicConstraints, critical.
    pub(crate) fn set_ca(&mut self, ca: bool) {
        let value = if ca {
            der::sequence(&[&der::element(der::BOOLEAN, &[0xff])])
        } else {
            der::sequence(&[])
        };
        self.put(BASIC_CONSTRAINTS, true, value);
    }
}

/// The elements of a SEQUENCE, each whole.
fn elements(sequence: &[u8]) -> Vec<Vec<u8>> {
    let children = Element::only(sequence, SEQUENCE).and_then(|sequence| sequence.children());
    let children = children.unwrap_or_default();
    children.iter().map(|child| child.whole.to_vec()).collect()
}

/// A GeneralName (RFC 5280, section 4.2.1.6) that is one of the simple texts: 1 e-mail, 2 DNS, 6 URI.
pub(crate) fn general_name(number: u8, text: &str) -> Vec<u8> {
    der::element(0x80 | number, text.as_bytes())
}

/// An iPAddress.
pub(crate) fn ip_name(octets: &[u8]) -> Vec<u8> {
    der::element(0x87, octets)
}

/// A directoryName.
pub(crate) fn directory_name(name: &Name) -> Vec<u8> {
    der::tagged(4, &name.der())
}

/// An otherName with this value, DER.
pub(crate) fn other_name(oid: &str, value: &[u8]) -> Vec<u8> {
    der::tagged(0, &[der::oid(oid), der::tagged(0, value)].concat())
}

/// An otherName with a UTF8String.
pub(crate) fn other_text(oid: &str, text: &str) -> Vec<u8> {
    other_name(oid, &der::element(der::UTF8_STRING, text.as_bytes()))
}

/// Microsoft's extension with the SID of an account, as AD CS writes it.
pub(crate) fn sid_value(sid: &str) -> Vec<u8> {
    let value = der::octet_string(sid.as_bytes());
    der::sequence(&[&other_name("1.3.6.1.4.1.311.25.2.1", &value)])
}
