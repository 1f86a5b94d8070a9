//! What is in the envelope of a request (RFC 8894, section 3.3).

use pki::der::{self, Reader, Tlv, tag};
use pki::{Csr, Name, Serial};

use crate::MessageType;

/// The content of a request, by its messageType.
#[derive(Clone)]
pub enum Body {
    /// 19: a certificate request. Signed with a certificate issued earlier, it is a renewal.
    PkcsReq(Csr),
    /// 17: a renewal.
    RenewalReq(Csr),
    /// 20: the outcome of a pending request. The names are as sent; transactionID and signer decide.
    CertPoll {
        /// The CA's name.
        issuer: Name,
        /// The name in the request that is pending.
        subject: Name,
    },
    /// 21: a certificate.
    GetCert {
        /// Its issuer.
        issuer: Name,
        /// Its serial number.
        serial: Serial,
    },
    /// 22: the CRL that would list this certificate.
    GetCrl {
        /// Its issuer.
        issuer: Name,
        /// Its serial number.
        serial: Serial,
    },
}

/// The messageTypes that a server answers, once the exhaustive match has let them through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    PkcsReq,
    RenewalReq,
    CertPoll,
    GetCert,
    GetCrl,
}

impl Kind {
    /// The one place that decides what a server answers: everything not named here is refused.
    pub(crate) fn of(message_type: &MessageType) -> Option<Kind> {
        match message_type {
            MessageType::PkcsReq => Some(Kind::PkcsReq),
            MessageType::RenewalReq => Some(Kind::RenewalReq),
            MessageType::CertPoll => Some(Kind::CertPoll),
            MessageType::GetCert => Some(Kind::GetCert),
            MessageType::GetCrl => Some(Kind::GetCrl),
            MessageType::CertRep | MessageType::Unknown(_) => None,
        }
    }

    /// Whether the content is a certificate request, whose signature has to be verified.
    pub(crate) fn holds_csr(self) -> bool {
        match self {
            Kind::PkcsReq | Kind::RenewalReq => true,
            Kind::CertPoll | Kind::GetCert | Kind::GetCrl => false,
        }
    }

    /// Reads what came out of the envelope.
    pub(crate) fn read(self, content: &[u8]) -> Result<Body, pki::Error> {
        Ok(match self {
            Kind::PkcsReq => Body::PkcsReq(Csr::from_der(content)?),
            Kind::RenewalReq => Body::RenewalReq(Csr::from_der(content)?),
            Kind::CertPoll => {
                let (issuer, rest) = two_of(content)?;
                Body::CertPoll {
                    issuer,
                    subject: Name::from_der(rest.raw)?,
                }
            }
            Kind::GetCert => {
                let (issuer, serial) = issuer_and_serial(content)?;
                Body::GetCert { issuer, serial }
            }
            Kind::GetCrl => {
                let (issuer, serial) = issuer_and_serial(content)?;
                Body::GetCrl { issuer, serial }
            }
        })
    }
}

fn issuer_and_serial(content: &[u8]) -> Result<(Name, Serial), pki::Error> {
    let (issuer, rest) = two_of(content)?;
    let serial = Reader::new(rest.raw, "IssuerAndSerialNumber").integer()?;
    Ok((issuer, Serial::new(serial)))
}

/// SEQUENCE { Name, something }
fn two_of(content: &[u8]) -> Result<(Name, Tlv<'_>), pki::Error> {
    let outer = Tlv::parse(content, "request content")?;
    let mut inside = Reader::new(outer.raw, "request content").sequence()?;
    let issuer = Name::from_der(inside.expect(tag::SEQUENCE)?.raw)?;
    let second = inside.element()?;
    inside.finish()?;
    Ok((issuer, second))
}

/// IssuerAndSubject (RFC 8894, section 3.3.3).
pub(crate) fn write_issuer_and_subject(issuer: &Name, subject: &Name) -> Vec<u8> {
    der::seq(&[issuer.der(), subject.der()])
}

/// IssuerAndSerialNumber (RFC 5652, section 10.2.4).
pub(crate) fn write_issuer_and_serial(issuer: &Name, serial: &Serial) -> Vec<u8> {
    der::seq(&[issuer.der(), &der::integer(serial.as_bytes())])
}
