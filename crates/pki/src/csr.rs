//! PKCS #10 certification requests.

mod proof;
mod validity;

use chrono::{DateTime, Utc};

use crate::der::{self, tag};
use crate::signed_object::{self, Outline};
use crate::{
    Attribute, Digest, Error, Extension, KeyUsage, Name, PrivateKey, PublicKey, SignatureScheme,
    SubjectAltNames, ber, extension, oid,
};

pub use proof::CsrProof;

const WHAT: &str = "certification request";

/// The first and last second that a request asks for, each if asked for.
pub type RequestedValidity = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// A certification request (RFC 2986), with the octets that it came in.
#[derive(Clone)]
pub struct Csr {
    der: Vec<u8>,
    outline: Outline,
    subject: Name,
    public_key: PublicKey,
    attributes: Vec<Attribute>,
    extensions: Vec<Extension>,
    sans: SubjectAltNames,
    key_usage: Option<KeyUsage>,
    ext_key_usages: Vec<String>,
    challenge_password: Option<String>,
}

impl Csr {
    /// Reads the DER of a request. Attributes may stand in any order, or be left out.
    ///
    /// # Errors
    /// `Malformed`, also when challengePassword or an extension is there twice (which of them counts would be a guess),
    /// or a key usage, extended key usage or alternative name cannot be read; `TooDeep` and `TooManyElements` beyond what
    /// [`Limits`](ber::Limits) allow by default.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        ber::check(der, &ber::Limits::default())?;
        let (outline, mut info) = Outline::read(der, WHAT)?;
        info.integer()?;
        let subject = Name::read(&mut info)?;
        let public_key = PublicKey::from_spki_der(info.expect(tag::SEQUENCE)?.raw)?;
        let attributes = match info.optional(tag::context_constructed(0))? {
            Some(list) => Attribute::read_all(list.reader(WHAT))?,
            None => Vec::new(),
        };
        info.finish()?;
        let extensions = requested_extensions(&attributes)?;
        let value = |oid| extension::find(&extensions, oid);
        Ok(Self {
            sans: value(oid::SUBJECT_ALT_NAME).map_or_else(
                || Ok(SubjectAltNames::default()),
                SubjectAltNames::from_extension_der,
            )?,
            key_usage: value(oid::KEY_USAGE)
                .map(KeyUsage::from_extension_der)
                .transpose()?,
            ext_key_usages: value(oid::EXT_KEY_USAGE)
                .map_or_else(|| Ok(Vec::new()), extension::usages)?,
            challenge_password: challenge_password(&attributes)?,
            der: der.to_vec(),
            outline,
            subject,
            public_key,
            attributes,
            extensions,
        })
    }

    /// Builds and signs a request (RSA PKCS #1 v1.5 or ECDSA, SHA-256).
    ///
    /// # Errors
    /// `Text` when a name cannot be written; what [`PrivateKey::sign`] says.
    pub fn build(
        subject: &Name,
        sans: &SubjectAltNames,
        challenge: Option<&str>,
        extra_extensions: &[Extension],
        key: &PrivateKey,
    ) -> Result<Self, Error> {
        let mut extensions = extra_extensions.to_vec();
        if !sans.is_empty() {
            extensions.push(Extension::subject_alt_names(sans, subject)?);
        }
        let mut attributes = Vec::new();
        if let Some(challenge) = challenge {
            // PrintableString where it fits, as RFC 2985 (5.4.1) prefers.
            let value = if der::is_printable(challenge) {
                der::printable_string(challenge)
            } else {
                der::utf8_string(challenge)
            };
            attributes.push(der::seq(&[
                &der::oid(oid::CHALLENGE_PASSWORD)?,
                &der::set_of(vec![value]),
            ]));
        }
        if !extensions.is_empty() {
            let value = extension::write_extensions(&extensions)?;
            attributes.push(der::seq(&[
                &der::oid(oid::EXTENSION_REQUEST)?,
                &der::set_of(vec![value]),
            ]));
        }
        attributes.sort_unstable();
        let info = der::seq(&[
            &der::integer_u64(0),
            subject.der(),
            key.public_key().spki_der(),
            &der::implicit(0, true, &attributes.concat()),
        ]);
        Self::from_der(&signed_object::sign(
            &info,
            key,
            &key.scheme(Digest::Sha256)?,
        )?)
    }

    /// The octets, as they came.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The name asked for.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The key to be certified.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The alternative names asked for.
    #[must_use]
    pub fn sans(&self) -> &SubjectAltNames {
        &self.sans
    }

    /// The challengePassword, whatever its string type.
    #[must_use]
    pub fn challenge_password(&self) -> Option<&str> {
        self.challenge_password.as_deref()
    }

    /// Every extension asked for, in the order of the encoding.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Every attribute, in the order of the encoding.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The key usage asked for.
    #[must_use]
    pub const fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// The extended key usages asked for, as dotted identifiers.
    #[must_use]
    pub fn ext_key_usages(&self) -> Vec<String> {
        self.ext_key_usages.clone()
    }

    /// True when basicConstraints asks for CA:TRUE, or cannot be read.
    #[must_use]
    pub fn wants_ca(&self) -> bool {
        extension::find(&self.extensions, oid::BASIC_CONSTRAINTS)
            .is_some_and(|value| extension::is_ca(value) != Ok(false))
    }

    /// The validity asked for by Windows' name/value pairs (ExpirationDate, or ValidityPeriod with ValidityPeriodUnits,
    /// which Android swaps), a period being counted from `now`: first and last second, each if asked for.
    #[must_use]
    pub fn validity_request(&self, now: DateTime<Utc>) -> Option<RequestedValidity> {
        validity::requested(&self.attributes, now).map(|end| (None, Some(end)))
    }

    /// True when Microsoft's SID extension is asked for.
    #[must_use]
    pub fn has_sid_extension(&self) -> bool {
        extension::find(&self.extensions, oid::MS_SID).is_some()
    }

    /// How the request is signed.
    ///
    /// # Errors
    /// `Unsupported`, `Malformed`.
    pub fn signature_scheme(&self) -> Result<SignatureScheme, Error> {
        self.outline.scheme(&self.der)
    }

    /// Checks the request's own signature, over its raw octets, with the key that it holds.
    ///
    /// # Errors
    /// `BadSignature`, `Unsupported`, `WrongKey`.
    pub fn verify(&self) -> Result<(), Error> {
        self.outline.verify(&self.der, &self.public_key, WHAT)
    }

    /// As [`verify`](Self::verify). Where `known` is the very key that the request holds it does the work: it may have
    /// been used before, and is then ready.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(&self, known: &PublicKey) -> Result<(), Error> {
        let same = known.spki_der() == self.public_key.spki_der();
        let key = if same { known } else { &self.public_key };
        self.outline.verify(&self.der, key, WHAT)
    }
}

