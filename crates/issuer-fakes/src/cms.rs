//! CMS (RFC 5652) as far as a CA sends it: certificates in a SignedData that nobody signed.

use crate::der;

/// A ContentInfo with these certificates (DER) and no signer (RFC 5652, section 5.2: degenerate).
pub(crate) fn certificates(certificates: &[&[u8]]) -> Vec<u8> {
    let data = der::sequence(&[&der::oid("1.2.840.113549.1.7.1")]);
    signed_data(1, &data, certificates)
}

/// A ContentInfo with a SignedData without a signer around this EncapsulatedContentInfo.
pub(crate) fn signed_data(version: u64, content: &[u8], certificates: &[&[u8]]) -> Vec<u8> {
    let mut sorted = certificates.to_vec();
    sorted.sort_unstable();
    let set = if sorted.is_empty() {
        Vec::new()
    } else {
        der::tagged(0, &sorted.concat())
    };
    let signed = der::sequence(&[
        &der::number(version),
        &der::element(der::SET, &[]),
        content,
        &set,
        &der::element(der::SET, &[]),
    ]);
    der::sequence(&[&der::oid("1.2.840.113549.1.7.2"), &der::tagged(0, &signed)])
}
