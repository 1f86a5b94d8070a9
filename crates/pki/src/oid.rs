//! Object identifiers by name, in dotted form, and their DER form.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use crate::Error;

/// The named identifiers, made once: nearly all that are read and written are among them.
static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known::default();
    for &dotted in NAMED {
        if let Ok(content) = parsed(dotted) {
            // Short form: none of them has 128 octets.
            let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
            let element = [&[0x06, length], content.as_slice()].concat();
            known.elements.insert(dotted, element);
            known.texts.insert(content, dotted);
        }
    }
    known
});

#[derive(Default)]
struct Known {
    /// Whole elements, by the dotted form.
    elements: HashMap<&'static str, Vec<u8>, Quick>,
    /// Dotted forms, by the content octets.
    texts: HashMap<Vec<u8>, &'static str, Quick>,
}

/// The tables above are looked into for each identifier in a message, and nobody adds to them: FNV-1a will do.
type Quick = BuildHasherDefault<Fnv>;

struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.0 = (self.0 ^ number as u64).wrapping_mul(0x0100_0000_01b3);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)+) => {
        $($(#[$doc])* pub const $name: &str = $value;)+

        /// Every identifier that is named here.
        pub const NAMED: &[&str] = &[$($name),+];
    };
}

oids! {
    /// id-data (RFC 5652, 4).
    DATA = "1.2.840.113549.1.7.1";
    /// id-signedData (RFC 5652, 5.1).
    SIGNED_DATA = "1.2.840.113549.1.7.2";
    /// id-envelopedData (RFC 5652, 6.1).
    ENVELOPED_DATA = "1.2.840.113549.1.7.3";
    /// emailAddress in a name (PKCS #9).
    EMAIL_ADDRESS = "1.2.840.113549.1.9.1";
    /// contentType attribute (RFC 5652, 11.1).
    CONTENT_TYPE = "1.2.840.113549.1.9.3";
    /// messageDigest attribute (RFC 5652, 11.2).
    MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
    /// signingTime attribute (RFC 5652, 11.3).
    SIGNING_TIME = "1.2.840.113549.1.9.5";
    /// challengePassword attribute of a CSR (RFC 2985, 5.4.1).
    CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7";
    /// extensionRequest attribute of a CSR (RFC 2985, 5.4.2).
    EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
    /// Microsoft's own number for the extensionRequest attribute.
    MS_CERT_EXTENSIONS = "1.3.6.1.4.1.311.2.1.14";
    /// friendlyName attribute (PKCS #9).
    FRIENDLY_NAME = "1.2.840.113549.1.9.20";
    /// CMSAlgorithmProtection attribute (RFC 6211).
    ALGORITHM_PROTECTION = "1.2.840.113549.1.9.52";
    /// Microsoft's enrollment name/value pair attribute of a CSR.
    MS_NAME_VALUE_PAIR = "1.3.6.1.4.1.311.13.2.1";

    /// SCEP messageType attribute (RFC 8894, 3.2.1).
    SCEP_MESSAGE_TYPE = "2.16.840.1.113733.1.9.2";
    /// SCEP pkiStatus attribute.
    SCEP_PKI_STATUS = "2.16.840.1.113733.1.9.3";
    /// SCEP failInfo attribute.
    SCEP_FAIL_INFO = "2.16.840.1.113733.1.9.4";
    /// SCEP senderNonce attribute.
    SCEP_SENDER_NONCE = "2.16.840.1.113733.1.9.5";
    /// SCEP recipientNonce attribute.
    SCEP_RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6";
    /// SCEP transactionID attribute.
    SCEP_TRANSACTION_ID = "2.16.840.1.113733.1.9.7";
    /// SCEP failInfoText attribute (RFC 8894, 3.2.1.4.1).
    SCEP_FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1";

    /// rsaEncryption: an RSA key, PKCS #1 v1.5 key transport, or an RSA signature whose digest is named elsewhere.
    RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
    /// md5WithRSAEncryption.
    MD5_WITH_RSA = "1.2.840.113549.1.1.4";
    /// sha1WithRSAEncryption.
    SHA1_WITH_RSA = "1.2.840.113549.1.1.5";
    /// RSAES-OAEP.
    RSA_OAEP = "1.2.840.113549.1.1.7";
    /// MGF1.
    MGF1 = "1.2.840.113549.1.1.8";
    /// pSpecified, the label source of OAEP.
    P_SPECIFIED = "1.2.840.113549.1.1.9";
    /// RSASSA-PSS.
    RSA_PSS = "1.2.840.113549.1.1.10";
    /// sha256WithRSAEncryption.
    SHA256_WITH_RSA = "1.2.840.113549.1.1.11";
    /// sha384WithRSAEncryption.
    SHA384_WITH_RSA = "1.2.840.113549.1.1.12";
    /// sha512WithRSAEncryption.
    SHA512_WITH_RSA = "1.2.840.113549.1.1.13";
    /// sha1WithRSA of the OIW, still written by some old clients.
    OIW_SHA1_WITH_RSA = "1.3.14.3.2.29";
    /// id-ecPublicKey.
    EC_PUBLIC_KEY = "1.2.840.10045.2.1";
    /// secp256r1.
    P256 = "1.2.840.10045.3.1.7";
    /// secp384r1.
    P384 = "1.3.132.0.34";
    /// secp521r1.
    P521 = "1.3.132.0.35";
    /// ecdsa-with-SHA1.
    ECDSA_SHA1 = "1.2.840.10045.4.1";
    /// ecdsa-with-SHA256.
    ECDSA_SHA256 = "1.2.840.10045.4.3.2";
    /// ecdsa-with-SHA384.
    ECDSA_SHA384 = "1.2.840.10045.4.3.3";
    /// ecdsa-with-SHA512.
    ECDSA_SHA512 = "1.2.840.10045.4.3.4";
    /// Ed25519.
    ED25519 = "1.3.101.112";
    /// Ed448 (RFC 8410).
    ED448 = "1.3.101.113";

    /// MD5.
    MD5 = "1.2.840.113549.2.5";
    /// SHA-1.
    SHA1 = "1.3.14.3.2.26";
    /// SHA-256.
    SHA256 = "2.16.840.1.101.3.4.2.1";
    /// SHA-384.
    SHA384 = "2.16.840.1.101.3.4.2.2";
    /// SHA-512.
    SHA512 = "2.16.840.1.101.3.4.2.3";

    /// AES-128-CBC.
    AES128_CBC = "2.16.840.1.101.3.4.1.2";
    /// AES-192-CBC.
    AES192_CBC = "2.16.840.1.101.3.4.1.22";
    /// AES-256-CBC.
    AES256_CBC = "2.16.840.1.101.3.4.1.42";
    /// DES-EDE3-CBC.
    DES_EDE3_CBC = "1.2.840.113549.3.7";
    /// Single DES in CBC mode: recognised so that it can be named in a refusal.
    DES_CBC = "1.3.14.3.2.7";

    /// commonName.
    COMMON_NAME = "2.5.4.3";
    /// surname.
    SURNAME = "2.5.4.4";
    /// serialNumber (of a device, in a name).
    SERIAL_NUMBER = "2.5.4.5";
    /// countryName.
    COUNTRY = "2.5.4.6";
    /// localityName.
    LOCALITY = "2.5.4.7";
    /// stateOrProvinceName.
    STATE = "2.5.4.8";
    /// streetAddress.
    STREET = "2.5.4.9";
    /// organizationName.
    ORGANIZATION = "2.5.4.10";
    /// organizationalUnitName.
    ORGANIZATIONAL_UNIT = "2.5.4.11";
    /// title.
    TITLE = "2.5.4.12";
    /// givenName.
    GIVEN_NAME = "2.5.4.42";
    /// dnQualifier.
    DN_QUALIFIER = "2.5.4.46";
    /// description.
    DESCRIPTION = "2.5.4.13";
    /// businessCategory.
    BUSINESS_CATEGORY = "2.5.4.15";
    /// postalCode.
    POSTAL_CODE = "2.5.4.17";
    /// name.
    NAME = "2.5.4.41";
    /// initials.
    INITIALS = "2.5.4.43";
    /// generationQualifier.
    GENERATION_QUALIFIER = "2.5.4.44";
    /// pseudonym.
    PSEUDONYM = "2.5.4.65";
    /// organizationIdentifier.
    ORGANIZATION_IDENTIFIER = "2.5.4.97";
    /// unstructuredName (PKCS #9), used by network devices.
    UNSTRUCTURED_NAME = "1.2.840.113549.1.9.2";
    /// unstructuredAddress (PKCS #9), used by network devices.
    UNSTRUCTURED_ADDRESS = "1.2.840.113549.1.9.8";
    /// domainComponent.
    DOMAIN_COMPONENT = "0.9.2342.19200300.100.1.25";
    /// userId.
    USER_ID = "0.9.2342.19200300.100.1.1";

    /// subjectKeyIdentifier extension.
    SUBJECT_KEY_ID = "2.5.29.14";
    /// keyUsage extension.
    KEY_USAGE = "2.5.29.15";
    /// subjectAltName extension.
    SUBJECT_ALT_NAME = "2.5.29.17";
    /// basicConstraints extension.
    BASIC_CONSTRAINTS = "2.5.29.19";
    /// cRLNumber extension.
    CRL_NUMBER = "2.5.29.20";
    /// reasonCode extension of a CRL entry.
    CRL_REASON = "2.5.29.21";
    /// cRLDistributionPoints extension.
    CRL_DISTRIBUTION_POINTS = "2.5.29.31";
    /// certificatePolicies extension.
    CERTIFICATE_POLICIES = "2.5.29.32";
    /// authorityKeyIdentifier extension.
    AUTHORITY_KEY_ID = "2.5.29.35";
    /// extKeyUsage extension.
    EXT_KEY_USAGE = "2.5.29.37";
    /// authorityInfoAccess extension.
    AUTHORITY_INFO_ACCESS = "1.3.6.1.5.5.7.1.1";
    /// tlsfeature extension ("must staple", RFC 7633).
    TLS_FEATURE = "1.3.6.1.5.5.7.1.24";
    /// The basic OCSP response (RFC 6960, 4.2.1).
    OCSP_BASIC = "1.3.6.1.5.5.7.48.1.1";
    /// Nonce of an OCSP request and its response (RFC 9654).
    OCSP_NONCE = "1.3.6.1.5.5.7.48.1.2";
    /// The kinds of response that an OCSP client takes (RFC 6960, 4.4.3).
    OCSP_RESPONSE = "1.3.6.1.5.5.7.48.1.4";
    /// ocsp-nocheck extension: nobody asks about an OCSP responder's own certificate (RFC 6960, 4.2.2.2.1).
    OCSP_NO_CHECK = "1.3.6.1.5.5.7.48.1.5";
    /// OCSP access method.
    AD_OCSP = "1.3.6.1.5.5.7.48.1";
    /// caIssuers access method.
    AD_CA_ISSUERS = "1.3.6.1.5.5.7.48.2";
    /// Microsoft's SID extension.
    MS_SID = "1.3.6.1.4.1.311.25.2";
    /// szOID_NTDS_OBJECTSID: the SID inside of it.
    MS_SID_VALUE = "1.3.6.1.4.1.311.25.2.1";
    /// Microsoft's certificate template name extension.
    MS_TEMPLATE_NAME = "1.3.6.1.4.1.311.20.2";
    /// Microsoft's certificate template extension.
    MS_TEMPLATE = "1.3.6.1.4.1.311.21.7";
    /// User principal name, an otherName.
    MS_UPN = "1.3.6.1.4.1.311.20.2.3";

    /// serverAuth.
    EKU_SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
    /// clientAuth.
    EKU_CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
    /// codeSigning.
    EKU_CODE_SIGNING = "1.3.6.1.5.5.7.3.3";
    /// emailProtection.
    EKU_EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4";
    /// OCSPSigning.
    EKU_OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";
    /// Certificate Request Agent, Microsoft's EKU of registration authorities.
    EKU_REQUEST_AGENT = "1.3.6.1.4.1.311.20.2.1";
    /// anyExtendedKeyUsage.
    EKU_ANY = "2.5.29.37.0";
}

/// The dotted form of an OBJECT IDENTIFIER's content octets.
///
/// # Errors
/// `Malformed` when the octets are empty, truncated or an arc does not fit in 64 bits.
pub fn to_dotted(content: &[u8]) -> Result<String, Error> {
    match KNOWN.texts.get(content) {
        Some(&dotted) => Ok(dotted.to_owned()),
        None => written(content),
    }
}

fn written(content: &[u8]) -> Result<String, Error> {
    const WHAT: &str = "object identifier";
    let (last, _) = content
        .split_last()
        .ok_or_else(|| Error::malformed(WHAT, "it is empty"))?;
    if last & 0x80 != 0 {
        return Err(Error::malformed(WHAT, "it is truncated"));
    }
    let mut text = String::with_capacity(content.len() * 3);
    let mut arc: u64 = 0;
    let mut first = true;
    for octet in content {
        if arc >> 57 != 0 {
            return Err(Error::malformed(WHAT, "an arc is too large"));
        }
        arc = (arc << 7) | u64::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            continue;
        }
        if first {
            let root = (arc / 40).min(2);
            push_number(&mut text, root);
            arc -= root * 40;
            first = false;
        }
        text.push('.');
        push_number(&mut text, arc);
        arc = 0;
    }
    Ok(text)
}