impl std::fmt::Debug for Csr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The challenge is a secret.
        write!(f, "Csr({})", self.subject)
    }
}

/// What the extensionRequest attribute, under either of its numbers, asks for.
fn requested_extensions(attributes: &[Attribute]) -> Result<Vec<Extension>, Error> {
    let mut extensions: Vec<Extension> = Vec::new();
    let requests = attributes.iter().filter(|attribute| {
        matches!(
            attribute.oid.as_str(),
            oid::EXTENSION_REQUEST | oid::MS_CERT_EXTENSIONS
        )
    });
    for value in requests.flat_map(|attribute| &attribute.values) {
        extensions.extend(extension::read_extensions(value)?);
    }
    let mut seen = std::collections::HashSet::with_capacity(extensions.len());
    if extensions
        .iter()
        .all(|extension| seen.insert(extension.oid.as_str()))
    {
        Ok(extensions)
    } else {
        Err(Error::malformed(WHAT, "an extension is there twice"))
    }
}

fn challenge_password(attributes: &[Attribute]) -> Result<Option<String>, Error> {
    let mut found = attributes
        .iter()
        .filter(|attribute| attribute.oid == oid::CHALLENGE_PASSWORD);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(attribute), None) => attribute.text().map(Some).ok_or(Error::malformed(
            WHAT,
            "its challengePassword is not one text",
        )),
        _ => Err(Error::malformed(WHAT, "challengePassword is there twice")),
    }
}

#[cfg(test)]
mod tests;
