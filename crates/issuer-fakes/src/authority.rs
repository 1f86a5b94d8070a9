//! The CA inside each fake: a root, an issuing CA below it, what it issued, and its CRL.

use std::io;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::Serialize;

use crate::certificate::{AUTHORITY_KEY_ID, Draft, SUBJECT_KEY_ID};
use crate::change::Change;
use crate::csr::Extension;
use crate::der::{self, Element};
use crate::name::Name;
use crate::text::{pem, random};

/// 2020-01-01, before whatever time a test has.
const EARLY: i64 = 1_577_836_800;
/// 2059-12-31.
const LATE: i64 = 2_840_054_400;

/// A key of the CA or of TLS: ECDSA on P-256.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    pub(crate) pkcs8: Vec<u8>,
}

impl Key {
    pub(crate) fn generate() -> io::Result<Self> {
        let failed = |_| io::Error::other("no key could be generated");
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .map_err(failed)?;
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            pkcs8.as_ref(),
            &SystemRandom::new(),
        )
        .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self {
            pair,
            pkcs8: pkcs8.as_ref().to_vec(),
        })
    }

    /// SubjectPublicKeyInfo, DER.
    pub(crate) fn public(&self) -> Vec<u8> {
        let algorithm = der::sequence(&[
            &der::oid("1.2.840.10045.2.1"),
            &der::oid("1.2.840.10045.3.1.7"),
        ]);
        let bits = der::bit_string(self.pair.public_key().as_ref());
        der::sequence(&[&algorithm, &bits])
    }

    fn id(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        digest(&SHA1_FOR_LEGACY_USE_ONLY, point).as_ref().to_vec()
    }

    /// `signed`, the algorithm and the signature in one SEQUENCE, as certificates and CRLs are.
    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), signed);
        let signature = signature.map_or_else(|_| Vec::new(), |proof| proof.as_ref().to_vec());
        der::sequence(&[signed, &algorithm(), &der::bit_string(&signature)])
    }
}

/// ecdsa-with-SHA256.
fn algorithm() -> Vec<u8> {
    der::sequence(&[&der::oid("1.2.840.10045.4.3.2")])
}

/// A certificate with these fields, signed.
pub(crate) fn certificate(draft: &Draft, serial: &[u8], issuer: &Name, signer: &Key) -> Vec<u8> {
    let version = der::tagged(0, &der::number(2));
    let validity = der::sequence(&[&der::time(draft.not_before), &der::time(draft.not_after)]);
    let extensions: Vec<Vec<u8>> = draft.extensions.iter().map(extension).collect();
    let extensions = der::tagged(3, &der::element(der::SEQUENCE, &extensions.concat()));
    let signed = der::sequence(&[
        &version,
        &der::integer(serial),
        &algorithm(),
        &issuer.der(),
        &validity,
        &draft.subject.der(),
        &draft.key,
        &extensions,
    ]);
    signer.sign(&signed)
}

fn extension(extension: &Extension) -> Vec<u8> {
    let critical = if extension.critical {
        der::element(der::BOOLEAN, &[0xff])
    } else {
        Vec::new()
    };
    der::sequence(&[
        &der::oid(&extension.oid),
        &critical,
        &der::octet_string(&extension.value),
    ])
}

fn key_id(key: &Key) -> Vec<u8> {
    der::sequence(&[&der::element(0x80, &key.id())])
}

/// A certificate that the fake issued.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    /// Its serial number's content octets, lower-case hexadecimal.
    pub serial: String,
    /// DER.
    #[serde(skip)]
    pub certificate: Vec<u8>,
    /// PEM.
    pub pem: String,
    /// What the kind calls it: a username, a request id, an ARN, a name.
    pub reference: String,
    /// The subject as text.
    pub subject: String,
    /// In what it differs from what was asked for.
    pub changes: Vec<Change>,
    /// When it was revoked, in seconds since 1970, and why (RFC 5280, section 5.3.1).
    pub revoked: Option<(i64, u8)>,
    /// When it ends, in seconds since 1970.
    pub not_after: i64,
    /// SubjectPublicKeyInfo, DER.
    #[serde(skip)]
    pub key: Vec<u8>,
}

