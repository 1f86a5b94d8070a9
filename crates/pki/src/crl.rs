//! Certificate revocation lists.

mod reason;

use chrono::{DateTime, Datelike, Utc};

use crate::der::{self, Reader, Tlv, tag};
use crate::signed_object::{self, Outline};
use crate::{
    Error, Extension, Name, PrivateKey, PublicKey, Serial, SignatureScheme, extension, oid, pem,
};

pub use reason::RevocationReason;

const WHAT: &str = "CRL";
/// id-ce-issuingDistributionPoint (RFC 5280, 5.2.5).
const ISSUING_DISTRIBUTION_POINT: &str = "2.5.29.28";
/// What its PEM blocks are called (RFC 7468, 6).
const PEM_LABEL: &str = "X509 CRL";
/// The extensions of an entry that says nothing but why (RFC 5280, 5.3.1), in DER, up to the number of the reason.
const REASON: [u8; 13] = [
    0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01,
];
/// About what an entry takes: a serial number of 20 octets, a UTCTime, a reason.
const ENTRY_OCTETS: usize = 54;

/// One revoked certificate of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedEntry {
    /// Its serial number.
    pub serial: Serial,
    /// When it was revoked.
    pub revoked_at: DateTime<Utc>,
    /// Why, where that is said.
    pub reason: Option<RevocationReason>,
}

/// A certificate revocation list (RFC 5280, 5), with the DER that it came in.
#[derive(Clone)]
pub struct Crl {
    der: Vec<u8>,
    outline: Outline,
    issuer: Name,
    number: Option<u64>,
    aki: Option<Vec<u8>>,
    this_update: DateTime<Utc>,
    next_update: Option<DateTime<Utc>>,
    entries: Box<[RevokedEntry]>,
    partial: bool,
    placed: bool,
}

impl Crl {
    /// Reads the DER of a list.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let (outline, mut fields) = Outline::read(der, WHAT)?;
        fields.optional(tag::INTEGER)?;
        fields.expect(tag::SEQUENCE)?;
        let issuer = Name::read(&mut fields)?;
        let this_update = fields.time()?;
        let next_update = match fields.peek() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(fields.time()?),
            _ => None,
        };
        let mut entries = Vec::new();
        if let Some(list) = fields.optional(tag::SEQUENCE)? {
            let mut list = list.reader(WHAT);
            while !list.is_empty() {
                entries.push(read_entry(list.sequence()?)?);
            }
        }
        let extensions = match fields.optional(tag::context_constructed(0))? {
            Some(list) => extension::read_extensions(list.content)?,
            None => Vec::new(),
        };
        fields.finish()?;
        let number = extension::find(&extensions, oid::CRL_NUMBER)
            .and_then(|value| Reader::new(value, "cRLNumber").unsigned().ok());
        let aki = extension::find(&extensions, oid::AUTHORITY_KEY_ID)
            .and_then(extension::authority_key_id)
            .map(<[u8]>::to_vec);
        Ok(Self {
            der: der.to_vec(),
            outline,
            issuer,
            number,
            aki,
            this_update,
            next_update,
            entries: entries.into(),
            partial: extensions.iter().any(|extension| extension.critical),
            placed: is_placed(&extensions),
        })
    }

    /// The key identifier in the authorityKeyIdentifier.
    #[must_use]
    pub fn aki(&self) -> Option<&[u8]> {
        self.aki.as_deref()
    }

    /// Reads a list in DER, or in the first block `X509 CRL` of a PEM text.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_der_or_pem(octets: &[u8]) -> Result<Self, Error> {
        if octets.first() == Some(&tag::SEQUENCE) {
            return Self::from_der(octets);
        }
        let blocks = pem::blocks(octets)?;
        let block = blocks.iter().find(|block| block.label == PEM_LABEL);
        let block = block.ok_or(Error::malformed(WHAT, "there is no X509 CRL block in it"))?;
        Self::from_der(&block.decode()?)
    }

    /// Whether the list does not speak for all certificates of its issuer, or may not: it has critical extensions, as delta
    /// CRLs and those with an issuing distribution point have (RFC 5280, 5.2.4 and 5.2.5).
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// Whether all that makes the list [partial](Self::is_partial) is an issuing distribution point that says where the list
    /// is fetched, and restricts it neither to kinds of certificates nor to reasons (RFC 5280, 5.2.5). Whether such a list
    /// is whole, only its issuer's documents tell.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        self.placed
    }

    /// The DER, as it came.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Who made the list.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// The number of the list, where it has one that fits.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// When the list was made.
    #[must_use]
    pub fn this_update(&self) -> DateTime<Utc> {
        self.this_update
    }

    /// When the next one is due at the latest.
    #[must_use]
    pub fn next_update(&self) -> Option<DateTime<Utc>> {
        self.next_update
    }

    /// The revoked certificates, in the order of the list.
    #[must_use]
    pub fn entries(&self) -> &[RevokedEntry] {
        &self.entries
    }

    /// Checks the list's signature with a key.
    ///
    /// # Errors
    /// `BadSignature`, or what [`PublicKey::verify`] says.
    pub fn verify_signature_by(&self, key: &PublicKey) -> Result<(), Error> {
        self.outline.verify(&self.der, key, WHAT)
    }
}

