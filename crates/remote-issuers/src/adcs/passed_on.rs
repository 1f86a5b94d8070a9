//! What of a device's request goes to the CA: all of it, so what the CA would obey beyond its names is refused here.

use super::{Agent, Wrapped};
use crate::asked::cannot;
use crate::words::quoted;
use issuer::{Inexpressible, IssueError};
use pki::cms::{Signed, SignedParts};
use pki::der::{self, Reader, tag};
use pki::{Attribute, Csr, Digest, oid};

/// Extensions by which a request chooses what the template is to decide: policies of the application (1.3.6.1.4.1.311.21.10),
/// the template itself, and a person's or computer's account.
const OBEYED: [(&str, &str); 4] = [
    (oid::MS_SID, "an account of the directory (SID)"),
    (oid::MS_TEMPLATE_NAME, "a template"),
    (oid::MS_TEMPLATE, "a template"),
    ("1.3.6.1.4.1.311.21.10", "application policies"),
];

/// Attributes that change nothing: extensions, the challenge, version of the system, program, provider of the key,
/// unstructuredName.
const HARMLESS: [&str; 7] = [
    oid::EXTENSION_REQUEST,
    oid::MS_CERT_EXTENSIONS,
    oid::CHALLENGE_PASSWORD,
    "1.3.6.1.4.1.311.13.2.3",
    "1.3.6.1.4.1.311.21.20",
    "1.3.6.1.4.1.311.13.2.2",
    "1.2.840.113549.1.9.2",
];

/// Names of values that ask for a validity; others can name a template, alternative names or an account.
const VALIDITY: [&str; 3] = ["ExpirationDate", "ValidityPeriod", "ValidityPeriodUnits"];

/// Whether the CA may see the request.
pub(super) fn check(csr: &Csr) -> Result<(), Inexpressible> {
    let remedy = || "have the device's request leave it out".to_owned();
    for extension in csr.extensions() {
        if let Some((number, what)) = OBEYED.iter().find(|(oid, _)| *oid == extension.oid) {
            return Err(cannot(
                "extensions",
                format!("the request chooses {what} ({number}), which ADCS would obey"),
                remedy(),
            ));
        }
    }
    for attribute in csr.attributes() {
        let is_harmless = HARMLESS.contains(&attribute.oid.as_str())
            || (attribute.oid == oid::MS_NAME_VALUE_PAIR && asks_for_validity(attribute));
        if !is_harmless {
            return Err(cannot(
                "extensions",
                format!(
                    "the request has the attribute {}, which ADCS might obey",
                    quoted(&attribute.oid)
                ),
                remedy(),
            ));
        }
    }
    Ok(())
}

/// EnrollmentNameValuePair ::= SEQUENCE { name BMPString, value BMPString } (MS-WCCE, section 2.2.2.7.10).
fn asks_for_validity(attribute: &Attribute) -> bool {
    attribute.values.iter().all(|value| {
        let name = (|| {
            let mut pair = Reader::new(value, "name and value").sequence().ok()?;
            der::text(&pair.expect(tag::BMP_STRING).ok()?)
        })();
        name.is_some_and(|name| VALIDITY.contains(&name.trim_end_matches('\0')))
    })
}

/// The request as it is sent: as it came, or with the agent's signature around it (a PKCS #7 request, MS-WCCE, section
/// 2.2.2.6.2).
pub(super) fn wrap(csr: &[u8], agent: Option<&Agent>) -> Result<Wrapped, IssueError> {
    let Some(agent) = agent else {
        return Ok(Wrapped {
            octets: csr.to_vec(),
            is_signed: false,
        });
    };
    let parts = SignedParts {
        content_type: oid::DATA,
        content: Some(csr),
        certificates: &[&agent.certificate],
        signer: (&agent.certificate, &agent.key),
        digest: Digest::Sha256,
        attributes: &[],
        rsa_encryption_oid: true,
    };
    Signed::build(&parts)
        .map(|octets| Wrapped {
            octets,
            is_signed: true,
        })
        .map_err(|error| {
            IssueError::Refused(format!("the enrollment agent's key cannot sign: {error}"))
        })
}
