//! Distinguished names.

use crate::Error;

/// A distinguished name (RFC 5280, 4.1.2.4), with the DER that it came in. Written as `C=US, O=x, CN=y`, in the order of
/// the encoding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    der: Vec<u8>,
    attributes: Vec<(String, String)>,
}

impl Name {
    /// Reads the DER of a Name.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_der(_der: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a name"))
    }

    /// Reads `C=US, O=x, CN=y`: attributes by short name or dotted identifier, in the order of the encoding, `\` before
    /// characters that would end a value. Empty text is the empty name.
    ///
    /// # Errors
    /// `Text`, with what is wrong.
    pub fn parse(_text: &str) -> Result<Self, Error> {
        Err(Error::crypto("reading a name"))
    }

    /// The DER, as it came.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The last commonName.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        None
    }

    /// Every attribute as (dotted identifier, text), in the order of the encoding.
    #[must_use]
    pub fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// True for the name without attributes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// True when both are the same name: the same octets, or the same attributes in the same order after string types,
    /// letter case and runs of spaces are set aside (RFC 5280, 7.1, in essence).
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Name({self})")
    }
}