fn read_entry(mut fields: Reader<'_>) -> Result<RevokedEntry, Error> {
    let serial = Serial::new(fields.integer()?);
    let revoked_at = fields.time()?;
    let extensions = fields.optional(tag::SEQUENCE)?;
    fields.finish()?;
    Ok(RevokedEntry {
        serial,
        revoked_at,
        reason: extensions.map_or(Ok(None), |list| read_reason(list.raw))?,
    })
}

/// The reason in the extensions of an entry.
fn read_reason(extensions: &[u8]) -> Result<Option<RevocationReason>, Error> {
    // Nearly all are written like this.
    if let Some([number]) = extensions.strip_prefix(&REASON) {
        return Ok(RevocationReason::from_number(*number));
    }
    let extensions = extension::read_extensions(extensions)?;
    Ok(extension::find(&extensions, oid::CRL_REASON)
        .and_then(|value| Tlv::parse(value, "reasonCode").ok())
        .and_then(|value| match (value.tag, value.content) {
            (tag::ENUMERATED, [number]) => RevocationReason::from_number(*number),
            _ => None,
        }))
}

impl std::fmt::Debug for Crl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crl({}, {} entries)", self.issuer, self.entries.len())
    }
}

/// What goes into a new list.
#[derive(Debug, Clone)]
pub struct CrlBuilder {
    /// The name of the signing CA.
    pub issuer: Name,
    /// The revoked certificates, in this order.
    pub entries: Vec<RevokedEntry>,
    /// The number of the list; each new one is larger.
    pub number: u64,
    /// When the list is made.
    pub this_update: DateTime<Utc>,
    /// When the next one is due at the latest.
    pub next_update: DateTime<Utc>,
    /// The key identifier of the signing CA's certificate.
    pub aki: Option<Vec<u8>>,
}

impl CrlBuilder {
    /// Signs it.
    ///
    /// # Errors
    /// What [`PrivateKey::sign`] says; `Text` when a serial number is empty or a time is not between 1950 and 9999.
    pub fn sign(&self, key: &PrivateKey, scheme: &SignatureScheme) -> Result<Crl, Error> {
        let mut times = self
            .entries
            .iter()
            .map(|entry| entry.revoked_at)
            .chain([self.this_update, self.next_update]);
        if !times.all(|time| (1950..=9999).contains(&time.year())) {
            return Err(Error::text(
                "CRL to be signed",
                "a time is not between 1950 and 9999",
            ));
        }
        if self
            .entries
            .iter()
            .any(|entry| entry.serial.as_bytes().is_empty())
        {
            return Err(Error::text("CRL to be signed", "a serial number is empty"));
        }
        let mut extensions = Vec::new();
        if let Some(key_id) = &self.aki {
            extensions.push(Extension::authority_key_id(key_id));
        }
        let number = der::integer_u64(self.number);
        extensions.push(Extension {
            oid: oid::CRL_NUMBER.to_owned(),
            critical: false,
            value: number,
        });
        let tbs = der::seq(&[
            &der::integer_u64(1),
            &scheme.to_identifier(),
            self.issuer.der(),
            &der::time(self.this_update),
            &der::time(self.next_update),
            &self.write_entries(),
            &der::explicit(0, &extension::write_extensions(&extensions)?),
        ]);
        Crl::from_der(&signed_object::sign(&tbs, key, scheme)?)
    }

