//! The one error type of the crate.

/// What can be wrong with something that was to be read, checked, made or used.
///
/// No variant carries octets or text from outside, except object identifiers, which are digits and dots.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The octets are not what the structure demands.
    #[error("{what} cannot be read: {problem}")]
    Malformed {
        /// The structure or field that was being read.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// One certificate of several in a file cannot be read.
    #[error("certificate number {position}: {error}")]
    InBundle {
        /// Which one, the first being 1; blocks that are no certificates do not count.
        position: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// BER nested more deeply than the budget allows.
    #[error("the encoding is nested more than {limit} levels deep")]
    TooDeep {
        /// The budget that was exceeded.
        limit: usize,
    },
    /// BER with more elements than the budget allows.
    #[error("the encoding has more than {limit} elements")]
    TooManyElements {
        /// The budget that was exceeded.
        limit: usize,
    },
    /// A well-formed use of an algorithm or type that this crate does not do.
    #[error("{what} {oid} is not supported")]
    Unsupported {
        /// What kind of thing it is: `digest algorithm`, `content cipher`, ...
        what: &'static str,
        /// Its object identifier in dotted form, or the name of a parameter.
        oid: String,
    },
    /// A signature is not that of the key over the octets.
    #[error("the signature of the {what} is wrong")]
    BadSignature {
        /// What was signed.
        what: &'static str,
    },
    /// A signed attribute of a CMS message is missing, doubled or wrong (RFC 5652, 5.3, 11.1 and 11.2).
    #[error("the signed attribute {attribute} is {problem}")]
    SignedAttribute {
        /// The attribute's name, or `attributes` for all of them.
        attribute: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The certificate that a SignerInfo names is not in the message.
    #[error("the signer's certificate is not in the message")]
    SignerCertificateMissing,
    /// None of the recipients of an EnvelopedData is the certificate at hand.
    #[error("the message is not encrypted to this certificate")]
    NotARecipient,
    /// The key cannot do what is asked of it.
    #[error("a key of the type {found} cannot be used for {purpose}")]
    WrongKey {
        /// What the key was to be used for.
        purpose: &'static str,
        /// The kind of key it is, as [`KeyKind`](crate::KeyKind) writes it.
        found: String,
    },
    /// An attribute of a name is not what a certificate may carry (RFC 5280, 4.1.2.4 and appendix A.1).
    #[error("the attribute {attribute} {problem}")]
    Attribute {
        /// Its short name, or its object identifier in dotted form.
        attribute: String,
        /// What is wrong with its value.
        problem: String,
    },
    /// Text from an operator (a name, a list of alternative names) that does not say what it must.
    #[error("{what} is not valid: {problem}")]
    Text {
        /// What the text was to be.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The cryptographic library refused an operation that should have worked.
    #[error("{operation} failed in the cryptographic library")]
    Crypto {
        /// What was tried.
        operation: &'static str,
    },
}

impl Error {
    pub(crate) const fn malformed(what: &'static str, problem: &'static str) -> Self {
        Self::Malformed { what, problem }
    }

    pub(crate) const fn crypto(operation: &'static str) -> Self {
        Self::Crypto { operation }
    }

    pub(crate) fn text(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Text {
            what,
            problem: problem.into(),
        }
    }
}