/// The CA.
pub(crate) struct Authority {
    pub(crate) name: Name,
    key: Key,
    intruder: Key,
    pub(crate) issuing: Vec<u8>,
    pub(crate) root: Vec<u8>,
    root_key: Key,
    pub(crate) root_name: Name,
    pub(crate) issued: Vec<Issued>,
    /// Seconds since 1970.
    pub(crate) not_after: i64,
    crls: u64,
}

impl Authority {
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let (root_key, key, intruder) = (Key::generate()?, Key::generate()?, Key::generate()?);
        let root_name = Name::of(&[("C", "DE"), ("O", "Fake"), ("CN", "Fake Root CA")]);
        let name = Name::of(&[("C", "DE"), ("O", "Fake"), ("CN", name)]);
        let root = ca_certificate(&root_name, &root_key, &root_name, &root_key);
        let issuing = ca_certificate(&name, &key, &root_name, &root_key);
        Ok(Self {
            name,
            key,
            intruder,
            issuing,
            root,
            root_key,
            root_name,
            issued: Vec::new(),
            not_after: LATE,
            crls: 0,
        })
    }

    /// Another key for the issuing CA, below the same root.
    pub(crate) fn renew_key(&mut self) -> io::Result<()> {
        self.key = Key::generate()?;
        self.issuing = ca_certificate(&self.name, &self.key, &self.root_name, &self.root_key);
        Ok(())
    }

    /// Issuer first, then the root; DER.
    pub(crate) fn chain(&self) -> [&[u8]; 2] {
        [&self.issuing, &self.root]
    }

    /// subjectKeyIdentifier and authorityKeyIdentifier, which every certificate has.
    pub(crate) fn identify(&self, draft: &mut Draft) {
        // Method 1 of RFC 5280, section 4.2.1.2: SHA-1 of the bits of the key.
        let parts = Element::only(&draft.key, der::SEQUENCE).and_then(|key| key.children());
        let bits = parts.as_ref().and_then(|parts| parts.get(1)?.bits());
        let id = digest(&SHA1_FOR_LEGACY_USE_ONLY, bits.unwrap_or_default());
        draft.put(SUBJECT_KEY_ID, false, der::octet_string(id.as_ref()));
        draft.put(AUTHORITY_KEY_ID, false, key_id(&self.key));
    }

    /// Signs a certificate after these changes and remembers it.
    pub(crate) fn issue(
        &mut self,
        mut draft: Draft,
        changes: &[Change],
        reference: &str,
    ) -> Issued {
        self.identify(&mut draft);
        let before = self
            .issued
            .last()
            .and_then(|last| hex::decode(&last.serial).ok());
        let before = before.unwrap_or_else(|| vec![0x66]);
        for change in changes {
            change.apply(&mut draft, &self.intruder.public(), &before);
        }
        if draft.serial.is_empty() {
            draft.serial = fresh_serial();
        }
        let issuer = draft.issuer.as_ref().unwrap_or(&self.name);
        let signer = if draft.forged {
            &self.intruder
        } else {
            &self.key
        };
        let certificate = if draft.garbage {
            b"no certificate".to_vec()
        } else {
            certificate(&draft, &draft.serial, issuer, signer)
        };
        let issued = Issued {
            serial: hex::encode(&draft.serial),
            pem: pem("CERTIFICATE", &certificate),
            certificate,
            reference: reference.to_owned(),
            subject: draft.subject.text(),
            changes: changes.to_vec(),
            revoked: None,
            not_after: draft.not_after,
            key: draft.key,
        };
        self.issued.push(issued.clone());
        issued
    }

    /// The latest certificate with this serial number (content octets).
    pub(crate) fn find(&mut self, serial: &[u8]) -> Option<&mut Issued> {
        let serial = trimmed(serial);
        self.issued.iter_mut().rev().find(|issued| {
            let known = hex::decode(&issued.serial).unwrap_or_default();
            trimmed(&known) == serial
        })
    }

    /// The CRL (RFC 5280, section 5), with another number each time.
    pub(crate) fn crl(&mut self, now: i64, next: i64) -> Vec<u8> {
        self.crls += 1;
        let entries = self.issued.iter().filter_map(|issued| {
            let (at, reason) = issued.revoked?;
            let serial = hex::decode(&issued.serial).ok()?;
            let reason = der::element(0x0a, &[reason]);
            let reason = Extension {
                oid: "2.5.29.21".to_owned(),
                critical: false,
                value: reason,
            };
            Some(der::sequence(&[
                &der::integer(&serial),
                &der::time(at),
                &der::sequence(&[&extension(&reason)]),
            ]))
        });
        let entries: Vec<Vec<u8>> = entries.collect();
        // revokedCertificates is absent, not empty, when there are none.
        let entries = if entries.is_empty() {
            Vec::new()
        } else {
            der::element(der::SEQUENCE, &entries.concat())
        };
        let own = |oid: &str, value: Vec<u8>| {
            extension(&Extension {
                oid: oid.to_owned(),
                critical: false,
                value,
            })
        };
        let number = own("2.5.29.20", der::number(self.crls));
        let id = own(AUTHORITY_KEY_ID, key_id(&self.key));
        let signed = der::sequence(&[
            &der::number(1),
            &algorithm(),
            &self.name.der(),
            &der::time(now),
            &der::time(next),
            &entries,
            &der::tagged(0, &der::sequence(&[&id, &number])),
        ]);
        self.key.sign(&signed)
    }
}