    /// The list; left out altogether when it would be empty (RFC 5280, 5.1.2.6).
    fn write_entries(&self) -> Vec<u8> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        let mut list = Vec::with_capacity(self.entries.len() * ENTRY_OCTETS);
        // Many are revoked in one step.
        let mut last: Option<(DateTime<Utc>, Vec<u8>)> = None;
        for entry in &self.entries {
            let at = match last.take() {
                Some((of, at)) if of == entry.revoked_at => at,
                _ => der::time(entry.revoked_at),
            };
            let serial = entry.serial.as_bytes();
            // No reason and "unspecified" are the same, and the latter should not be written (RFC 5280, 5.3.1).
            let reason = entry
                .reason
                .filter(|reason| *reason != RevocationReason::Unspecified);
            let extensions = reason.map_or(0, |_| REASON.len() + 1);
            let content = der::tlv_octets(serial.len()) + at.len() + extensions;
            der::push_header(&mut list, tag::SEQUENCE, content);
            der::push_tlv(&mut list, tag::INTEGER, serial);
            list.extend_from_slice(&at);
            if let Some(reason) = reason {
                list.extend_from_slice(&REASON);
                list.push(reason.number());
            }
            last = Some((entry.revoked_at, at));
        }
        der::tlv(tag::SEQUENCE, &list)
    }
}

