//! What is asked: OCSPRequest (RFC 6960, section 4.1).

use pki::der::{self, Reader, Tlv, tag};
use pki::{Digest, Serial, oid};

/// The longest request that is read, in octets. One about a single certificate has about 90, and 125 with a nonce.
pub const LONGEST: usize = 2048;

/// The most certificates that one request may ask about.
pub const MOST: usize = 16;

/// The longest nonce that a request may hold, in octets: a longer one makes it malformed. Clients use 32 at most; RFC 9654,
/// section 2.1, lets a responder do nothing for longer ones.
pub const LONGEST_NONCE: usize = 32;

/// The longest serial number, in octets, a leading zero octet included (RFC 5280, section 4.1.2.2, allows 20).
const LONGEST_SERIAL: usize = 32;

const WHAT: &str = "OCSPRequest";

/// A request, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The certificates that are asked about, 1 to [`MOST`].
    pub certificates: Vec<CertId>,
    /// Whether the answer has to be made for this request alone.
    pub nonce: Nonce,
}

/// Names a certificate by digests of its issuer and by its serial number (RFC 6960, section 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertId {
    /// The whole of it, DER, as it came.
    pub der: Vec<u8>,
    /// The digest of the two hashes; `None`: one that nobody here knows.
    pub digest: Option<Digest>,
    /// Of the issuer's name, DER.
    pub name_hash: Vec<u8>,
    /// Of the octets in the bit string of the issuer's key.
    pub key_hash: Vec<u8>,
    /// The certificate's serial number.
    pub serial: Serial,
}

/// What a request says of a nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nonce {
    /// There is none.
    Absent,
    /// It is to come back in the answer. What the extension holds, as it came: an OCTET STRING in DER, or the bare octets
    /// that clients from before RFC 6960 send.
    Asked(Vec<u8>),
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Its octets are no request.
    #[error("{0}")]
    Malformed(#[from] pki::Error),
    /// It is longer than [`LONGEST`].
    #[error("the OCSPRequest has more than {LONGEST} octets")]
    TooLong,
    /// It asks about no certificate, or about more than [`MOST`].
    #[error("the OCSPRequest asks about {0} certificates; 1 to {MOST} are answered")]
    Count(usize),
    /// A nonce of no octets, or of more than [`LONGEST_NONCE`].
    #[error("the nonce has {0} octets; 1 to {LONGEST_NONCE} are answered")]
    NonceLength(usize),
    /// There is an extension that must be understood, and is not.
    #[error("the critical extension {0} is not known")]
    Critical(String),
}

impl Request {
    /// Reads the DER of a request. Its signature and its requestorName count nothing: whoever asks is told.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_der(octets: &[u8]) -> Result<Self, RequestError> {
        if octets.len() > LONGEST {
            return Err(RequestError::TooLong);
        }
        let mut outer = Tlv::parse(octets, WHAT)?;
        if outer.tag != tag::SEQUENCE {
            return Err(Reader::new(octets, WHAT).error("it is no SEQUENCE").into());
        }
        let mut parts = outer.reader(WHAT);
        outer = parts.expect(tag::SEQUENCE)?;
        // optionalSignature
        parts.optional(tag::context_constructed(0))?;
        parts.finish()?;
        let mut body = outer.reader(WHAT);
        if let Some(version) = body.optional(tag::context_constructed(0))? {
            let mut version = version.reader(WHAT);
            if version.unsigned()? != 0 {
                return Err(version.error("its version is not 1").into());
            }
            version.finish()?;
        }
        // requestorName
        body.optional(tag::context_constructed(1))?;
        let mut list = body.sequence()?;
        let mut certificates = Vec::with_capacity(1);
        while !list.is_empty() {
            let mut one = list.sequence()?;
            let id = one.expect(tag::SEQUENCE)?;
            if certificates.len() == MOST {
                return Err(RequestError::Count(MOST + 1));
            }
            certificates.push(CertId::read(&id)?);
            if let Some(extensions) = one.optional(tag::context_constructed(0))? {
                // The service locator, for one, is of no use here.
                each_extension(extensions, |oid, critical, _| {
                    refuse_critical(&oid, critical)
                })?;
            }
            one.finish()?;
        }
        if certificates.is_empty() {
            return Err(RequestError::Count(0));
        }
        let mut nonce = Nonce::Absent;
        if let Some(extensions) = body.optional(tag::context_constructed(2))? {
            each_extension(extensions, |oid, critical, value| match oid.as_str() {
                oid::OCSP_NONCE => {
                    nonce = Nonce::read(value)?;
                    Ok(())
                }
                // Which kinds of answers are understood: there is the basic one alone.
                oid::OCSP_RESPONSE => Ok(()),
                _ => refuse_critical(&oid, critical),
            })?;
        }
        body.finish()?;
        Ok(Self {
            certificates,
            nonce,
        })
    }
}