/// A positive serial number of 16 octets.
pub(crate) fn fresh_serial() -> Vec<u8> {
    let mut serial = random::<16>().to_vec();
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    serial
}

/// Without the zeros in front.
fn trimmed(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.get(zeros..).unwrap_or_default()
}

fn ca_certificate(subject: &Name, key: &Key, issuer: &Name, signer: &Key) -> Vec<u8> {
    let mut draft = Draft {
        subject: subject.clone(),
        key: key.public(),
        not_before: EARLY,
        not_after: LATE,
        ..Draft::default()
    };
    draft.set_ca(true);
    draft.set_key_usage(0x0600);
    draft.put(SUBJECT_KEY_ID, false, der::octet_string(&key.id()));
    draft.put(AUTHORITY_KEY_ID, false, key_id(signer));
    certificate(&draft, &fresh_serial(), issuer, signer)
}

/// A certificate of TLS: for a server at these names and addresses, or for a client.
pub(crate) struct Leaf {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// A CA for TLS alone.
pub(crate) struct TlsAuthority {
    name: Name,
    key: Key,
    pub(crate) certificate: Vec<u8>,
}

impl TlsAuthority {
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let key = Key::generate()?;
        let name = Name::of(&[("CN", name)]);
        Ok(Self {
            certificate: ca_certificate(&name, &key, &name, &key),
            name,
            key,
        })
    }

    pub(crate) fn leaf(
        &self,
        common_name: &str,
        sans: &[Vec<u8>],
        usage: &str,
    ) -> io::Result<Leaf> {
        let key = Key::generate()?;
        let mut draft = Draft {
            subject: Name::of(&[("CN", common_name)]),
            key: key.public(),
            not_before: EARLY,
            not_after: LATE,
            ..Draft::default()
        };
        draft.set_ca(false);
        draft.set_key_usage(0x8000);
        draft.set_usages(&[usage.to_owned()]);
        draft.set_alternative_names(sans);
        draft.put(AUTHORITY_KEY_ID, false, key_id(&self.key));
        Ok(Leaf {
            certificate: certificate(&draft, &fresh_serial(), &self.name, &self.key),
            key: key.pkcs8,
        })
    }
}
