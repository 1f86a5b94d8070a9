//! The exact content types of replies. Clients compare them octet by octet: no parameters, ever.

/// A PKIMessage, either way.
pub const PKI_MESSAGE: &str = "application/x-pki-message";
/// GetCACert: one certificate in DER.
pub const CA_CERT: &str = "application/x-x509-ca-cert";
/// GetCACert: a degenerate PKCS #7 with RA and CA certificates.
pub const CA_RA_CERT: &str = "application/x-x509-ca-ra-cert";
/// GetNextCACert: SignedData over a degenerate PKCS #7.
pub const NEXT_CA_CERT: &str = "application/x-x509-next-ca-cert";
/// GetCACaps, and plain sentences that refuse.
pub const TEXT: &str = "text/plain";
