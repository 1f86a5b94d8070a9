//! The outer form that certificates, requests and CRLs share: what is signed, an algorithm, a signature.

use std::ops::Range;

use crate::der::{self, Reader, Tlv, tag};
use crate::{Error, PrivateKey, PublicKey, SignatureScheme};

/// Where the three parts stand in the DER of the whole.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    /// The signed element, identifier and length included.
    signed: Range<usize>,
    algorithm: Range<usize>,
    /// The octets of the signature's bit string.
    signature: Range<usize>,
}

impl Outline {
    /// Splits `der`; gives the content of the signed element as well.
    pub(crate) fn read<'a>(der: &'a [u8], what: &'static str) -> Result<(Self, Reader<'a>), Error> {
        let mut reader = Reader::new(der, what);
        let whole = reader.expect(tag::SEQUENCE)?;
        reader.finish()?;
        let mut parts = whole.reader(what);
        let mut end = der.len() - whole.content.len();
        let mut place = |element: &Tlv<'_>| {
            let start = end;
            end += element.raw.len();
            start..end
        };
        let signed = parts.expect(tag::SEQUENCE)?;
        let signed_range = place(&signed);
        let algorithm = place(&parts.expect(tag::SEQUENCE)?);
        let signature = parts.bit_octets()?;
        parts.finish()?;
        let outline = Self {
            signed: signed_range,
            algorithm,
            signature: der.len() - signature.len()..der.len(),
        };
        Ok((outline, signed.reader(what)))
    }

    /// The signature's AlgorithmIdentifier.
    pub(crate) fn algorithm<'a>(&self, der: &'a [u8]) -> &'a [u8] {
        part(der, &self.algorithm)
    }

    pub(crate) fn scheme(&self, der: &[u8]) -> Result<SignatureScheme, Error> {
        SignatureScheme::from_identifier(
            &Tlv::parse(self.algorithm(der), "signature algorithm")?,
            None,
        )
    }

    /// Checks the signature over the octets as they stand in `der`.
    pub(crate) fn verify(
        &self,
        der: &[u8],
        key: &PublicKey,
        what: &'static str,
    ) -> Result<(), Error> {
        let checked = key.verify(
            &self.scheme(der)?,
            part(der, &self.signed),
            part(der, &self.signature),
        );
        checked.map_err(|error| match error {
            Error::BadSignature { .. } => Error::BadSignature { what },
            other => other,
        })
    }
}

/// Signs the element `signed` and puts the whole together.
pub(crate) fn sign(
    signed: &[u8],
    key: &PrivateKey,
    scheme: &SignatureScheme,
) -> Result<Vec<u8>, Error> {
    let signature = key.sign(scheme, signed)?;
    Ok(der::seq(&[
        signed,
        &scheme.to_identifier(),
        &der::bit_string(0, &signature),
    ]))
}

fn part<'a>(der: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    der.get(range.clone()).unwrap_or_default()
}