impl CertId {
    /// The id of the certificate with this serial number, of the CA with this name and key.
    #[must_use]
    pub fn new(digest: Digest, ca: &pki::Certificate, serial: &Serial) -> Self {
        let name_hash = digest.hash(ca.subject().der());
        let key_hash = digest.hash(ca.public_key().bits());
        let algorithm = der::seq(&[&der::oid(digest.oid()).unwrap_or_default(), &der::null()]);
        let der = der::seq(&[
            &algorithm,
            &der::octet_string(&name_hash),
            &der::octet_string(&key_hash),
            &der::integer(serial.as_bytes()),
        ]);
        Self {
            der,
            digest: Some(digest),
            name_hash,
            key_hash,
            serial: serial.clone(),
        }
    }

    fn read(whole: &Tlv<'_>) -> Result<Self, RequestError> {
        let mut parts = whole.reader("CertID");
        let mut algorithm = parts.sequence()?;
        let digest = Digest::from_oid(&algorithm.oid()?).filter(|digest| *digest != Digest::Md5);
        // NULL, or nothing: both are written.
        algorithm.optional(tag::NULL)?;
        algorithm.finish()?;
        let name_hash = parts.expect(tag::OCTET_STRING)?.content;
        let key_hash = parts.expect(tag::OCTET_STRING)?.content;
        let serial = parts.integer()?;
        if serial.len() > LONGEST_SERIAL {
            return Err(parts.error("the serial number is too long").into());
        }
        parts.finish()?;
        Ok(Self {
            der: whole.raw.to_vec(),
            digest,
            name_hash: name_hash.to_vec(),
            key_hash: key_hash.to_vec(),
            serial: Serial::new(serial),
        })
    }
}

impl Nonce {
    fn read(value: &[u8]) -> Result<Self, RequestError> {
        let inner = Tlv::parse(value, "nonce")
            .ok()
            .filter(|inner| inner.tag == tag::OCTET_STRING);
        let length = inner.map_or(value.len(), |inner| inner.content.len());
        match length {
            1..=LONGEST_NONCE => Ok(Self::Asked(value.to_vec())),
            _ => Err(RequestError::NonceLength(length)),
        }
    }
}

/// Reads `Extensions` in an explicit tag; `take` gets each one's identifier, whether it is critical, and its value.
fn each_extension(
    tagged: Tlv<'_>,
    mut take: impl FnMut(String, bool, &[u8]) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    let mut outer = tagged.reader("extensions");
    let mut list = outer.sequence()?;
    outer.finish()?;
    while !list.is_empty() {
        let mut extension = list.sequence()?;
        let oid = extension.oid()?;
        let critical = extension.optional(tag::BOOLEAN)?;
        let value = extension.expect(tag::OCTET_STRING)?;
        extension.finish()?;
        let critical = critical.is_some_and(|flag| flag.content != [0]);
        take(oid, critical, value.content)?;
    }
    Ok(())
}

fn refuse_critical(oid: &str, critical: bool) -> Result<(), RequestError> {
    if critical {
        Err(RequestError::Critical(oid.to_owned()))
    } else {
        Ok(())
    }
}
