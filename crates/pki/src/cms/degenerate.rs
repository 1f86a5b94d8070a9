//! The degenerate, certs-only SignedData (RFC 5652, 5.1; RFC 8894, 3.4).

use crate::ber::{self, Limits};
use crate::der::{self, tag};
use crate::{Certificate, Crl, Error, oid};

const WHAT: &str = "certs-only message";

/// A SignedData without content and signers that carries certificates and CRLs, in the order given: clients take the first
/// certificate as theirs.
#[must_use]
pub fn degenerate(certificates: &[&Certificate], crls: &[&[u8]]) -> Vec<u8> {
    let oid = |dotted| der::tlv(tag::OID, &oid::from_dotted(dotted).unwrap_or_default());
    let crls = if crls.is_empty() {
        Vec::new()
    } else {
        der::implicit(1, true, &crls.concat())
    };
    let signed_data = der::seq(&[
        &der::integer_u64(1),
        &der::set_in_order(&[]),
        &der::seq(&[&oid(oid::DATA)]),
        &super::write_certificates(certificates),
        &crls,
        &der::set_in_order(&[]),
    ]);
    der::seq(&[&oid(oid::SIGNED_DATA), &der::explicit(0, &signed_data)])
}

/// Reads the certificates and CRLs out of a SignedData (BER or DER), in the order sent. Content and signers, if any, are
/// not looked at.
///
/// # Errors
/// `Malformed`, `TooDeep`.
pub fn parse_degenerate(ber: &[u8]) -> Result<(Vec<Certificate>, Vec<Crl>), Error> {
    // A CRL has as many elements as it likes, so here the input's own length is the budget.
    let limits = Limits {
        max_elements: ber.len(),
        ..Limits::default()
    };
    let der = ber::normalise(ber, &limits)?;
    let mut fields = super::content(&der, oid::SIGNED_DATA, WHAT)?;
    fields.integer()?;
    fields.expect(tag::SET)?;
    fields.sequence()?;
    let certificates = match fields.optional(tag::context_constructed(0))? {
        Some(set) => super::read_certificates(set.reader(WHAT))?,
        None => Vec::new(),
    };
    let mut crls = Vec::new();
    if let Some(set) = fields.optional(tag::context_constructed(1))? {
        let mut set = set.reader(WHAT);
        while !set.is_empty() {
            let element = set.element()?;
            if element.tag == tag::SEQUENCE {
                crls.push(Crl::from_der(element.raw)?);
            }
        }
    }
    fields.expect(tag::SET)?;
    fields.finish()?;
    Ok((certificates, crls))
}