fn push_number(text: &mut String, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        first -= 1;
        if number == 0 {
            break;
        }
    }
    let digits = digits.get(first..).unwrap_or_default();
    text.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// The content octets of an OBJECT IDENTIFIER written in dotted form.
///
/// # Errors
/// `Text` when it is not at least two numbers with dots between, in the ranges of X.660.
pub fn from_dotted(dotted: &str) -> Result<Vec<u8>, Error> {
    match known_element(dotted) {
        Some([_, _, content @ ..]) => Ok(content.to_vec()),
        _ => parsed(dotted),
    }
}

/// The whole DER element of an identifier that is named here.
pub(crate) fn known_element(dotted: &str) -> Option<&'static [u8]> {
    KNOWN.elements.get(dotted).map(Vec::as_slice)
}

fn parsed(dotted: &str) -> Result<Vec<u8>, Error> {
    let bad = || {
        Error::text(
            "object identifier",
            format!(
                "`{}` is not numbers with dots between",
                dotted.escape_debug()
            ),
        )
    };
    let mut content = Vec::with_capacity(dotted.len());
    let mut root = None;
    for (at, arc) in dotted.split('.').enumerate() {
        let arc = number(arc).ok_or_else(bad)?;
        match (at, root) {
            (0, _) => root = Some(arc).filter(|root| *root <= 2),
            (1, Some(root)) if root == 2 || arc < 40 => {
                push_arc(&mut content, arc.checked_add(root * 40).ok_or_else(bad)?);
            }
            (2.., Some(_)) => push_arc(&mut content, arc),
            _ => return Err(bad()),
        }
    }
    if content.is_empty() {
        return Err(bad());
    }
    Ok(content)
}

