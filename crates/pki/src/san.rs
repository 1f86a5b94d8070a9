//! Subject alternative names.

use std::net::IpAddr;

use crate::Error;

/// The names in a subjectAltName extension (RFC 5280, 4.2.1.6), by type, in the order of the encoding. Written as
/// `dns:a, email:b, upn:c, uri:d, ip:e`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectAltNames {
    /// dNSName.
    pub dns: Vec<String>,
    /// rfc822Name.
    pub email: Vec<String>,
    /// otherName with Microsoft's user principal name.
    pub upn: Vec<String>,
    /// uniformResourceIdentifier.
    pub uri: Vec<String>,
    /// iPAddress.
    pub ip: Vec<IpAddr>,
    /// Every other kind of name, described in words for a refusal or a log: they cannot be written again.
    pub other: Vec<String>,
}

impl SubjectAltNames {
    /// Reads the value of a subjectAltName extension.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_extension_der(_value: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading alternative names"))
    }

    /// The value of a subjectAltName extension.
    ///
    /// # Errors
    /// `Text` when there are none, or some of another kind, or some that cannot be written as IA5String.
    pub fn to_extension_der(&self) -> Result<Vec<u8>, Error> {
        Err(Error::crypto("writing alternative names"))
    }

    /// Reads `dns:a,email:b,upn:c,uri:d,ip:e`, spaces around commas allowed.
    ///
    /// # Errors
    /// `Text`, with what is wrong.
    pub fn parse(_text: &str) -> Result<Self, Error> {
        Err(Error::crypto("reading alternative names"))
    }

    /// True when there are none of any kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True when both hold the same names, in any order and however often; DNS names, e-mail addresses and UPNs are
    /// compared without regard to letter case.
    #[must_use]
    pub fn same_names(&self, other: &Self) -> bool {
        self == other
    }
}

impl std::fmt::Display for SubjectAltNames {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