/// Whether the critical extensions are one issuing distribution point with a distributionPoint ([0]) and nothing else in it.
fn is_placed(extensions: &[Extension]) -> bool {
    let mut critical = extensions.iter().filter(|extension| extension.critical);
    let (Some(first), None) = (critical.next(), critical.next()) else {
        return false;
    };
    let only_a_place = |value: &[u8]| -> Result<bool, Error> {
        let mut reader = Reader::new(value, "issuingDistributionPoint");
        let mut point = reader.sequence()?;
        reader.finish()?;
        Ok(point.optional(tag::context_constructed(0))?.is_some() && point.is_empty())
    };
    first.oid == ISSUING_DISTRIBUTION_POINT && only_a_place(&first.value).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Curve, Digest, KeyKind};
    use chrono::{TimeDelta, TimeZone};
    use proptest::prelude::*;

    fn builder(entries: Vec<RevokedEntry>) -> CrlBuilder {
        let now = Utc.with_ymd_and_hms(2026, 11, 23, 9, 0, 0).unwrap();
        CrlBuilder {
            issuer: Name::parse("O=scep, CN=CA").unwrap(),
            entries,
            number: 0x80,
            this_update: now,
            next_update: now + TimeDelta::days(7),
            aki: Some(vec![7; 20]),
        }
    }

    fn entries(count: u8) -> Vec<RevokedEntry> {
        let at = Utc.with_ymd_and_hms(2026, 11, 1, 0, 0, 0).unwrap();
        let entry = |n: u8| RevokedEntry {
            serial: Serial::new([1, n]),
            revoked_at: at + TimeDelta::seconds(i64::from(n)),
            reason: RevocationReason::from_number(n % 11)
                .filter(|reason| *reason != RevocationReason::Unspecified),
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn what_is_built_is_read_by_us_openssl_webpki_and_rasn() {
        for count in [0, 1, 40] {
            for kind in [KeyKind::Rsa { bits: 2048 }, KeyKind::Ec(Curve::P256)] {
                let key = PrivateKey::generate(kind).unwrap();
                let builder = builder(entries(count));
                let crl = builder
                    .sign(&key, &key.scheme(Digest::Sha256).unwrap())
                    .unwrap();
                crl.verify_signature_by(key.public_key()).unwrap();
                assert_eq!(crl.entries(), builder.entries);
                assert_eq!(crl.issuer(), &builder.issuer);
                assert_eq!(crl.number(), Some(0x80));
                assert_eq!(
                    (crl.this_update(), crl.next_update()),
                    (builder.this_update, Some(builder.next_update))
                );

                let theirs = openssl::x509::X509Crl::from_der(crl.der()).unwrap();
                let public =
                    openssl::pkey::PKey::public_key_from_der(key.public_key().spki_der()).unwrap();
                assert!(theirs.verify(&public).unwrap());
                assert_eq!(
                    theirs.get_revoked().map_or(0, |list| list.len()),
                    usize::from(count)
                );
                webpki::BorrowedCertRevocationList::from_der(crl.der()).unwrap();
                let typed: rasn_pkix::CertificateList = rasn::der::decode(crl.der()).unwrap();
                assert_eq!(
                    typed.tbs_cert_list.revoked_certificates.len(),
                    usize::from(count)
                );
            }
        }
    }

    #[test]
    fn the_usual_extensions_of_an_entry_are_those_that_the_long_way_writes_and_reads() {
        for reason in RevocationReason::ALL {
            let value = der::tlv(tag::ENUMERATED, &[reason.number()]);
            let critical = |critical| Extension {
                oid: oid::CRL_REASON.to_owned(),
                critical,
                value: value.clone(),
            };
            let usual = extension::write_extensions(&[critical(false)]).unwrap();
            assert_eq!(usual, [&REASON[..], &[reason.number()]].concat());
            let other = extension::write_extensions(&[critical(true)]).unwrap();
            for extensions in [usual, other] {
                assert_eq!(read_reason(&extensions).unwrap(), Some(reason));
            }
        }
        let unknown = [&REASON[..], &[7]].concat();
        assert_eq!(read_reason(&unknown).unwrap(), None);
        assert!(read_reason(&[&unknown[..], &[0]].concat()).is_err());
    }

    #[test]
    fn a_distribution_point_alone_is_told_from_restrictions() {
        let point = |content: &[&[u8]]| Extension {
            oid: ISSUING_DISTRIBUTION_POINT.to_owned(),
            critical: true,
            value: der::seq(content),
        };
        let place = der::tlv(
            tag::context_constructed(0),
            &der::tlv(
                tag::context_constructed(0),
                &der::tlv(0x86, b"http://x/crl"),
            ),
        );
        let users_only = der::tlv(0x81, &[0xff]);
        let other = Extension {
            oid: "2.5.29.27".to_owned(),
            critical: true,
            value: vec![2, 1, 1],
        };
        for (extensions, placed) in [
            (vec![point(&[&place])], true),
            (vec![point(&[&place, &users_only])], false),
            (vec![point(&[&users_only])], false),
            (vec![point(&[])], false),
            (vec![point(&[&place]), other.clone()], false),
            (vec![other], false),
            (vec![], false),
        ] {
            assert_eq!(is_placed(&extensions), placed, "{extensions:?}");
        }
    }

    #[test]
    fn another_key_does_not_verify_it() {
        let [one, other] =
            [(); 2].map(|()| PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap());
        let crl = builder(entries(2))
            .sign(&one, &one.scheme(Digest::Sha256).unwrap())
            .unwrap();
        assert_eq!(
            crl.verify_signature_by(other.public_key()),
            Err(Error::BadSignature { what: WHAT })
        );
    }

    proptest! {
        #[test]
        fn damaged_lists_never_panic(at in any::<prop::sample::Index>(), value in any::<u8>()) {
            let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
            let crl = builder(entries(3)).sign(&key, &key.scheme(Digest::Sha256).unwrap()).unwrap();
            let mut der = crl.der().to_vec();
            let at = at.index(der.len());
            der[at] = value;
            if let Ok(crl) = Crl::from_der(&der) {
                let _ = (crl.verify_signature_by(key.public_key()), format!("{crl:?}"));
            }
        }

        #[test]
        fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Crl::from_der(&octets).is_err());
        }
    }
}