/// A number in decimal digits, and nothing else.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.bytes().try_fold(0u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

fn push_arc(content: &mut Vec<u8>, arc: u64) {
    let groups = (64 - arc.leading_zeros()).max(1).div_ceil(7);
    for group in (0..groups).rev() {
        let bits = u8::try_from((arc >> (group * 7)) & 0x7f).unwrap_or(0);
        content.push(if group == 0 { bits } else { bits | 0x80 });
    }
}

/// The short name by which the library knows an identifier (`secp256k1`, `RSA-MD5`); where it has none, the dotted form
/// again.
#[must_use]
pub fn known_as(dotted: &str) -> String {
    openssl::asn1::Asn1Object::from_str(dotted)
        .ok()
        .map(|object| object.nid())
        .filter(|nid| *nid != openssl::nid::Nid::UNDEF)
        .and_then(|nid| nid.short_name().ok())
        .unwrap_or(dotted)
        .to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_named_identifier_survives_the_round_trip() {
        for dotted in NAMED {
            let content = from_dotted(dotted).unwrap();
            assert_eq!(content, parsed(dotted).unwrap());
            let element = known_element(dotted).unwrap();
            assert_eq!(element, crate::der::tlv(crate::der::tag::OID, &content));
            assert_eq!(to_dotted(&content).unwrap(), *dotted);
            assert_eq!(written(&content).unwrap(), *dotted);
        }
        assert_eq!(KNOWN.texts.len(), NAMED.len());
    }

    #[test]
    fn known_octets() {
        assert_eq!(
            from_dotted(RSA_ENCRYPTION).unwrap(),
            hex::decode("2a864886f70d010101").unwrap()
        );
        assert_eq!(to_dotted(&[0x88, 0x37, 0x03]).unwrap(), "2.999.3");
    }

    #[test]
    fn what_is_not_an_identifier_is_refused() {
        for bad in [
            "",
            "1",
            "3.1",
            "1.40",
            "1.2.",
            "1..2",
            "1.2.x",
            "1.2.+3",
            "1.2.99999999999999999999",
        ] {
            assert!(from_dotted(bad).is_err(), "{bad}");
        }
        for bad in [&[][..], &[0x80], &[0x2a, 0x86], &[0xff; 12]] {
            assert!(to_dotted(bad).is_err(), "{bad:?}");
        }
    }
}
